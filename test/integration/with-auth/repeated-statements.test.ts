import { eq, sql } from 'drizzle-orm';
import { drizzle, type NodePgDatabase } from 'drizzle-orm/node-postgres';
import pg from 'pg';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';

import { loadStatementJudge, plainFunctions } from '../../../src/database/statement-judge.ts';
import { withAuth, type WithAuth, type WithAuthOptions } from '../../../src/driver/node-postgres.ts';
import { createIssuer, type TestIssuer } from '../../support/issuer.ts';
import { runAsOwner, withClient, type SealedDatabase } from '../../support/sealed-database.ts';
import { createTodoDatabase, relational, resetTodos, type schema, todos } from '../../support/todo-app.ts';

// What the pool learns about statements that come again must never show, but in time.

let database: SealedDatabase;
let issuer: TestIssuer;
let pool: pg.Pool;
let db: WithAuth<NodePgDatabase<typeof schema>>;
let alice: NodePgDatabase<typeof schema>;
let bob: NodePgDatabase<typeof schema>;

beforeAll(async () => {
  database = await createTodoDatabase('repeated');
  issuer = await createIssuer();
  // Loaded off a query's way; here at once, so that a test need not wait for it.
  await loadStatementJudge();
});

afterAll(async () => {
  await database.drop();
});

beforeEach(async () => {
  await resetTodos(database);
  await open();
});

afterEach(async () => {
  await pool.end();
});

async function open(options: Pick<WithAuthOptions, 'prepare' | 'statements'> = {}): Promise<void> {
  pool = new pg.Pool({ connectionString: database.authenticatedUrl, max: 1 });
  db = withAuth(drizzle({ client: pool, ...relational }), {
    providers: [issuer.provider],
    key: database.authorizeKey,
    ...options,
  });
  [alice, bob] = await Promise.all([person('alice'), person('bob')]);
}

async function person(subject: string): Promise<NodePgDatabase<typeof schema>> {
  return db.$withAuth(await issuer.token(subject));
}

async function times<T>(count: number, work: () => PromiseLike<T>): Promise<T[]> {
  const results: T[] = [];
  for (let n = 0; n < count; n += 1) {
    results.push(await work());
    // The look at a statement's tree takes a turn of the event loop.
    await new Promise(setImmediate);
  }
  return results;
}

async function prepared(): Promise<readonly string[]> {
  const { rows } = await pool.query<{ name: string; statement: string }>(
    'select name, statement from pg_prepared_statements order by prepare_time',
  );
  return rows.map(({ statement }) => statement);
}

const titles = (rows: readonly { title: string }[]): string[] => rows.map(({ title }) => title).toSorted();

