import { sql } from 'drizzle-orm';
import { drizzle, type NodePgDatabase } from 'drizzle-orm/node-postgres';
import pg from 'pg';
import { afterAll, beforeAll, expect, it } from 'vitest';

import { withAuth } from '../../../src/driver/node-postgres.ts';
import { startCountingProxy, type CountingProxy } from '../../support/counting-proxy.ts';
import { createIssuer } from '../../support/issuer.ts';
import type { SealedDatabase } from '../../support/sealed-database.ts';
import { createTodoDatabase, schema, todos } from '../../support/todo-app.ts';

let database: SealedDatabase;
let proxy: CountingProxy;

beforeAll(async () => {
  database = await createTodoDatabase('round_trips');
  const { hostname, port } = new URL(database.ownerUrl);
  proxy = await startCountingProxy({ host: hostname, port: Number(port) });
});

afterAll(async () => {
  await proxy.close();
  await database.drop();
});

// A pool of one, so that a reset that the caller would have to wait for would be counted with the next query.
async function withHandle(
  work: (handle: NodePgDatabase<typeof schema>) => Promise<void>,
  options: pg.PoolConfig = {},
): Promise<void> {
  const issuer = await createIssuer();
  const connectionString = proxy.through(database.authenticatedUrl);
  const pool = new pg.Pool({ connectionString, max: 1, ...options });
  const db = withAuth(drizzle({ client: pool, schema }), {
    providers: [issuer.provider],
    key: database.authorizeKey,
  });
  const handle = db.$withAuth(await issuer.token('alice'));
  await handle.$count(todos);
  proxy.takeRoundTrips();
  try {
    await work(handle);
  } finally {
    await pool.end();
  }
}

it.each([false, true])(
  'a query is one round trip, prologue and reset included; pool in pipeline mode: %s',
  async (pipeline) => {
    await withHandle(
      async (handle) => {
        await handle.select().from(todos);
        expect(proxy.takeRoundTrips()).toBe(1);
        await handle.query.todos.findMany({ with: { notes: true } });
        expect(proxy.takeRoundTrips()).toBe(1);
        await handle
          .insert(todos)
          .values({ title: `one more ${pipeline}` })
          .returning();
        expect(proxy.takeRoundTrips()).toBe(1);
        await handle.execute(sql`select 1`);
        expect(proxy.takeRoundTrips()).toBe(1);
      },
      { pipeline },
    );
  },
);

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

it('a transaction is one to begin and be somebody, one a statement, one to commit', async () => {
  await withHandle(async (handle) => {
    await handle.transaction(async (tx) => {
      await tx.select().from(todos);
      await tx.select().from(todos);
    });
    expect(proxy.takeRoundTrips()).toBe(4);
  });
});

it('the query does not run when the prologue fails', async () => {
  const issuer = await createIssuer();
  const otherKey = `${database.authorizeKey.slice(0, -4)}AAAA`;
  const pool = new pg.Pool({ connectionString: proxy.through(database.authenticatedUrl), max: 1 });
  const db = withAuth(drizzle({ client: pool, schema }), { providers: [issuer.provider], key: otherKey });
  // nextval is not undone by a rollback: it would show that the statement ran.
  const lastValue = sql`select last_value from todos_id_seq`;
  const owner = new pg.Pool({ connectionString: database.ownerUrl, max: 1 });
  const before = await drizzle({ client: owner }).execute(lastValue);
  const attempt = db.$withAuth(await issuer.token('alice')).execute(sql`select nextval('todos_id_seq')`);
  await expect(attempt).rejects.toMatchObject({ cause: { code: '28000' } });
  expect((await drizzle({ client: owner }).execute(lastValue)).rows).toEqual(before.rows);
  await Promise.all([pool.end(), owner.end()]);
});
