import { once } from 'node:events';

import { Client, neonConfig, Pool } from '@neondatabase/serverless';
import { eq } from 'drizzle-orm';
import { drizzle } from 'drizzle-orm/neon-serverless';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';

import { useGateway, type Gateway } from '../../../../src/gateway/index.ts';
import { startGateway } from '../../../support/gateway.ts';
import { createIssuer, type TestIssuer } from '../../../support/issuer.ts';
import type { SealedDatabase } from '../../../support/sealed-database.ts';
import { createTodoDatabase, relational, resetTodos, todos } from '../../../support/todo-app.ts';

let database: SealedDatabase;
let issuer: TestIssuer;
let gateway: Gateway;
let alice: string;
let bob: string;

beforeAll(async () => {
  database = await createTodoDatabase('wire_ws');
  issuer = await createIssuer();
  // As long as real ones are: a profile, groups, permissions.
  [alice, bob] = (await Promise.all(
    ['alice', 'bob'].map((name) =>
      issuer.token(name, { groups: Array.from({ length: 150 }, (_, n) => `group ${n} of ${name}`) }),
    ),
  )) as [string, string];
  gateway = await startGateway({ database, issuer });
  neonConfig.webSocketConstructor = WebSocket;
  useGateway(neonConfig, gateway.url);
});

afterAll(async () => {
  await gateway.close();
  await database.drop();
});

beforeEach(async () => {
  await resetTodos(database);
});

afterEach(() => {
  neonConfig.pipelineConnect = 'password';
});

const settingsOf = (user: string, password?: string | (() => Promise<string>)) => ({
  host: 'db.example.test',
  user,
  database: database.name,
  ...(password !== undefined && { password }),
});

describe('the unmodified driver of Neon', () => {
  it.each(['password', false] as const)('connects with pipelineConnect %s', async (pipelineConnect) => {
    neonConfig.pipelineConnect = pipelineConnect;
    const client = new Client(settingsOf('authenticated', alice));
    await client.connect();
    const { rows } = await client.query(
      "select auth.user_id() as who, length(auth.session() ->> 'groups') as length",
    );
    expect(rows).toEqual([{ who: 'alice', length: expect.any(Number) }]);
    expect(await client.query('select title from todos where id = $1', [1])).toMatchObject({ rowCount: 1 });
    await client.end();
  });

  it('serves pools of two people at once, who never meet, with a token made for each connection', async () => {
    let made = 0;
    const token = (of: string) => () => {
      made += 1;
      return Promise.resolve(of);
    };
    const pools = [alice, bob].map((of) => new Pool({ ...settingsOf('authenticated', token(of)), max: 3 }));
    const asked = Array.from({ length: 40 }, async (_, n) => {
      const rows = (await pools[n % 2]?.query('select auth.user_id() as who'))?.rows;
      expect(rows).toEqual([{ who: n % 2 === 0 ? 'alice' : 'bob' }]);
    });
    await Promise.all(asked);
    expect(made).toBe(6);
    await Promise.all(pools.map((pool) => pool.end()));
  });

  it.each(['password', false] as const)(
    'serves a visitor, with pipelineConnect %s',
    async (pipelineConnect) => {
      neonConfig.pipelineConnect = pipelineConnect;
      const client = new Client(settingsOf('anonymous'));
      await client.connect();
      expect((await client.query('select title from todos')).rows).toEqual([{ title: 'read a book' }]);
      await client.end();
    },
  );

  it.each(['password', false] as const)(
    'is told why a token is refused, with pipelineConnect %s',
    async (pipelineConnect) => {
      neonConfig.pipelineConnect = pipelineConnect;
      const client = new Client(settingsOf('authenticated', await issuer.token('alice', { exp: 1_000 })));
      const failed = once(client, 'error');
      const refused = client.connect().then(() => client.query('select 1'));
      const [error] = await Promise.race([
        failed,
        refused.then(
          () => [undefined],
          (reason: unknown) => [reason],
        ),
      ]);
      refused.catch(() => {});
      expect(error).toMatchObject({ code: '28000', detail: 'ERR_TOKEN_EXPIRED' });
    },
  );

  it('works with drizzle, in transactions', async () => {
    const pool = new Pool({ ...settingsOf('authenticated', bob), max: 2 });
    const db = drizzle({ client: pool, ...relational });
    await db.transaction(async (tx) => {
      await tx.insert(todos).values({ title: 'sweep' });
      await tx
        .transaction(async (inner) => {
          await inner.insert(todos).values({ title: 'lost' });
          inner.rollback();
        })
        .catch(() => {});
    });
    expect(await db.select({ title: todos.title }).from(todos).where(eq(todos.userId, 'bob'))).toEqual([
      { title: 'call mum' },
      { title: 'sweep' },
    ]);
    await pool.end();
  });
});

describe('a WebSocket', () => {
  it('on any path has the protocol, cut into frames anywhere', async () => {
    const socket = new WebSocket(`${gateway.webSocketUrl.replace('/v2', '/some/where')}?address=x`);
    await once(socket, 'open');
    const received: Buffer[] = [];
    socket.on('message', (data: Buffer) => received.push(data));
    const startup = Buffer.concat([
      Buffer.from([0, 0, 0, 0, 0, 3, 0, 0]),
      Buffer.from(`user\0anonymous\0database\0${database.name}\0\0`),
    ]);
    startup.writeInt32BE(startup.length);
    const query = Buffer.from('Q\0\0\0\0select 1\0');
    query.writeInt32BE(query.length - 1, 1);
    for (const byte of Buffer.concat([startup, query, Buffer.from('X\0\0\0\x04')]))
      socket.send(Buffer.from([byte]));
    await once(socket, 'close');
    const said = Buffer.concat(received).toString('latin1');
    expect(said).toContain('SELECT 1\0Z\0\0\0\x05I');
  });

  it('that sends text is closed', async () => {
    const socket = new WebSocket(gateway.webSocketUrl);
    await once(socket, 'open');
    socket.send('select 1');
    expect((await once(socket, 'close'))[0]).toBe(1003);
  });
});