describe('a statement that comes again', () => {
  it('is prepared on the connection from its fifth time on, and serves every person as that person', async () => {
    const ask = (who: typeof alice) => who.select().from(todos).where(eq(todos.done, false));
    await times(4, () => ask(alice));
    expect((await prepared()).filter((text) => text.includes('todos'))).toEqual([]);
    await times(2, () => ask(alice));
    expect((await prepared()).filter((text) => text.includes('todos'))).toHaveLength(1);

    for (let n = 0; n < 12; n += 1) {
      expect(titles(await ask(alice))).toEqual(['read a book', 'water the plants']);
      expect(titles(await ask(bob))).toEqual(['call mum', 'read a book']);
    }
    await expect(times(12, () => db.select().from(todos))).rejects.toMatchObject({
      cause: { code: '28000' },
    });
  });

  it('is prepared also where it came all at once at first', async () => {
    await Promise.all(Array.from({ length: 8 }, () => alice.select().from(todos)));
    await times(3, () => alice.select().from(todos));
    expect((await prepared()).filter((text) => text.includes('todos'))).toHaveLength(1);
  });

  it('is not prepared with a value in its text, which the next person could read', async () => {
    await times(8, () => alice.execute(sql`select * from todos where title = 'a secret of alice'`));
    expect(JSON.stringify((await bob.execute(sql`select * from pg_prepared_statements`)).rows)).not.toContain(
      'secret',
    );
  });

  it('is not prepared where the caller does not want it, nor is anything else', async () => {
    await pool.end();
    await open({ prepare: false });
    expect(await times(8, () => alice.$count(todos))).toEqual(Array.from({ length: 8 }, () => 2));
    await alice.transaction((tx) => tx.select().from(todos));
    expect(await prepared()).toEqual([]);
  });

  it('is answered when its table has changed meanwhile', async () => {
    await runAsOwner(database.ownerUrl, [
      'CREATE TABLE shapes (id int)',
      'GRANT SELECT, INSERT ON shapes TO authenticated',
      'INSERT INTO shapes VALUES (1)',
    ]);
    const ask = async () => (await alice.execute(sql`select * from shapes`)).rows;
    expect(await times(8, ask)).toEqual(Array.from({ length: 8 }, () => [{ id: 1 }]));
    await runAsOwner(database.ownerUrl, [`ALTER TABLE shapes ADD COLUMN name text DEFAULT 'round'`]);
    expect(await times(8, ask)).toEqual(Array.from({ length: 8 }, () => [{ id: 1, name: 'round' }]));
    await runAsOwner(database.ownerUrl, ['ALTER TABLE shapes ALTER COLUMN id TYPE text']);
    expect(await ask()).toEqual([{ id: '1', name: 'round' }]);

    // One that writes runs once: the refusal came before it.
    const add = async () =>
      (await alice.execute(sql`insert into shapes (id) values (${'2'}) returning *`)).rows;
    await times(8, add);
    await runAsOwner(database.ownerUrl, ['ALTER TABLE shapes ADD COLUMN colour text']);
    expect(await add()).toEqual([{ id: '2', name: 'round', colour: null }]);
    const { rows } = await alice.execute(sql`select count(*)::int as n from shapes where id = '2'`);
    expect(rows).toEqual([{ n: 9 }]);
    await runAsOwner(database.ownerUrl, ['DROP TABLE shapes']);
  });

  it('is answered in a transaction, which goes on, when its table has changed meanwhile', async () => {
    await runAsOwner(database.ownerUrl, [
      'CREATE TABLE forms (id int)',
      'GRANT SELECT ON forms TO authenticated',
      'INSERT INTO forms VALUES (1)',
    ]);
    const read = sql`select * from forms`;
    const first = () =>
      alice.transaction(async (tx) => [(await tx.execute(read)).rows, await tx.$count(todos)]);
    const last = (title: string) =>
      alice.transaction(async (tx) => {
        await tx.insert(todos).values({ title });
        return tx.transaction(async (inner) => [(await inner.execute(read)).rows, await inner.$count(todos)]);
      });
    const isPrepared = async () => (await prepared()).some((text) => text.includes('forms'));
    await times(6, first);
    expect(await isPrepared()).toBe(true);
    await runAsOwner(database.ownerUrl, [`ALTER TABLE forms ADD COLUMN name text DEFAULT 'round'`]);
    expect(await first()).toEqual([[{ id: 1, name: 'round' }], 2]);

    await pool.end();
    await open();
    await times(6, first);
    expect(await isPrepared()).toBe(true);
    await runAsOwner(database.ownerUrl, ['ALTER TABLE forms ALTER COLUMN id TYPE text']);
    expect(await last('one')).toEqual([[{ id: '1', name: 'round' }], 3]);
    expect(await last('two')).toEqual([[{ id: '1', name: 'round' }], 4]);

    // What fails for a reason of its own fails its savepoint, and what was before it stays.
    let kept = 0;
    const failing = () =>
      alice.transaction(async (tx) => {
        await tx.insert(todos).values({ title: `kept ${(kept += 1)}` });
        const inner = tx.transaction((deeper) =>
          deeper.execute(sql`select id from forms where 1 / (select 0) = 1`),
        );
        await expect(inner).rejects.toMatchObject({ cause: { code: '22012' } });
      });
    await times(7, failing);
    expect(await alice.$count(todos)).toBe(4 + kept);
    await runAsOwner(database.ownerUrl, ['DROP TABLE forms']);
  });

  it('takes what its table has come to take meanwhile, and refuses what it never took', async () => {
    await runAsOwner(database.ownerUrl, [
      'CREATE TABLE visits (id int)',
      'GRANT SELECT, INSERT ON visits TO authenticated',
    ]);
    const add = (id: string) =>
      alice.execute(sql`insert into visits values (${id})`).then(({ rowCount }) => rowCount);
    expect(await times(8, () => add('1'))).toEqual(Array.from({ length: 8 }, () => 1));
    await expect(add('one')).rejects.toMatchObject({ cause: { code: '22P02' } });
    // That was no reason to forget what is prepared.
    expect((await prepared()).filter((text) => text.includes('visits'))).toHaveLength(1);
    expect(await add('2')).toBe(1);

    // Prepared by the caller, under a name of their own.
    const count = alice
      .select({ n: sql<number>`count(*)::int` })
      .from(sql`visits where id = ${sql.placeholder('id')}`)
      .prepare('visits_of');
    expect(await count.execute({ id: '1' })).toEqual([{ n: 8 }]);

    await runAsOwner(database.ownerUrl, ['ALTER TABLE visits ALTER COLUMN id TYPE bigint']);
    expect(await times(2, () => add('3000000000'))).toEqual([1, 1]);
    expect(await count.execute({ id: '3000000000' })).toEqual([{ n: 2 }]);
    await runAsOwner(database.ownerUrl, ['ALTER TABLE visits ALTER COLUMN id TYPE text']);
    expect(await times(2, () => add('three'))).toEqual([1, 1]);
    const { rows } = await alice.execute(sql`select count(*)::int as n from visits`);
    expect(rows).toEqual([{ n: 13 }]);
    await runAsOwner(database.ownerUrl, ['DROP TABLE visits']);
  });

  it('describes its columns to each caller anew, who may change the description', async () => {
    const ask = () => alice.execute<{ title: string }>(sql`select title from todos order by title`);
    await times(8, async () => {
      const { fields, rows } = await ask();
      expect(rows[0]).toEqual({ title: 'read a book' });
      for (const field of fields) field.name = field.name.toUpperCase();
      fields.pop();
    });
    expect((await ask()).fields).toMatchObject([{ name: 'title' }]);
  });

  it('is answered each time where any statement is allowed, on a pool that such handles share with others', async () => {
    await times(8, () => alice.select().from(todos));
    const any = withAuth(drizzle({ client: pool, ...relational }), {
      providers: [issuer.provider],
      key: database.authorizeKey,
      statements: 'any',
    }).$withAuth(await issuer.token('bob'));
    for (let n = 0; n < 8; n += 1) {
      expect(titles(await any.select().from(todos))).toEqual(['call mum', 'read a book']);
      expect(titles(await alice.select().from(todos))).toEqual(['read a book', 'water the plants']);
      await new Promise(setImmediate);
    }
  });

  it('is answered on a pool that two copies of this package share', async () => {
    // As where a development server loads changed files again and keeps the pool.
    const copy = async () => {
      vi.resetModules();
      const { withAuth: copied } = await import('../../../src/driver/node-postgres.ts');
      await import('../../../src/database/statement-judge.ts').then(({ loadStatementJudge: load }) => load());
      const handles = copied(drizzle({ client: pool, ...relational }), { key: database.authorizeKey });
      return handles.$withIdentity({ role: 'authenticated', claims: { sub: 'bob' } });
    };
    const [first, second] = [await copy(), await copy()];
    await times(8, () => first.select().from(todos));
    expect(await times(8, () => second.$count(todos))).toEqual(Array.from({ length: 8 }, () => 2));
    expect(titles(await first.select().from(todos))).toEqual(['call mum', 'read a book']);
    // What both ask is prepared once.
    const before = await prepared();
    await times(8, () => second.select().from(todos));
    expect(await prepared()).toEqual(before);
  });

  it('that fails each time fails each time, and the next one does not', async () => {
    const fail = () =>
      alice.execute(sql`select 1 / (select 0)`).then(undefined, (error: Error) => error.cause);
    for (const cause of await times(8, fail)) expect(cause).toMatchObject({ code: '22012' });
    expect(titles(await alice.select().from(todos))).toEqual(['read a book', 'water the plants']);
  });
});

