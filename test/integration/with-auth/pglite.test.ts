import { PGlite } from '@electric-sql/pglite';
import { sql } from 'drizzle-orm';
import { drizzle, type PgliteDatabase } from 'drizzle-orm/pglite';
import { migrate } from 'drizzle-orm/pglite/migrator';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';

import { setup, withAuth, type WithAuth, type WithAuthOptions } from '../../../src/driver/pglite.ts';
import type { AuthorizeEvent } from '../../../src/observe.ts';
import { line } from '../../support/drizzle-line.ts';
import { createIssuer, type TestIssuer } from '../../support/issuer.ts';
import { createPglite } from '../../support/pglite.ts';
import { relational, type schema, todoRows, todos, todoTables } from '../../support/todo-app.ts';
import { describeContract, refusal, titles, type ContractDatabase, type Driver } from './contract.ts';

interface LiteDatabase extends ContractDatabase {
  readonly client: PGlite;
}

async function create(): Promise<LiteDatabase> {
  const client = await createPglite([...todoTables, ...todoRows]);
  const asOwner = async (statements: readonly string[]): Promise<readonly unknown[]> => {
    let rows: readonly unknown[] = [];
    for (const statement of statements) ({ rows } = await client.query(statement));
    return rows;
  };
  return {
    client,
    // There is one login, and no way there but the client.
    ownerUrl: 'pglite:',
    authenticatedUrl: 'pglite:',
    anonymousUrl: 'pglite:',
    authorizeKey: await setup(client),
    asOwner,
    reset: async () => {
      await asOwner(['TRUNCATE todos, notes', ...todoRows]);
    },
    drop: () => client.close(),
  };
}

function open({ client, authorizeKey }: LiteDatabase, { provider }: TestIssuer): Promise<Driver> {
  return Promise.resolve({
    connect: (_, { cache } = {}) => drizzle({ client, ...relational, ...(cache && { cache }) }),
    withAuth: (plain, options) => withAuth(plain, { providers: [provider], key: authorizeKey, ...options }),
    close: () => Promise.resolve(),
  });
}

describeContract('PGlite', { create, open, verifies: 'driver', transactions: true, login: 'superuser' });

type Db = PgliteDatabase<typeof schema> & { readonly $client: PGlite };

let database: LiteDatabase;
let issuer: TestIssuer;
let alice: string;
let bob: string;
let plain: Db;

beforeAll(async () => {
  database = await create();
  issuer = await createIssuer();
  [alice, bob] = await Promise.all([issuer.token('alice'), issuer.token('bob')]);
  plain = drizzle({ client: database.client, ...relational });
});

afterAll(() => database.drop());

beforeEach(() => database.reset());

const connected = (options: Partial<WithAuthOptions> = {}): WithAuth<Db> =>
  withAuth(plain, { providers: [issuer.provider], key: database.authorizeKey, ...options });

const ownTitles = ['read a book', 'water the plants'];

