import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';

import fc from 'fast-check';
import { expect } from 'vitest';

import { startGateway } from '../../../support/gateway.ts';
import { createIssuer } from '../../../support/issuer.ts';
import { withClient } from '../../../support/sealed-database.ts';
import { createTodoDatabase } from '../../../support/todo-app.ts';
import {
  bind,
  execute,
  int32,
  message,
  openWireClient,
  packet,
  parse,
  password,
  query,
  startupPacket,
  sync,
} from '../../../support/wire-client.ts';
import { eventually } from '../../embedded/project.ts';

type Mutation =
  | { readonly kind: 'flip'; readonly at: number; readonly bits: number }
  | { readonly kind: 'cut'; readonly at: number; readonly length: number }
  | { readonly kind: 'insert'; readonly at: number; readonly bytes: Uint8Array };

const position = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });

const mutation: fc.Arbitrary<Mutation> = fc.oneof(
  fc.record({ kind: fc.constant('flip' as const), at: position, bits: fc.integer({ min: 1, max: 255 }) }),
  fc.record({ kind: fc.constant('cut' as const), at: position, length: fc.integer({ min: 1, max: 20 }) }),
  fc.record({
    kind: fc.constant('insert' as const),
    at: position,
    bytes: fc.uint8Array({ minLength: 1, maxLength: 20 }),
  }),
);

function mutate(bytes: Buffer, change: Mutation): Buffer {
  const at = Math.floor(change.at * bytes.length);
  const rest = bytes.subarray(at + (change.kind === 'cut' ? change.length : 0));
  if (change.kind === 'insert') return Buffer.concat([bytes.subarray(0, at), change.bytes, rest]);
  if (change.kind === 'cut') return Buffer.concat([bytes.subarray(0, at), rest]);
  const copy = Buffer.from(bytes);
  copy[at] = (copy[at] ?? 0) ^ change.bits;
  return copy;
}

/** What a client may send once its session has begun, and some of what it may not. */
const sensible = fc.constantFrom(
  query('select id from todos'),
  query('begin; insert into todos (title) values (1)'),
  query('rollback; reset all'),
  query('discard all'),
  query('truncate todos'),
  parse('', 'select $1::int'),
  parse('named', 'select title from todos'),
  parse('begin', 'begin'),
  bind('named'),
  bind('begin', 'portal'),
  execute(),
  execute('portal'),
  message('D', 'Snamed\0'),
  message('D', 'P\0'),
  message('C', 'Snamed\0'),
  message('H'),
  message('F', Buffer.alloc(12)),
  message('d', 'data'),
  message('p', 'again\0'),
  sync,
  message('X'),
);

const bytes = fc.uint8Array({ maxLength: 64 }).map((array) => Buffer.from(array));

interface Conversation {
  /** A session has begun before it. */
  readonly begins: boolean;
  readonly sent: Buffer;
}

/**
 * Sends what is nearly right, and what is not right at all, to a gateway with a real PostgreSQL behind it. Each client is
 * answered or cut off, never left alone; afterwards the gateway serves as before, and holds no backend.
 */
export async function expectGatewayToSurvive(runs: number): Promise<void> {
  const database = await createTodoDatabase('wire_fuzz');
  const issuer = await createIssuer();
  const alice = await issuer.token('alice');
  const gateway = await startGateway({ database, issuer });
  const port = gateway.tcp?.port ?? 0;
  const opening = Buffer.concat([
    startupPacket({ user: 'authenticated', database: database.name }),
    password(alice),
  ]);

  // What was sent ends, and so must the connection, whatever it was.
  const isLetGo = async ({ begins, sent }: Conversation): Promise<void> => {
    const client = await openWireClient(port);
    const closed = once(client.socket, 'close');
    if (begins) {
      client.send(opening);
      await client.until('Z');
    }
    client.send(sent, sync, message('X'));
    // When it waits for the rest of a message that claims to be longer, nothing but our end ends it.
    await Promise.race([closed, delay(20)]);
    client.socket.end();
    await closed;
  };
  const serves = async (): Promise<void> => {
    const client = await openWireClient(port);
    client.send(opening, query('select id from todos'), message('X'));
    const types = (await client.untilClosed()).map(({ type }) => type).join('');
    expect(types).toMatch(/^RRS+KZTDDCZ$/u);
  };

  const beginning = fc.oneof(
    bytes,
    bytes.map((body) => packet(int32(196_608), body)),
    fc
      .constantFrom(packet(int32(80_877_103)), packet(int32(80_877_104)))
      .map((one) => Buffer.concat([one, opening])),
    mutation.map((change) => mutate(opening, change)),
  );
  const session = fc
    .tuple(
      fc.array(fc.oneof({ weight: 4, arbitrary: sensible }, { weight: 1, arbitrary: bytes }), {
        minLength: 1,
        maxLength: 12,
      }),
      fc.array(mutation, { maxLength: 3 }),
    )
    .map(([messages, changes]) => changes.reduce(mutate, Buffer.concat(messages)));
  const conversation = fc.oneof(
    beginning.map((sent): Conversation => ({ begins: false, sent })),
    session.map((sent): Conversation => ({ begins: true, sent })),
  );

  try {
    let sent = 0;
    await fc.assert(
      fc.asyncProperty(conversation, async (packets) => {
        await isLetGo(packets);
        sent += 1;
        if (sent % 50 === 0) await serves();
      }),
      { numRuns: runs },
    );
    await serves();
    await eventually(async () => {
      const { rowCount } = await withClient(database.ownerUrl, (client) =>
        client.query(
          `select from pg_stat_activity where usename = 'authenticated' and datname = $1 and application_name !~ 'revocations'`,
          [database.name],
        ),
      );
      return rowCount === 0;
    }, 'no backend is left');
  } finally {
    await gateway.close();
    await database.drop();
  }
}