describe('a seal that serves again on its connection', () => {
  it('is of no use from the moment that its key is gone', async () => {
    await times(3, () => alice.select().from(todos));
    await withClient(database.ownerUrl, async (owner) => {
      const { rows } = await owner.query('DELETE FROM auth.seal_keys RETURNING *');
      await expect(alice.select().from(todos)).rejects.toMatchObject({ cause: { code: '28000' } });
      for (const row of rows) {
        await owner.query(
          'INSERT INTO auth.seal_keys SELECT * FROM json_populate_record(NULL::auth.seal_keys, $1)',
          [
            JSON.stringify({
              ...row,
              inner_pad: `\\x${row.inner_pad.toString('hex')}`,
              outer_pad: `\\x${row.outer_pad.toString('hex')}`,
            }),
          ],
        );
      }
    });
    expect(titles(await alice.select().from(todos))).toEqual(['read a book', 'water the plants']);
  });

  it('is made by the clock of the database again, when ours has been set', async () => {
    const read = () => alice.select().from(todos);
    const readInTransaction = () => alice.transaction((tx) => tx.select().from(todos));
    expect(titles(await read())).toEqual(['read a book', 'water the plants']);
    vi.useFakeTimers({ toFake: ['Date'] });
    try {
      // Each time so far ahead that no seal of before serves again.
      for (const [ahead, ask] of [
        [120_000, read],
        [240_000, readInTransaction],
      ] as const) {
        vi.setSystemTime(vi.getRealSystemTime() + ahead);
        await expect(ask()).rejects.toMatchObject({ cause: { code: '28000' } });
        expect(titles(await ask())).toEqual(['read a book', 'water the plants']);
      }
      vi.setSystemTime(vi.getRealSystemTime());
      // A seal that serves again is as genuine as before; one that is made now is refused at most once.
      await readInTransaction().catch(() => {});
      expect(titles(await read())).toEqual(['read a book', 'water the plants']);
    } finally {
      vi.useRealTimers();
    }
  });

  it('is checked once by each connection, and again after somebody else', async () => {
    const checks = async () => (await prepared()).filter((text) => text.includes('auth.check('));
    await times(3, () => alice.select().from(todos));
    await times(3, () => bob.select().from(todos));
    expect(await checks()).toHaveLength(1);
    // A forged seal inside a statement is still refused, whoever was here before.
    const forged = alice.execute(sql`with f as materialized (
      select set_config('authorize.seal', replace(current_setting('authorize.seal'), 'alice', 'bob'), true) as seal)
      select todos.title from f, lateral (select title from todos where f.seal <> '') as todos`);
    await expect(forged).rejects.toMatchObject({ cause: { code: '28000' } });
  });
});