describe('one connection', () => {
  it('is shared with queries of the database itself, which are bound by nothing, and nobody’s', async () => {
    const db = connected();
    const [hers, his] = [db.$withAuth(alice), db.$withAuth(bob)];
    const who = `select auth.user_id() as who, current_user as role, current_setting('app.left', true) as left_behind`;
    const leave = sql`select auth.user_id() as who, set_config('app.left', auth.user_id(), false)`;
    const asks = [
      async () => (await hers.execute(leave)).rows[0]?.['who'],
      async () => (await plain.$client.query(who)).rows[0],
      async () => (await his.transaction((tx) => tx.execute(leave))).rows[0]?.['who'],
      async () => (await plain.transaction((tx) => tx.execute(sql.raw(who)))).rows[0],
    ];
    const answers = await Promise.all(Array.from({ length: 40 }, async (_, n) => asks[n % 4]?.()));
    const nobody = { who: null, role: 'postgres', left_behind: expect.toSatisfy((left) => !left) as unknown };
    answers.forEach((answer, n) => {
      expect(answer).toEqual([`alice`, nobody, 'bob', nobody][n % 4]);
    });
  });

  it('keeps what the application has on it: live queries, prepared statements and its temporary tables', async () => {
    const told: string[] = [];
    const stop = await plain.$client.listen('changes', (payload) => told.push(payload));
    await plain.$client.exec(
      'PREPARE mine AS SELECT 1 AS one; CREATE TEMP TABLE own_things AS SELECT 1 AS id',
    );
    const handle = connected().$withAuth(alice);
    await handle.execute(sql`select 1 as id into temp "odd name"`);
    await handle.execute(sql`select set_config('search_path', 'nowhere', false), set_config('role', 'authenticated', false),
      set_config('session_authorization', 'authenticated', false)`);
    await plain.$client.query(`NOTIFY changes, 'told'`);
    expect(told).toEqual(['told']);
    expect((await plain.$client.query('EXECUTE mine')).rows).toEqual([{ one: 1 }]);
    const { rows } = await plain.$client.query(
      `SELECT relname FROM pg_class WHERE relpersistence = 't' AND relkind = 'r'`,
    );
    expect(rows).toEqual([{ relname: 'own_things' }]);
    const [login] = (await plain.$client.query('SELECT session_user AS login, current_user AS role')).rows;
    expect(login).toEqual({ login: 'postgres', role: 'postgres' });
    await stop();
    await plain.$client.exec('DEALLOCATE mine; DROP TABLE own_things');
  });

  it('is cleared of all of it where any statement is allowed', async () => {
    const free = connected({ statements: 'any' });
    await free.$withAuth(alice).execute(sql`prepare p as select 1`);
    await free.$withAuth(alice).execute(sql`listen x`);
    await free.$withAuth(alice).execute(sql`create temp table t as select 1`);
    const left = `SELECT (SELECT count(*)::int FROM pg_prepared_statements WHERE from_sql)
      + (SELECT count(*)::int FROM pg_listening_channels())
      + (SELECT count(*)::int FROM pg_class WHERE relpersistence = 't') AS n`;
    expect((await plain.$client.query(left)).rows).toEqual([{ n: 0 }]);
    for (const text of ['begin', 'commit', `prepare transaction 'x'`]) {
      expect(await refusal(free.$withAuth(alice).execute(sql.raw(text)))).toBe('ERR_STATEMENT_REFUSED');
    }
  });

  it('serves nobody while it cannot be cleared', async () => {
    const handle = connected().$withAuth(alice);
    // The owner's; a PGlite has no other.
    await database.asOwner([
      'ALTER FUNCTION pg_catalog.pg_advisory_unlock_all() RENAME TO pg_advisory_unlock_none',
    ]);
    await expect(handle.$count(todos)).rejects.toMatchObject({ code: 'ERR_CONNECTION_IN_DOUBT' });
    await expect(handle.insert(todos).values({ title: 'lost' })).rejects.toMatchObject({
      code: 'ERR_CONNECTION_IN_DOUBT',
    });
    await database.asOwner([
      'ALTER FUNCTION pg_catalog.pg_advisory_unlock_none() RENAME TO pg_advisory_unlock_all',
    ]);
    expect(titles(await handle.select().from(todos))).toEqual(ownTitles);
  });

  it('random numbers of the next person cannot be foretold', async () => {
    const db = connected();
    const random = async (): Promise<unknown> => {
      await db.$withAuth(bob).execute(sql`select setseed(0.5)`);
      return (await db.$withAuth(alice).execute(sql`select random() as r`)).rows[0]?.['r'];
    };
    expect(await random()).not.toBe(await random());
  });
});

