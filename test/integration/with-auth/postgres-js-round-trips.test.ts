import { eq, sql } from 'drizzle-orm';
import { drizzle, type PostgresJsDatabase } from 'drizzle-orm/postgres-js';
import postgres from 'postgres';
import { afterAll, beforeAll, expect, it } from 'vitest';

import { withAuth } from '../../../src/driver/postgres-js.ts';
import { startCountingProxy, type CountingProxy } from '../../support/counting-proxy.ts';
import { line } from '../../support/drizzle-line.ts';
import { withClient, type SealedDatabase } from '../../support/sealed-database.ts';
import { createTodoDatabase, relational, type schema, todos } from '../../support/todo-app.ts';
import { refusal } from './contract.ts';

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

type Db = PostgresJsDatabase<typeof schema>;

// One connection, so that a reset that the caller would have to wait for would be counted with the next query.
async function counted(
  work: (
    handle: Db,
    plain: Db,
    roundTrips: (query: PromiseLike<unknown>) => Promise<number>,
  ) => Promise<void>,
  { claims = {}, key = database.authorizeKey } = {},
): Promise<void> {
  const client = postgres(proxy.through(database.authenticatedUrl), { max: 1 });
  const plain = drizzle({ client, ...relational });
  const handle = withAuth(plain, { key }).$withIdentity({
    role: 'authenticated',
    claims: { sub: 'alice', ...claims },
  });
  try {
    await handle.$count(todos).catch(() => {});
    await work(handle, plain, async (query) => {
      proxy.takeRoundTrips();
      await query;
      return proxy.takeRoundTrips();
    });
  } finally {
    await client.end();
  }
}

// With drizzle-orm 1.0 a string can be one for a json column, and is written by the type of its parameter.
const firstWithStrings = line.startsWith('0.45.') ? 1 : 2;

it('a query is one round trip, prologue, commit and reset included', async () => {
  await counted(async (handle, _, roundTrips) => {
    for (let n = 0; n < 7; n += 1) {
      const withStrings = n === 0 ? firstWithStrings : 1;
      expect(await roundTrips(handle.select().from(todos))).toBe(1);
      expect(await roundTrips(handle.select().from(todos).where(eq(todos.done, false)))).toBe(1);
      expect(await roundTrips(handle.query.todos.findMany({ with: { notes: true } }))).toBe(1);
      expect(
        await roundTrips(
          handle
            .insert(todos)
            .values({ title: `no. ${n}` })
            .returning(),
        ),
      ).toBe(withStrings);
      expect(await roundTrips(handle.execute(sql`select 1`))).toBe(1);
      expect(await roundTrips(handle.$count(todos, eq(todos.id, n)))).toBe(1);
    }
  });
});

it('a query is one round trip, however long it and the claims of the person are', async () => {
  const long = 'x'.repeat(2_000);
  await counted(
    async (handle, _, roundTrips) => {
      for (let n = 0; n < 5; n += 1) {
        const withStrings = n === 0 ? firstWithStrings : 1;
        const titled = handle.select().from(todos).where(eq(todos.title, long));
        expect(await roundTrips(titled)).toBe(withStrings);
        expect(await roundTrips(handle.execute(sql.raw(`select '${long}' as a`)))).toBe(1);
        const added = handle.insert(todos).values({ title: `${n} ${long}` });
        expect(await roundTrips(added)).toBe(withStrings);
      }
    },
    { claims: { long } },
  );
});

it('with a parameter Drizzle alone takes two', async () => {
  await counted(async (_, plain, roundTrips) => {
    expect(await roundTrips(plain.execute(sql`select ${1}::int`))).toBe(2);
    expect(await roundTrips(plain.execute(sql`select 1`))).toBe(1);
  });
});

it('a failing query is one as well', async () => {
  await counted(async (handle, _, roundTrips) => {
    expect(await roundTrips(refusal(handle.execute(sql`select 1 / ${0}::int`)))).toBe(1);
    expect(await roundTrips(refusal(handle.execute(sql`select from nowhere`)))).toBe(1);
    await handle.insert(todos).values({ title: 'twice' });
    expect(await roundTrips(refusal(handle.insert(todos).values({ title: 'twice' })))).toBe(1);
  });
});

it('with an array or an object, whose type Postgres has to tell, a query is two the first time, and then one', async () => {
  await counted(async (handle, _, roundTrips) => {
    const count = (list: number[]) => handle.execute(sql`select cardinality(${sql.param(list)}::int[]) as n`);
    expect(await roundTrips(count([1, 2]))).toBe(2);
    for (let n = 0; n < 7; n += 1) expect(await roundTrips(count([1, n]))).toBe(1);
  });
});

it('a transaction is one a statement, of which the first begins it and is somebody, and one to commit', async () => {
  await counted(async (handle, _, roundTrips) => {
    const work = async (tx: Pick<Db, 'select'>): Promise<void> => {
      await tx.select().from(todos);
      await tx.select().from(todos).where(eq(todos.id, 1));
    };
    await handle.transaction(work);
    expect(await roundTrips(handle.transaction(work))).toBe(3);
    // Drizzle sends a SET TRANSACTION of its own.
    expect(await roundTrips(handle.transaction(work, { isolationLevel: 'repeatable read' }))).toBe(4);
    expect(await roundTrips(handle.transaction(() => Promise.resolve()))).toBe(0);
  });
});

it('a person who is new to a known connection costs none more', async () => {
  const client = postgres(proxy.through(database.authenticatedUrl), { max: 1 });
  const db = withAuth(drizzle({ client, ...relational }), { key: database.authorizeKey });
  const ask = (sub: string) => db.$withIdentity({ role: 'authenticated', claims: { sub } }).$count(todos);
  await ask('one');
  proxy.takeRoundTrips();
  for (let n = 0; n < 5; n += 1) await ask(`person ${n}`);
  expect(proxy.takeRoundTrips()).toBe(5);
  await client.end();
});

it('the query does not run when the prologue fails', async () => {
  // nextval is not undone by a rollback: it would show that the statement ran.
  const lastValue = (): Promise<unknown> =>
    withClient(
      database.ownerUrl,
      async (owner) => (await owner.query('select last_value from todos_id_seq')).rows,
    );
  const before = await lastValue();
  await counted(
    async (handle, _, roundTrips) => {
      const next = sql`select nextval('todos_id_seq')`;
      expect(await refusal(handle.execute(next))).toBe('28000');
      // One to look at the login again, whose clock may be another by now.
      expect(await roundTrips(refusal(handle.execute(next)))).toBe(2);
      expect(await refusal(handle.transaction((tx) => tx.execute(next)))).toBe('28000');
      expect(await refusal(handle.execute(sql`${next} where ${sql.param([1])}::int[] is not null`))).toBe(
        '28000',
      );
    },
    { key: `${database.authorizeKey.slice(0, -4)}AAAA` },
  );
  expect(await lastValue()).toEqual(before);
});
