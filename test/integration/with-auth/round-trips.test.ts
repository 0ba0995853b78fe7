import { Pool } from '@neondatabase/serverless';
import { sql } from 'drizzle-orm';
import { drizzle as drizzleNeon } from 'drizzle-orm/neon-serverless';
import { drizzle } from 'drizzle-orm/node-postgres';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { withAuth as withAuthNeon } from '../../../src/driver/neon-serverless.ts';
import { withAuth } from '../../../src/driver/node-postgres.ts';
import { startCountingProxy, type CountingProxy } from '../../support/counting-proxy.ts';
import { createIssuer, type TestIssuer } from '../../support/issuer.ts';
import { startNeonWebSocket, type NeonWebSocket } from '../../support/neon-websocket.ts';
import type { SealedDatabase } from '../../support/sealed-database.ts';
import { createTodoDatabase, relational, todos } from '../../support/todo-app.ts';
import type { Plain } from './contract.ts';

let database: SealedDatabase;
let issuer: TestIssuer;
let proxy: CountingProxy;
let webSocket: NeonWebSocket;

beforeAll(async () => {
  database = await createTodoDatabase('round_trips');
  issuer = await createIssuer();
  const { hostname, port } = new URL(database.ownerUrl);
  proxy = await startCountingProxy({ host: hostname, port: Number(port) });
  const counted = new URL(proxy.through(database.ownerUrl));
  webSocket = await startNeonWebSocket({ host: counted.hostname, port: Number(counted.port) });
});

afterAll(async () => {
  await webSocket.close();
  await proxy.close();
  await database.drop();
});

interface Opened {
  readonly handle: Plain;
  end(): Promise<void>;
}

const options = () => ({ providers: [issuer.provider], key: database.authorizeKey });

// Pools of one, so that a reset that the caller would have to wait for would be counted with the next query.
function overTcp(token: string, config: pg.PoolConfig = {}): Opened {
  const connectionString = proxy.through(database.authenticatedUrl);
  const pool = new pg.Pool({ connectionString, max: 1, ...config });
  const db = withAuth(drizzle({ client: pool, ...relational }), options());
  return { handle: db.$withAuth(token), end: () => pool.end() };
}

function overWebSocket(token: string): Opened {
  const connectionString = webSocket.through(database.authenticatedUrl);
  const pool = new Pool({ connectionString, max: 1 });
  const db = withAuthNeon(drizzleNeon({ client: pool, ...relational }), options());
  return { handle: db.$withAuth(token), end: () => pool.end() };
}

describe.each<[name: string, open: (token: string) => Opened]>([
  ['node-postgres', overTcp],
  ['node-postgres, with the pool in pipeline mode', (token) => overTcp(token, { pipeline: true })],
  ['neon-serverless', overWebSocket],
])('over %s', (name, open) => {
  async function withHandle(work: (handle: Plain) => Promise<void>): Promise<void> {
    const opened = open(await issuer.token('alice'));
    const { handle } = opened;
    await handle.$count(todos);
    proxy.takeRoundTrips();
    try {
      await work(handle);
    } finally {
      await opened.end();
    }
  }

  it('a query is one round trip, prologue and reset included', async () => {
    await withHandle(async (handle) => {
      await handle.select().from(todos);
      expect(proxy.takeRoundTrips()).toBe(1);
      await handle.query.todos.findMany({ with: { notes: true } });
      expect(proxy.takeRoundTrips()).toBe(1);
      await handle
        .insert(todos)
        .values({ title: `one more over ${name}` })
        .returning();
      expect(proxy.takeRoundTrips()).toBe(1);
      await handle.execute(sql`select 1`);
      expect(proxy.takeRoundTrips()).toBe(1);
    });
  });

  it('ten queries are ten', async () => {
    await withHandle(async (handle) => {
      for (let n = 0; n < 10; n += 1) await handle.select().from(todos);
      expect(proxy.takeRoundTrips()).toBe(10);
    });
  });

  it('a failing query is one as well', async () => {
    await withHandle(async (handle) => {
      await expect(handle.execute(sql`select 1 / 0`)).rejects.toThrow();
      expect(proxy.takeRoundTrips()).toBe(1);
    });
  });

  it('a transaction is one a statement, of which the first begins it and is somebody, and one to commit', async () => {
    await withHandle(async (handle) => {
      const work = async (tx: Pick<Plain, 'select'>): Promise<void> => {
        await tx.select().from(todos);
        await tx.select().from(todos);
      };
      await handle.transaction(work);
      expect(proxy.takeRoundTrips()).toBe(3);
      await handle.transaction(work, { isolationLevel: 'serializable' });
      expect(proxy.takeRoundTrips()).toBe(3);
      await handle.transaction(async (tx) => {
        await tx.setTransaction({ isolationLevel: 'serializable' });
        await work(tx);
      });
      expect(proxy.takeRoundTrips()).toBe(4);
      await handle.transaction(() => Promise.resolve());
      expect(proxy.takeRoundTrips()).toBe(0);
    });
  });
});

it('the query does not run when the prologue fails', async () => {
  const otherKey = `${database.authorizeKey.slice(0, -4)}AAAA`;
  const pool = new pg.Pool({ connectionString: proxy.through(database.authenticatedUrl), max: 1 });
  const db = withAuth(drizzle({ client: pool, ...relational }), {
    providers: [issuer.provider],
    key: otherKey,
  });
  // nextval is not undone by a rollback: it would show that the statement ran.
  const lastValue = sql`select last_value from todos_id_seq`;
  const owner = new pg.Pool({ connectionString: database.ownerUrl, max: 1 });
  const before = await drizzle({ client: owner }).execute(lastValue);
  const attempt = db.$withAuth(await issuer.token('alice')).execute(sql`select nextval('todos_id_seq')`);
  await expect(attempt).rejects.toMatchObject({ cause: { code: '28000' } });
  expect((await drizzle({ client: owner }).execute(lastValue)).rows).toEqual(before.rows);
  await Promise.all([pool.end(), owner.end()]);
});