it('values go in and come out as they do without withAuth', async () => {
  const query = sql`select ${'a'}::text as a, ${1.5}::numeric as b, ${true}::boolean as c, ${JSON.stringify({ d: [1] })}::jsonb as d,
    ${'2024-02-29'}::date as e, now()::date > ${'2024-02-29'}::date as f, ${9_007_199_254_740_993n}::bigint as g, ${null}::int as h,
    array[1, 2] as i, ${'2024-02-29T12:34:56.789Z'}::timestamptz as j, interval '1 day' as k, '\\x0041'::bytea as l, point(1, 2) as m`;
  const [given, expected] = [await connected().$withAuth(alice).execute(query), await plain.execute(query)];
  expect(given).toEqual(expected);
});

describe('the client of a handle', () => {
  it('is the person, in queries and in transactions', async () => {
    const { $client } = connected().$withAuth(alice);
    const { rows } = await $client.query<{ title: string }>('select title from todos where done = $1', [
      false,
    ]);
    expect(titles(rows)).toEqual(ownTitles);
    const arrays = await $client.query('select title from todos where id = 1', [], { rowMode: 'array' });
    expect(arrays.rows).toEqual([['water the plants']]);
    await $client.transaction(async (tx) => {
      await tx.query('insert into todos (title) values ($1)', ['lost']);
      await tx.rollback();
      expect(tx.closed).toBe(true);
      expect(await refusal(tx.query('select 1'))).toBe('ERR_TRANSACTION_ENDED');
    });
    expect(await connected().$withAuth(alice).$count(todos)).toBe(2);
  });

  it('says why it has not the rest', async () => {
    const { $client } = connected().$withAuth(alice);
    for (const name of [
      'exec',
      'sql',
      'listen',
      'unlisten',
      'runExclusive',
      'execProtocol',
      'dumpDataDir',
    ] as const) {
      expect(() => (Reflect.get($client, name) as () => unknown)(), name).toThrow(
        `$client.${name} is not supported: `,
      );
    }
    await $client.transaction((tx) => {
      expect(() => tx.exec('select 1; select 2')).toThrow('one at a time');
      return Promise.resolve();
    });
  });
});

describe('a transaction', () => {
  it('can be read only', async () => {
    const write = connected()
      .$withAuth(alice)
      .transaction((tx) => tx.insert(todos).values({ title: 'no' }), { accessMode: 'read only' });
    expect(await refusal(write)).toBe('25006');
  });

  it('of which a statement failed cannot be committed, also where that was caught', async () => {
    const handle = connected().$withAuth(alice);
    const work = handle.transaction(async (tx) => {
      await tx.insert(todos).values({ title: 'lost' });
      await tx.execute(sql`select 1 / 0`).catch(() => {});
      return 'done';
    });
    expect(await refusal(work)).toBe('22012');
    expect(await handle.$count(todos)).toBe(2);
  });

  it('does not run a statement that was not waited for after its end', async () => {
    const handle = connected().$withAuth(alice);
    let late: Promise<unknown> | undefined;
    await handle.transaction((tx) => {
      late = refusal(tx.insert(todos).values({ title: 'late' }));
      return Promise.resolve();
    });
    expect(await late).toBe('ERR_TRANSACTION_ENDED');
    expect(await handle.$count(todos)).toBe(2);
  });

  it('is refused to withAuth', async () => {
    await plain.transaction(async (tx) => {
      expect(() => withAuth(tx, { key: database.authorizeKey })).toThrow(/not a transaction/u);
      return Promise.resolve();
    });
  });
});

if (line.startsWith('0.45.')) {
  it('migrations that withAuthorize() wrote are applied by Drizzle’s own migrator', async () => {
    const client = await PGlite.create();
    const fresh = drizzle({ client });
    await migrate(fresh, { migrationsFolder: 'drizzle' });
    const db = withAuth(fresh, { key: await setup(client) });
    const as = (sub: string) => db.$withIdentity({ role: 'authenticated', claims: { sub } });
    await as('alice').execute(sql`insert into todos (title) values ('buy milk')`);
    const seen = async (sub: string) =>
      (await as(sub).execute(sql`select user_id as who, title from todos`)).rows;
    expect(await seen('alice')).toEqual([{ who: 'alice', title: 'buy milk' }]);
    expect(await seen('bob')).toEqual([]);
    await client.close();
  });
}

