import { eq, sql } from 'drizzle-orm';
import { drizzle, type NodePgDatabase } from 'drizzle-orm/node-postgres';
import pg from 'pg';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';

import { withAuth, type WithAuth, type WithAuthOptions } from '../../../src/driver/node-postgres.ts';
import type { Provider } from '../../../src/jwt/index.ts';
import { createIssuer, type TestIssuer } from '../../support/issuer.ts';
import { runAsOwner, withClient, type SealedDatabase } from '../../support/sealed-database.ts';
import { createTodoDatabase, relational, type schema, todos } from '../../support/todo-app.ts';
import { createContractDatabase, describeContract, refusal, titles, type Driver } from './contract.ts';

function open(opened: SealedDatabase, { provider }: TestIssuer): Promise<Driver> {
  const pools: pg.Pool[] = [];
  return Promise.resolve({
    connect: (url, { max = 4, cache } = {}) => {
      const pool = new pg.Pool({ connectionString: url, max });
      // A test that drops a database ends its connections.
      pool.on('error', () => {});
      pools.push(pool);
      return drizzle({ client: pool, ...relational, ...(cache && { cache }) });
    },
    withAuth: (plain, options) =>
      withAuth(plain, { providers: [provider], key: opened.authorizeKey, ...options }),
    close: async () => {
      await Promise.all(pools.map((pool) => pool.end()));
    },
  });
}

describeContract('node-postgres', {
  create: createContractDatabase,
  open,
  verifies: 'driver',
  transactions: true,
  login: 'role',
});

type Db = NodePgDatabase<typeof schema>;

let database: SealedDatabase;
let issuer: TestIssuer;
let alice: string;
let bob: string;
let options: WithAuthOptions;
let pools: pg.Pool[] = [];

beforeAll(async () => {
  database = await createTodoDatabase('node_postgres');
  issuer = await createIssuer();
  [alice, bob] = await Promise.all([issuer.token('alice'), issuer.token('bob')]);
  options = { providers: [issuer.provider], key: database.authorizeKey };
});

afterAll(async () => {
  await database.drop();
});

afterEach(async () => {
  await Promise.all(pools.map((pool) => pool.end()));
  pools = [];
});

function poolOf(config: pg.PoolConfig = {}): pg.Pool {
  const pool = new pg.Pool({ connectionString: database.authenticatedUrl, max: 4, ...config });
  pools.push(pool);
  return pool;
}

const connected = (config: pg.PoolConfig = {}, more: Partial<WithAuthOptions> = {}): WithAuth<Db> =>
  withAuth(drizzle({ client: poolOf(config), ...relational }), { ...options, ...more });

it('is the user of the claim that the provider keeps the user id in', async () => {
  const provider: Provider = { ...issuer.provider, userIdClaim: 'uid' };
  const db = connected({}, { providers: [provider] });
  const token = await issuer.token('alice@example.test', { uid: 'alice' });
  const handle = db.$withAuth(token);
  expect(titles(await handle.select().from(todos))).toEqual(['read a book', 'water the plants']);
  const { rows } = await handle.execute(
    sql`select auth.user_id() as id, auth.session() ->> 'token_sub' as login`,
  );
  expect(rows).toEqual([{ id: 'alice', login: 'alice@example.test' }]);
});

describe('the pool of a handle', () => {
  it('is the person as well', async () => {
    const { $client } = connected().$withAuth(alice) as Db & { $client: pg.Pool };
    const { rows } = await $client.query<{ title: string }>('select title from todos');
    expect(titles(rows)).toEqual(['read a book', 'water the plants']);
  });

  it('gives clients for transactions, and nobody what they leave open', async () => {
    const db = connected({ max: 1 });
    const { $client } = db.$withAuth(alice) as Db & { $client: pg.Pool };
    const add = 'insert into todos (title) values ($1)';
    const done = await $client.connect();
    await done.query('begin isolation level serializable');
    const { rows } = await done.query({
      text: `select auth.user_id(), current_setting('transaction_isolation')`,
      rowMode: 'array',
    });
    expect(rows).toEqual([['alice', 'serializable']]);
    await done.query(add, ['kept']);
    await done.query('commit');
    await expect(done.query('select 1')).rejects.toMatchObject({ code: 'ERR_TRANSACTION_ENDED' });
    await expect(done.query('begin')).rejects.toMatchObject({ code: 'ERR_TRANSACTION_ENDED' });
    done.release();

    const leftOpen = await $client.connect();
    await leftOpen.query('begin');
    await leftOpen.query(add, ['left open']);
    leftOpen.release();
    const atWork = await $client.connect();
    await atWork.query('begin');
    const late = atWork.query(`${add} returning pg_sleep(0.05)`, ['at work']);
    await new Promise(setImmediate);
    atWork.release();
    await late;
    await expect(atWork.query('commit')).rejects.toMatchObject({ code: 'ERR_TRANSACTION_ENDED' });

    expect(await db.$withAuth(bob).$count(todos)).toBe(2);
    expect(titles(await db.$withAuth(alice).select().from(todos))).toEqual([
      'kept',
      'read a book',
      'water the plants',
    ]);
    await db.$withAuth(alice).delete(todos).where(eq(todos.title, 'kept'));
  });

  it('keeps its connection over errors', async () => {
    const handle = connected({ max: 1 }).$withAuth(alice);
    const pid = async (): Promise<unknown> =>
      (await handle.execute(sql`select pg_backend_pid() as pid`)).rows[0]?.['pid'];
    const first = await pid();
    expect(await refusal(handle.execute(sql`select 1 / 0`))).toBe('22012');
    expect(await refusal(handle.execute(sql`select from nowhere`))).toBe('42P01');
    expect(await refusal(handle.execute(sql`selekt 1`))).toBe('ERR_STATEMENT_REFUSED');
    const circular: Record<string, unknown> = {};
    circular.self = circular;
    await expect(handle.execute(sql`select ${circular}::jsonb`)).rejects.toThrow();
    expect(await pid()).toBe(first);
  });
});

