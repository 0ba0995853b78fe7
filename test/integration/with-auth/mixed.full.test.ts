import { Pool as NeonPool } from '@neondatabase/serverless';
import { sql } from 'drizzle-orm';
import { drizzle as drizzleNeon } from 'drizzle-orm/neon-serverless';
import { drizzle } from 'drizzle-orm/node-postgres';
import { drizzle as drizzleJs } from 'drizzle-orm/postgres-js';
import pg from 'pg';
import postgres from 'postgres';
import { afterAll, beforeAll, expect, it } from 'vitest';

import type { WithAuth } from '../../../src/driver/handle.ts';
import { withAuth as withAuthNeon } from '../../../src/driver/neon-serverless.ts';
import { withAuth } from '../../../src/driver/node-postgres.ts';
import { withAuth as withAuthJs } from '../../../src/driver/postgres-js.ts';
import { startCountingProxy, type CountingProxy } from '../../support/counting-proxy.ts';
import { startNeonWebSocket, type NeonWebSocket } from '../../support/neon-websocket.ts';
import { withClient, type SealedDatabase } from '../../support/sealed-database.ts';
import { createTodoDatabase, relational } from '../../support/todo-app.ts';
import { refusal, rowsOf, type Plain } from './contract.ts';

// Many people at once, in every way that a statement can take, while statements are cancelled and connections broken: each
// is answered as who asked or told that it failed, and nobody waits for ever.

let database: SealedDatabase;
let proxy: CountingProxy;
let webSocket: NeonWebSocket;

beforeAll(async () => {
  database = await createTodoDatabase('mixed');
  const { hostname, port } = new URL(database.ownerUrl);
  proxy = await startCountingProxy({ host: hostname, port: Number(port) });
  const broken = new URL(proxy.through(database.ownerUrl));
  webSocket = await startNeonWebSocket({ host: broken.hostname, port: Number(broken.port) });
});

afterAll(async () => {
  await webSocket.close();
  await proxy.close();
  await database.drop();
});

interface Opened {
  readonly db: WithAuth<Plain>;
  end(): Promise<void>;
}

const options = () => ({ key: database.authorizeKey });

function overTcp(max: number): Opened {
  const pool = new pg.Pool({ connectionString: proxy.through(database.authenticatedUrl), max });
  pool.on('error', () => {});
  return { db: withAuth(drizzle({ client: pool, ...relational }), options()), end: () => pool.end() };
}

function overWebSocket(max: number): Opened {
  const pool = new NeonPool({ connectionString: webSocket.through(database.authenticatedUrl), max });
  pool.on('error', () => {});
  return { db: withAuthNeon(drizzleNeon({ client: pool, ...relational }), options()), end: () => pool.end() };
}

function overPostgresJs(max: number): Opened {
  // Where a connection breaks while postgres.js fetches types, nobody owns the rejection (3.4.9).
  const client = postgres(proxy.through(database.authenticatedUrl), {
    max,
    backoff: () => 0,
    fetch_types: false,
  });
  return { db: withAuthJs(drizzleJs({ client, ...relational }), options()), end: () => client.end() };
}

type Way = (handle: Plain, id: number) => Promise<unknown>;

const ask = (id: number) => sql<string>`select auth.user_id() as who, ${sql.raw(String(id))}::int as id`;
const answer = async (db: Pick<Plain, 'execute'>, query: ReturnType<typeof ask>): Promise<unknown> =>
  rowsOf(await db.execute<{ who: string; id: number }>(query));

const ways: readonly Way[] = [
  (handle, id) => answer(handle, ask(id)),
  (handle, id) => answer(handle, sql`${ask(id)} where ${'x'}::text is not null`),
  (handle, id) => answer(handle, sql`${ask(id)} where ${JSON.stringify({ id })}::jsonb is not null`),
  (handle, id) => answer(handle, sql`${ask(id)} from pg_sleep(0.01)`),
  async (handle, id) => {
    await refusal(handle.execute(sql`select 1 / 0`));
    return answer(handle, ask(id));
  },
  async (handle, id) => {
    await handle.execute(
      sql`select set_config('authorize.seal', current_setting('authorize.seal'), false), set_config('search_path', 'nowhere', false)`,
    );
    return answer(handle, ask(id));
  },
  (handle, id) =>
    handle.transaction(async (tx) => {
      await tx.setTransaction({ isolationLevel: 'repeatable read' });
      await tx.transaction((inner) => inner.execute(sql`select 1 / 0`)).catch(() => {});
      return answer(tx, ask(id));
    }),
  async (handle, id) => {
    await handle
      .transaction(async (tx) => {
        await tx.execute(sql`insert into todos (title) values (${`no. ${id}`})`);
        tx.rollback();
      })
      .catch(() => {});
    return answer(handle, ask(id));
  },
];

const answerNobody: Way = () => Promise.reject(new Error('there is no such way'));

/** The same numbers each time: what fails can be looked at again. */
function numbers(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) & 0x7f_ff_ff_ff;
    return (state >>> 8) % below;
  };
}

async function disturb(next: (below: number) => number): Promise<void> {
  await withClient(database.ownerUrl, async (owner) => {
    for (let n = 0; n < 4; n += 1) {
      await owner.query(`select pg_sleep(${next(40) / 1000})`);
      const how = ['pg_cancel_backend', 'pg_terminate_backend', undefined][next(3)];
      if (how === undefined) proxy.breakConnections();
      else {
        await owner.query(
          `select ${how}(pid) from pg_stat_activity where datname = current_database() and usename = 'authenticated'`,
        );
      }
    }
  });
}

it.each<[name: string, open: (max: number) => Opened]>([
  ['node-postgres', overTcp],
  ['neon-serverless', overWebSocket],
  ['postgres.js', overPostgresJs],
])('over %s', async (_, open) => {
  const next = numbers(20_261_125);
  for (let round = 0; round < 30; round += 1) {
    const opened = open(1 + next(3));
    const disturbed = round % 3 === 0 ? Promise.resolve() : disturb(next);
    const seen = await Promise.all(
      Array.from({ length: 40 }, async (__, id) => {
        const who = `person ${next(5)}`;
        const handle = opened.db.$withIdentity({ role: 'authenticated', claims: { sub: who } });
        const way = ways[next(ways.length)] ?? answerNobody;
        const given = await way(handle, id).catch(() => 'failed');
        return given === 'failed' ? given : [given, [{ who, id }]];
      }),
    );
    await disturbed;
    await opened.end();
    for (const each of seen) {
      if (typeof each !== 'string') expect(each[0]).toEqual(each[1]);
    }
    if (round % 3 === 0) expect(seen.filter((each) => each === 'failed')).toEqual([]);
  }
});