describe('setup', () => {
  it('installs the key that it is given, or one of its own, and removes the others', async () => {
    const client = await createPglite([...todoTables, ...todoRows]);
    const before = process.env['AUTHORIZE_KEY'];
    delete process.env['AUTHORIZE_KEY'];
    const first = await setup(client);
    const asked = (key: string) =>
      withAuth(drizzle({ client, ...relational }), { key })
        .$withIdentity({ role: 'authenticated', claims: { sub: 'alice' } })
        .$count(todos);
    expect(await asked(first)).toBe(2);
    expect(await setup(client, { key: `${database.authorizeKey},${first}` })).toContain(first);
    expect([await asked(first), await asked(database.authorizeKey)]).toEqual([2, 2]);
    process.env['AUTHORIZE_KEY'] = database.authorizeKey;
    expect(await setup(client)).toBe(database.authorizeKey);
    expect(await refusal(asked(first))).toBe('28000');
    expect(await asked(database.authorizeKey)).toBe(2);
    delete process.env['AUTHORIZE_KEY'];
    if (before !== undefined) process.env['AUTHORIZE_KEY'] = before;
    await client.close();
  });

  it('and queries say what is missing in a database without migrations', async () => {
    const client = await createPglite([]);
    await client.exec('DROP SCHEMA auth CASCADE');
    await expect(setup(client)).rejects.toMatchObject({ code: 'ERR_MIGRATIONS_MISSING' });
    const bare = withAuth(drizzle({ client, ...relational }), { key: database.authorizeKey });
    const asked = bare.$withIdentity({ role: 'authenticated', claims: {} }).$count(todos);
    expect(await refusal(asked)).toBe('ERR_MIGRATIONS_MISSING');
    await client.close();
  });
});

it('options for other logins are refused, since there is one', () => {
  expect(() => connected({ allowPrivilegedLogin: true } as never)).toThrow(
    /allowPrivilegedLogin: .*one login/u,
  );
  expect(() => connected({ anonymous: plain } as never)).toThrow(/anonymous: .*one login/u);
  expect(() => connected().$withIdentity({ role: 'postgres', claims: {} })).toThrow(/role 'postgres'/u);
});

it('each statement is told once, with who asked and how it ended', async () => {
  const events: AuthorizeEvent[] = [];
  const handle = connected({ observe: (event) => events.push(event) }).$withAuth(alice);
  await handle.select().from(todos);
  await handle.transaction(
    async (tx) => {
      await tx.insert(todos).values({ title: 'one more' });
    },
    { isolationLevel: 'serializable' },
  );
  await handle.transaction((tx) => tx.execute(sql`select ${'a secret'}::int`)).catch(() => {});
  await handle.execute(sql`listen x`).catch(() => {});
  const told = events.map(({ type, statement, subject, ...rest }) => [
    type,
    statement,
    subject,
    'rows' in rest ? rest.rows : rest.code,
  ]);
  expect(told).toEqual([
    ['query', 'SELECT', 'alice', 2],
    ['query', 'BEGIN', 'alice', null],
    ['query', 'INSERT', 'alice', 1],
    ['query', 'COMMIT', 'alice', null],
    ['query', 'BEGIN', 'alice', null],
    ['refusal', 'SELECT', 'alice', '22P02'],
    ['query', 'ROLLBACK', 'alice', null],
    ['refusal', 'LISTEN', undefined, 'ERR_STATEMENT_REFUSED'],
  ]);
  expect(events.every(({ entry, role }) => entry === 'pglite' && role === 'authenticated')).toBe(true);
  expect(JSON.stringify(events)).not.toMatch(/alice|secret|eyJ/u);
});