describe('after use', () => {
  it('random numbers of the next person cannot be foretold', async () => {
    const db = connected({ max: 1 });
    const random = async (): Promise<unknown> => {
      await db.$withAuth(bob).execute(sql`select setseed(0.5)`);
      return (await db.$withAuth(alice).execute(sql`select random() as r`)).rows[0]?.r;
    };
    expect(await random()).not.toBe(await random());
  });

  it('a statement whose prologue failed in Postgres is parsed for the next person', async () => {
    const db = connected({ max: 1 });
    const asked = (handle: Db): Promise<readonly { title: string }[]> =>
      handle
        .select()
        .from(todos)
        .where(eq(todos.done, sql.placeholder('done')))
        .prepare('undone')
        .execute({ done: false });
    const dead = db.$withIdentity({ role: 'authenticated', claims: { sub: 'alice', text: '\u0000' } });
    await expect(asked(dead)).rejects.toThrow();
    expect(titles(await asked(db.$withAuth(alice)))).toEqual(['read a book', 'water the plants']);
  });

  it('a query_timeout of the pool fails the slow query, and touches no other', async () => {
    const handle = connected({ max: 1, query_timeout: 2_000 }).$withAuth(alice);
    const pid = async (): Promise<unknown> =>
      (await handle.execute(sql`select pg_backend_pid() as pid`)).rows[0]?.['pid'];
    const first = await pid();
    for (const startedAt = Date.now(); Date.now() < startedAt + 2_300;) expect(await pid()).toBe(first);
    await expect(handle.execute(sql`select pg_sleep(5)`)).rejects.toMatchObject({
      cause: { message: 'Query read timeout' },
    });
    expect(await handle.$count(todos)).toBe(2);
  });

  it('a connection that breaks in the middle fails the query and not the process', async () => {
    const handle = connected().$withAuth(alice);
    const sleeping = refusal(handle.execute(sql`select pg_sleep(30)`));
    await withClient(database.ownerUrl, async (owner) => {
      const terminate = `select pg_terminate_backend(pid) from pg_stat_activity
        where datname = current_database() and usename = 'authenticated' and query like '%pg_sleep(30)%' and state = 'active'`;
      await expect.poll(async () => (await owner.query(terminate)).rowCount).toBe(1);
    });
    expect(await sleeping).toBe('57P01');
    expect(await handle.$count(todos)).toBe(2);
  });

  it('a transaction whose connection breaks has not been committed, also where the error was caught', async () => {
    const handle = connected({ max: 1 }).$withAuth(alice);
    const broken = handle.transaction(async (tx) => {
      await tx.insert(todos).values({ title: 'lost' });
      const { rows } = await tx.execute(sql`select pg_backend_pid() as pid`);
      await withClient(database.ownerUrl, (owner) =>
        owner.query('select pg_terminate_backend($1)', [rows[0]?.['pid']]),
      );
      await tx.execute(sql`select 1`).catch(() => {});
      return 'done';
    });
    await expect(broken).rejects.toThrow();
    expect(titles(await handle.select().from(todos))).toEqual(['read a book', 'water the plants']);
  });

  it('a transaction that a statement begins or ends does not outlive it, where any is allowed', async () => {
    const free = connected({}, { statements: 'any' });
    await free.$withAuth(alice).execute(sql`prepare p as select 1`);
    expect(await refusal(free.$withAuth(alice).execute(sql`begin`))).toBe('ERR_CONNECTION_IN_DOUBT');
    expect(await refusal(free.$withAuth(alice).execute(sql`commit`))).toBe('ERR_CONNECTION_IN_DOUBT');
    expect(await free.$withAuth(bob).$count(todos)).toBe(2);
  });

  it('COPY from the client fails in the end, where any is allowed, and waits for nothing', async () => {
    await runAsOwner(database.ownerUrl, [
      'CREATE TABLE IF NOT EXISTS lines (line text)',
      'GRANT INSERT ON lines TO authenticated',
    ]);
    const handle = connected({ max: 1 }, { statements: 'any' }).$withAuth(alice);
    const copy = sql`copy lines from stdin`;
    expect(await refusal(handle.execute(copy))).toBe('08P01');
    expect(await refusal(handle.transaction((tx) => tx.execute(copy)))).toBe('57014');
    expect(await handle.$count(todos)).toBe(2);
  });
});

describe('refused is', () => {
  it('a single client, on which two people would mix', () => {
    const single = drizzle({ client: new pg.Client({ connectionString: database.authenticatedUrl }) });
    expect(() => withAuth(single, options)).toThrow(/single client.*give drizzle\(\) a Pool/u);
  });

  it('a transaction', async () => {
    await drizzle({ client: poolOf() }).transaction(async (tx) => {
      expect(() => withAuth(tx, options)).toThrow(/not a transaction/u);
    });
  });

  it('a database that cannot be reached', async () => {
    const nowhere = connected({ connectionString: database.authenticatedUrl.replace(/:\d+\//u, ':1/') });
    await expect(nowhere.$withAuth(alice).select().from(todos)).rejects.toMatchObject({
      code: 'ERR_DATABASE_UNREACHABLE',
      message: "the database of the role 'authenticated' cannot be reached (ECONNREFUSED)",
    });
  });
});