describe('what a repeated statement leaves behind', () => {
  it('is cleared away after the tenth time as after the first', async () => {
    const leave = () =>
      alice.execute(sql`select set_config('search_path', 'nowhere', false), set_config('app.left', 'behind', false),
        pg_advisory_lock(42), nextval('todos_id_seq'), setseed(0.5)`);
    await times(10, leave);
    const { rows } = await bob.execute(sql`select current_setting('search_path') as path,
      coalesce(current_setting('app.left', true), '') as left_behind,
      (select count(*)::int from pg_locks where locktype = 'advisory' and pid = pg_backend_pid()) as locks`);
    expect(rows).toEqual([{ path: '"$user", public', left_behind: '', locks: 0 }]);
    await expect(bob.execute(sql`select lastval()`)).rejects.toMatchObject({ cause: { code: '55000' } });
  });

  it('is nothing where a transaction only reads, and cleared away where it does more', async () => {
    const [ours, theirs] = [sql`select current_setting('app.mine', true) as mine`, `SET app.mine = 'kept'`];
    const read = () => alice.transaction(async (tx) => tx.transaction((inner) => inner.$count(todos)));
    const readAndLeave = () =>
      alice.transaction(async (tx) => {
        await tx.$count(todos);
        await tx.execute(sql`select set_config('app.left', 'behind', false)`);
      });
    const failing = () =>
      alice.transaction((tx) => tx.execute(sql`select id from todos where 1 / (select 0) = 1`));
    await times(3, () => Promise.allSettled([read(), readAndLeave(), failing()]));

    // A reset would take what the application has set on the connection.
    await pool.query(theirs);
    await times(3, read);
    await expect(failing()).rejects.toMatchObject({ cause: { code: '22012' } });
    expect((await db.execute(ours)).rows).toEqual([{ mine: 'kept' }]);
    await readAndLeave();
    expect((await db.execute(ours)).rows).toEqual([{ mine: '' }]);
    const left = sql`select coalesce(current_setting('app.left', true), '') as left_behind`;
    expect((await bob.execute(left)).rows).toEqual([{ left_behind: '' }]);
  });

  it('is cleared away where a function of the owner, and not the statement, has set it', async () => {
    await runAsOwner(database.ownerUrl, [
      `CREATE FUNCTION noted(title text) RETURNS boolean LANGUAGE sql STABLE
        AS $$ SELECT set_config('app.noted', title, false) IS NOT NULL $$`,
      'CREATE VIEW noted_todos WITH (security_invoker) AS SELECT title FROM todos WHERE noted(title)',
      'GRANT SELECT ON noted_todos TO authenticated',
    ]);
    const left = sql`select coalesce(current_setting('app.noted', true), '') as noted`;
    await times(10, () => alice.execute(sql`select title from noted_todos`));
    expect((await bob.execute(left)).rows).toEqual([{ noted: '' }]);
    expect((await db.execute(left)).rows).toEqual([{ noted: '' }]);
    await runAsOwner(database.ownerUrl, ['DROP FUNCTION noted CASCADE']);
  });

  it.each([
    [
      'a view',
      'CREATE TABLE seen AS SELECT 1; CREATE VIEW seeing AS SELECT 1 WHERE remember(); GRANT SELECT ON seeing TO authenticated',
      'select * from seeing',
    ],
    [
      'a policy',
      `CREATE TABLE seen AS SELECT 1; ALTER TABLE seen ENABLE ROW LEVEL SECURITY;
        CREATE POLICY remembered ON seen USING (remember())`,
      'select * from seen',
    ],
    [
      'a computed column',
      `CREATE TABLE seen AS SELECT 1;
        CREATE FUNCTION recall(seen, n int = 1) RETURNS boolean LANGUAGE sql RETURN remember()`,
      'select seen.recall from seen',
    ],
    ['a domain', 'CREATE DOMAIN memory AS text CHECK (remember(VALUE))', `select 'x'::memory`],
    [
      'an operator',
      `CREATE FUNCTION recall(text, text) RETURNS boolean LANGUAGE sql RETURN remember();
        CREATE OPERATOR === (LEFTARG = text, RIGHTARG = text, FUNCTION = recall)`,
      `select 'a'::text === 'b'`,
    ],
    [
      'a name of PostgreSQL',
      'CREATE FUNCTION upper(boolean) RETURNS boolean LANGUAGE sql RETURN remember()',
      'select upper(true)',
    ],
    [
      'an aggregate',
      `CREATE FUNCTION recall(boolean, uuid) RETURNS boolean LANGUAGE plpgsql AS 'BEGIN RETURN remember(); END';
        CREATE AGGREGATE max(uuid) (SFUNC = recall, STYPE = boolean)`,
      `select max(null::uuid)`,
    ],
    [
      'an order',
      `CREATE TYPE size AS (n int);
        CREATE FUNCTION is_less(size, size) RETURNS boolean IMMUTABLE LANGUAGE sql RETURN $1.n < $2.n;
        CREATE FUNCTION recall(size, size) RETURNS int LANGUAGE plpgsql AS 'BEGIN PERFORM remember(); RETURN 0; END';
        CREATE OPERATOR < (LEFTARG = size, RIGHTARG = size, FUNCTION = is_less);
        CREATE OPERATOR > (LEFTARG = size, RIGHTARG = size, FUNCTION = is_less);
        CREATE OPERATOR = (LEFTARG = size, RIGHTARG = size, FUNCTION = is_less);
        CREATE OPERATOR CLASS by_size DEFAULT FOR TYPE size USING btree
          AS OPERATOR 1 <, OPERATOR 3 =, OPERATOR 5 >, FUNCTION 1 recall(size, size)`,
      'select n from (values (row(1)::size), (row(2)::size)) as sizes (n) order by n',
    ],
  ])('is cleared away where a VOLATILE function of the owner stands behind %s', async (_, made, text) => {
    const forget = [
      'DROP TABLE IF EXISTS seen CASCADE',
      'DROP TYPE IF EXISTS size CASCADE',
      'DROP FUNCTION IF EXISTS recall CASCADE',
      'DROP FUNCTION IF EXISTS remember CASCADE',
    ];
    await runAsOwner(database.ownerUrl, [
      ...forget,
      `GRANT TEMP ON DATABASE ${database.name} TO authenticated`,
      `CREATE FUNCTION remember(what text = '') RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN
        CREATE TEMP TABLE IF NOT EXISTS remembered AS SELECT auth.user_id() AS who;
        RETURN true; END $$`,
      made,
      `DO $$ BEGIN IF to_regclass('seen') IS NOT NULL THEN GRANT SELECT ON seen TO authenticated; END IF; END $$`,
    ]);
    await times(10, () => alice.execute(sql.raw(text)));
    const { rows } = await bob.execute(sql`select to_regclass('pg_temp.remembered') as left_behind`);
    expect(rows).toEqual([{ left_behind: null }]);
    await runAsOwner(database.ownerUrl, forget);
  });

  it.each([
    [
      'a function that is STABLE by its label alone',
      `CREATE FUNCTION lock_it() RETURNS boolean STABLE LANGUAGE sql AS 'SELECT pg_advisory_lock(42) IS NOT NULL';
        CREATE VIEW locking AS SELECT 1 WHERE lock_it()`,
    ],
    [
      'one that was parsed when it was made',
      `CREATE FUNCTION lock_it() RETURNS boolean STABLE LANGUAGE sql RETURN pg_advisory_lock(42) IS NOT NULL;
        CREATE VIEW locking AS SELECT 1 WHERE lock_it()`,
    ],
    ['a view alone', 'CREATE VIEW locking AS SELECT 1 WHERE pg_advisory_lock(42) IS NOT NULL'],
    [
      'a policy alone',
      `CREATE TABLE locked AS SELECT 1; ALTER TABLE locked ENABLE ROW LEVEL SECURITY; GRANT SELECT ON locked TO authenticated;
        CREATE POLICY locks ON locked USING (pg_advisory_lock(42) IS NOT NULL);
        CREATE VIEW locking WITH (security_invoker) AS SELECT * FROM locked`,
    ],
    [
      'a domain alone',
      `CREATE DOMAIN locked AS int CHECK (pg_advisory_lock(VALUE) IS NOT NULL);
        CREATE VIEW locking AS SELECT n::locked FROM (VALUES (42)) AS numbers (n)`,
    ],
  ])('is cleared away where %s calls what leaves something', async (_, made) => {
    await runAsOwner(database.ownerUrl, [made, 'GRANT SELECT ON locking TO authenticated']);
    await times(10, () => alice.execute(sql`select * from locking`));
    const { rows } = await bob.execute(
      sql`select count(*)::int as locks from pg_locks where locktype = 'advisory' and pid = pg_backend_pid()`,
    );
    await runAsOwner(database.ownerUrl, [
      'DROP VIEW locking',
      'DROP FUNCTION IF EXISTS lock_it',
      `DO $$ BEGIN DROP TABLE IF EXISTS locked; EXCEPTION WHEN wrong_object_type THEN DROP DOMAIN locked; END $$`,
    ]);
    expect(rows).toEqual([{ locks: 0 }]);
  });
});

it("the owner's functions are looked at again after ten minutes, on a connection that is open", async () => {
  const ask = () => alice.execute(sql`select title from late_todos`);
  await runAsOwner(database.ownerUrl, [
    'CREATE VIEW late_todos WITH (security_invoker) AS SELECT title FROM todos',
    'GRANT SELECT ON late_todos TO authenticated',
  ]);
  await times(5, ask);
  await runAsOwner(database.ownerUrl, [
    `CREATE FUNCTION remember() RETURNS boolean LANGUAGE sql VOLATILE
      AS $$ SELECT pg_advisory_lock(42) IS NOT NULL $$`,
    `CREATE OR REPLACE VIEW late_todos WITH (security_invoker) AS SELECT title FROM todos WHERE remember()`,
  ]);
  vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 601_000 });
  try {
    alice = db.$withIdentity({ role: 'authenticated', claims: { sub: 'alice' } });
    await times(5, ask);
    const { rows } = await alice.execute(sql`select count(*)::int as locks from pg_locks
      where locktype = 'advisory' and pid = pg_backend_pid()`);
    expect(rows).toEqual([{ locks: 0 }]);
  } finally {
    vi.useRealTimers();
    await runAsOwner(database.ownerUrl, ['DROP VIEW late_todos', 'DROP FUNCTION remember']);
  }
});

it('a login is looked at without waiting for whoever changes a table', async () => {
  await runAsOwner(database.ownerUrl, [
    'CREATE FUNCTION counted() RETURNS bigint STABLE LANGUAGE sql RETURN (SELECT count(*) FROM notes)',
  ]);
  await withClient(database.ownerUrl, async (owner) => {
    await owner.query('BEGIN; LOCK TABLE notes');
    expect(titles(await alice.select().from(todos))).toEqual(['read a book', 'water the plants']);
  });
  await runAsOwner(database.ownerUrl, ['DROP FUNCTION counted']);
});

it('no function of a plain read does more than compute, in any of its forms', async () => {
  await withClient(database.ownerUrl, async (client) => {
    const { rows } = await client.query<{ name: string; volatile: boolean }>(
      `SELECT DISTINCT proname AS name, bool_or(provolatile = 'v') OVER (PARTITION BY proname) AS volatile
      FROM pg_proc WHERE pronamespace = 'pg_catalog'::regnamespace AND proname = ANY ($1)`,
      [[...plainFunctions]],
    );
    expect(rows.filter(({ volatile }) => volatile)).toEqual([]);
    // COALESCE and its like are grammar; every other name must be a function, or it is a typing mistake.
    expect([...plainFunctions].filter((name) => !rows.some((row) => row.name === name))).toEqual([]);
  });
});
