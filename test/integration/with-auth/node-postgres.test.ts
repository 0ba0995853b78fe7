import { and, count, eq, like, sql } from 'drizzle-orm';
import { drizzle, type NodePgDatabase } from 'drizzle-orm/node-postgres';
import pg from 'pg';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';

import { withAuth, type WithAuth } from '../../../src/driver/node-postgres.ts';
import { createIssuer, type TestIssuer } from '../../support/issuer.ts';
import { withClient, type SealedDatabase } from '../../support/sealed-database.ts';
import { createTodoDatabase, notes, resetTodos, schema, todos } from '../../support/todo-app.ts';

type Db = WithAuth<NodePgDatabase<typeof schema>>;

let database: SealedDatabase;
let issuer: TestIssuer;
let alice: string;
let bob: string;
let pool: pg.Pool;
let anonymousPool: pg.Pool;
let db: Db;

beforeAll(async () => {
  database = await createTodoDatabase('with_auth');
  issuer = await createIssuer();
  [alice, bob] = await Promise.all([issuer.token('alice'), issuer.token('bob')]);
});

afterAll(async () => {
  await database.drop();
});

beforeEach(async () => {
  await resetTodos(database);
  pool = new pg.Pool({ connectionString: database.authenticatedUrl, max: 4 });
  anonymousPool = new pg.Pool({ connectionString: database.anonymousUrl, max: 2 });
  db = withAuth(drizzle({ client: pool, schema }), {
    providers: [issuer.provider],
    key: database.authorizeKey,
    anonymous: drizzle({ client: anonymousPool, schema }),
  });
});

afterEach(async () => {
  await Promise.all([pool.end(), anonymousPool.end()]);
});

/** What is wrong on PostgreSQL's side, below Drizzle's wrapping. */
async function refusal(work: PromiseLike<unknown>): Promise<unknown> {
  try {
    await work;
  } catch (error) {
    const cause = error instanceof Error && error.cause !== undefined ? error.cause : error;
    return cause instanceof Error && 'code' in cause ? cause.code : cause;
  }
  throw new Error('it was let through');
}

const titles = (rows: readonly { title: string }[]): string[] => rows.map(({ title }) => title).toSorted();

describe('each surface of a handle is the person whose token it was made with', () => {
  const surfaces: Record<
    string,
    (handle: NodePgDatabase<typeof schema>) => PromiseLike<readonly { title: string }[]>
  > = {
    select: (handle) => handle.select().from(todos),
    selectDistinct: (handle) => handle.selectDistinct({ title: todos.title }).from(todos),
    'query.findMany': (handle) => handle.query.todos.findMany(),
    'query.findMany with relations': (handle) => handle.query.todos.findMany({ with: { notes: true } }),
    'query.findMany prepared': (handle) => handle.query.todos.findMany().prepare('find_todos').execute(),
    'select prepared': (handle) => handle.select().from(todos).prepare('select_todos').execute(),
    'select prepared with a placeholder': (handle) =>
      handle
        .select()
        .from(todos)
        .where(eq(todos.done, sql.placeholder('done')))
        .prepare('select_undone')
        .execute({ done: false }),
    execute: async (handle) =>
      (await handle.execute<{ title: string }>(sql`select title from ${todos}`)).rows,
    with: (handle) => {
      const own = handle.$with('own').as(handle.select().from(todos));
      return handle.with(own).select({ title: own.title }).from(own);
    },
    union: (handle) =>
      handle
        .select({ title: todos.title })
        .from(todos)
        .union(handle.select({ title: todos.title }).from(todos)),
    $dynamic: (handle) => handle.select().from(todos).$dynamic().limit(10),
    transaction: (handle) => handle.transaction((tx) => tx.select().from(todos)),
    'nested transaction': (handle) =>
      handle.transaction((tx) => tx.transaction((inner) => inner.query.todos.findMany())),
    'update returning': (handle) =>
      handle.update(todos).set({ done: true }).where(eq(todos.isPublic, false)).returning(),
    'delete returning': (handle) => handle.delete(todos).where(eq(todos.isPublic, false)).returning(),
    $client: async (handle) => {
      const { $client } = handle as typeof handle & { $client: pg.Pool };
      return (await $client.query<{ title: string }>('select title from todos')).rows;
    },
  };

  it.each(Object.entries(surfaces))('%s', async (surface, ask) => {
    const onlyOwn = surface.startsWith('update') || surface.startsWith('delete');
    expect(titles(await ask(db.$withAuth(alice)))).toEqual(
      onlyOwn ? ['water the plants'] : ['read a book', 'water the plants'],
    );
    expect(titles(await ask(db.$withAuth(bob)))).toEqual(
      onlyOwn ? ['call mum'] : ['call mum', 'read a book'],
    );
  });

  it('$count, alone and inside a query', async () => {
    expect(await db.$withAuth(alice).$count(todos)).toBe(2);
    const handle = db.$withAuth(bob);
    const rows = await handle
      .select({ all: handle.$count(todos) })
      .from(todos)
      .limit(1);
    expect(rows).toEqual([{ all: 2 }]);
  });

  it('inserts, which store the person without naming it', async () => {
    const [row] = await db.$withAuth(alice).insert(todos).values({ title: 'sweep' }).returning();
    expect(row).toMatchObject({ userId: 'alice', title: 'sweep' });
    await db.$withAuth(bob).insert(todos).values({ title: 'sweep' });
    await db
      .$withAuth(bob)
      .insert(todos)
      .select((query) =>
        query
          .select({
            id: sql<number>`${todos.id} + 1000`.as('id'),
            userId: todos.userId,
            title: sql<string>`${todos.title} || ' again'`.as('title'),
            done: todos.done,
            isPublic: todos.isPublic,
          })
          .from(todos)
          .where(eq(todos.userId, sql`auth.user_id()`)),
      );
    const again = await db.$withAuth(bob).select().from(todos).where(like(todos.title, '% again'));
    expect(titles(again)).toEqual(['call mum again', 'sweep again']);
    expect(
      await db.$withAuth(bob).select({ n: count() }).from(todos).where(eq(todos.title, 'sweep')),
    ).toEqual([{ n: 1 }]);
  });

  it('a handle of anonymous sees what is public, and may not write', async () => {
    const visitor = db.$withAnonymous();
    expect(titles(await visitor.select().from(todos))).toEqual(['read a book']);
    expect(await refusal(visitor.insert(todos).values({ title: 'spam', userId: 'alice' }))).toBe('42501');
  });

  it('a handle of an identity that was verified elsewhere', async () => {
    const job = db.$withIdentity({ role: 'authenticated', claims: { sub: 'bob' } });
    expect(titles(await job.select().from(todos))).toEqual(['call mum', 'read a book']);
  });
});

describe('nobody reaches the rows of another', () => {
  it('by update, delete, insert or handing a row over', async () => {
    const handle = db.$withAuth(bob);
    expect(await handle.update(todos).set({ title: 'mine' }).where(eq(todos.id, 1)).returning()).toEqual([]);
    expect(await handle.delete(todos).where(eq(todos.id, 1)).returning()).toEqual([]);
    expect(await refusal(handle.insert(todos).values({ title: 'planted', userId: 'alice' }))).toBe('42501');
    expect(await refusal(handle.update(todos).set({ userId: 'alice' }).where(eq(todos.id, 3)))).toBe('42501');
    expect(titles(await db.$withAuth(alice).select().from(todos))).toEqual([
      'read a book',
      'water the plants',
    ]);
  });

  it('with two handles interleaved', async () => {
    const [a, b] = [db.$withAuth(alice), db.$withAuth(bob)];
    const query = a.execute<{ who: string }>(sql`select auth.user_id() as who`);
    const other = b.execute<{ who: string }>(sql`select auth.user_id() as who`);
    expect((await query).rows).toEqual([{ who: 'alice' }]);
    expect((await other).rows).toEqual([{ who: 'bob' }]);
  });

  it('with forty queries of twenty people at once over four connections', async () => {
    const people = await Promise.all(
      Array.from({ length: 20 }, async (_, n) => ({
        name: `person ${n}`,
        token: await issuer.token(`person ${n}`),
      })),
    );
    const answers = await Promise.all(
      [...people, ...people].map(async ({ name, token }, n) => {
        const handle = db.$withAuth(token);
        const ask = sql<string>`select auth.user_id() as who, pg_sleep(0.01)`;
        const { rows } =
          n % 2 === 0
            ? await handle.execute<{ who: string }>(ask)
            : await handle.transaction((tx) => tx.execute<{ who: string }>(ask));
        return [name, rows[0]?.who];
      }),
    );
    for (const [name, who] of answers) expect(who).toBe(name);
  });

  it('through the database itself, before and after handles were made', async () => {
    expect(await refusal(db.select().from(todos))).toBe('28000');
    await db.$withAuth(alice).select().from(todos);
    expect(await refusal(db.select().from(todos))).toBe('28000');
    expect(await refusal(db.execute(sql`select auth.user_id()`))).toBe('28000');
  });

  it('by SQL that is injected into a query', async () => {
    const injected = (text: string): Promise<pg.QueryResult<{ title: string }>> =>
      db
        .$withAuth(bob)
        .execute<{ title: string }>(sql`select title from todos where title = '${sql.raw(text)}'`);
    const own = await injected(`' or true --`);
    expect(titles(own.rows)).toEqual(['call mum', 'read a book']);
    const cleared = `select set_config('authorize.seal', '', true) as seal offset 0`;
    const swapped = `select set_config('authorize.seal', replace(current_setting('authorize.seal'), 'bob', 'alice'), true) as seal offset 0`;
    for (const change of [cleared, swapped]) {
      const attempt = injected(
        `' union all select hit.title from (${change}) as c, lateral (select title from todos where c.seal is not null offset 0) as hit --`,
      );
      expect(await refusal(attempt)).toBe('28000');
    }
    expect(await refusal(injected(`'; select 1 --`))).toBe('42601');
    expect(await refusal(injected(`' union select pg_read_file('/etc/passwd') --`))).toBe('42501');
    expect(await refusal(injected(`' union select encode(inner_pad, 'hex') from auth.seal_keys --`))).toBe(
      '42501',
    );
  });
});

describe('after use', () => {
  it('an error leaves the handle and the connection good', async () => {
    const handle = db.$withAuth(alice);
    expect(await refusal(handle.execute(sql`select 1 / 0`))).toBe('22012');
    expect(await refusal(handle.execute(sql`select from nowhere`))).toBe('42P01');
    expect(await refusal(handle.execute(sql`selekt 1`))).toBe('ERR_STATEMENT_REFUSED');
    expect(titles(await handle.select().from(todos))).toEqual(['read a book', 'water the plants']);
    // No connection was thrown away: one at work, one being reset.
    expect(pool.totalCount).toBeLessThanOrEqual(2);
  });

  it('an error that comes with the end of the transaction is reported, and nothing before it', async () => {
    const doubled = db.$withAuth(alice).insert(todos).values({ title: 'read a book' });
    expect(await refusal(doubled)).toBe('23505');
    expect(await db.$withAuth(alice).$count(todos)).toBe(2);
  });

  it('a value that cannot be written fails alone', async () => {
    const circular: Record<string, unknown> = {};
    circular.self = circular;
    await expect(db.$withAuth(alice).execute(sql`select ${circular}::jsonb`)).rejects.toThrow();
    expect(await db.$withAuth(alice).$count(todos)).toBe(2);
  });

  it('nothing that a statement leaves on the connection meets the next person', async () => {
    await pool.end();
    pool = new pg.Pool({ connectionString: database.authenticatedUrl, max: 1 });
    db = withAuth(drizzle({ client: pool, schema }), {
      providers: [issuer.provider],
      key: database.authorizeKey,
    });
    const mallory = db.$withAuth(bob);
    await mallory.execute(sql`select set_config('search_path', 'nowhere', false), set_config('app.left', 'behind', false),
      set_config('statement_timeout', '1', false), set_config('default_transaction_read_only', 'on', false),
      pg_advisory_lock(42), setseed(0.5), nextval('todos_id_seq')`);
    await mallory.execute(sql`select 1 as id into temp todos`);
    await mallory.execute(sql`select set_config('authorize.seal', current_setting('authorize.seal'), false)`);

    const { rows } = await db.$withAuth(alice).execute(sql`select
      current_setting('search_path') as path, coalesce(current_setting('app.left', true), '') as left_behind,
      current_setting('statement_timeout') as timeout, current_setting('default_transaction_read_only') as read_only,
      current_setting('role') as role, session_user as login, auth.user_id() as who,
      (select count(*)::int from pg_locks where locktype = 'advisory' and pid = pg_backend_pid()) as locks,
      (select count(*)::int from pg_class where relpersistence = 't' and relkind = 'r') as temporary_tables,
      (select count(*)::int from pg_prepared_statements where name not like 'drizzle-authorize:%') as prepared`);
    expect(rows).toEqual([
      {
        path: '"$user", public',
        left_behind: '',
        timeout: '0',
        read_only: 'off',
        role: 'none',
        login: 'authenticated',
        who: 'alice',
        locks: 0,
        temporary_tables: 0,
        prepared: 0,
      },
    ]);
    expect(await refusal(db.$withAuth(alice).execute(sql`select lastval()`))).toBe('55000');
    const random = async (): Promise<unknown> => {
      await mallory.execute(sql`select setseed(0.5)`);
      return (await db.$withAuth(alice).execute(sql`select random() as r`)).rows[0]?.r;
    };
    expect(await random()).not.toBe(await random());
    expect(await refusal(db.execute(sql`select auth.user_id()`))).toBe('28000');
    expect(titles(await db.$withAuth(alice).select().from(todos))).toEqual([
      'read a book',
      'water the plants',
    ]);
  });

  it('a prepared statement of one person serves the next, as the next', async () => {
    await pool.end();
    pool = new pg.Pool({ connectionString: database.authenticatedUrl, max: 1 });
    db = withAuth(drizzle({ client: pool, schema }), {
      providers: [issuer.provider],
      key: database.authorizeKey,
    });
    const asked = (token: string): Promise<readonly { title: string }[]> =>
      db
        .$withAuth(token)
        .select()
        .from(todos)
        .where(eq(todos.done, sql.placeholder('done')))
        .prepare('undone')
        .execute({ done: false });
    // A failing prologue must not make the driver believe that the statement was parsed.
    await expect(asked(`${alice}x`)).rejects.toMatchObject({ code: 'ERR_TOKEN_SIGNATURE' });
    const dead = db.$withIdentity({ role: 'authenticated', claims: { sub: 'alice', text: '\u0000' } });
    await expect(
      dead
        .select()
        .from(todos)
        .where(eq(todos.done, sql.placeholder('done')))
        .prepare('undone')
        .execute({ done: false }),
    ).rejects.toThrow();
    expect(titles(await asked(alice))).toEqual(['read a book', 'water the plants']);
    expect(titles(await asked(bob))).toEqual(['call mum', 'read a book']);
  });

  it('a query_timeout of the pool fails the slow query, and touches no other', async () => {
    await pool.end();
    pool = new pg.Pool({ connectionString: database.authenticatedUrl, max: 1, query_timeout: 300 });
    db = withAuth(drizzle({ client: pool, schema }), {
      providers: [issuer.provider],
      key: database.authorizeKey,
    });
    const handle = db.$withAuth(alice);
    const pid = async (): Promise<unknown> =>
      (await handle.execute(sql`select pg_backend_pid() as pid`)).rows[0]?.['pid'];
    const first = await pid();
    for (const startedAt = Date.now(); Date.now() < startedAt + 500;) expect(await pid()).toBe(first);
    await expect(handle.execute(sql`select pg_sleep(5)`)).rejects.toMatchObject({
      cause: { message: 'Query read timeout' },
    });
    expect(await handle.$count(todos)).toBe(2);
  });

  it('a connection that breaks in the middle fails the query and not the process', async () => {
    const handle = db.$withAuth(alice);
    const sleeping = refusal(handle.execute(sql`select pg_sleep(30)`));
    await withClient(database.ownerUrl, async (owner) => {
      const terminate = `select pg_terminate_backend(pid) from pg_stat_activity
        where datname = current_database() and usename = 'authenticated' and query like '%pg_sleep(30)%' and state = 'active'`;
      await expect.poll(async () => (await owner.query(terminate)).rowCount).toBe(1);
    });
    expect(await sleeping).toBe('57P01');
    expect(await handle.$count(todos)).toBe(2);
  });
});

describe('a transaction', () => {
  it('is one identity from begin to commit, with its isolation level', async () => {
    const seen = await db.$withAuth(alice).transaction(
      async (tx) => {
        await tx.insert(todos).values({ title: 'in a transaction' });
        const { rows } = await tx.execute(
          sql`select auth.user_id() as who, current_setting('transaction_isolation') as level`,
        );
        return rows;
      },
      { isolationLevel: 'serializable', accessMode: 'read write', deferrable: false },
    );
    expect(seen).toEqual([{ who: 'alice', level: 'serializable' }]);
    expect(await db.$withAuth(alice).$count(todos, eq(todos.title, 'in a transaction'))).toBe(1);
  });

  it('rolls back, whole and to a savepoint', async () => {
    const handle = db.$withAuth(alice);
    await expect(
      handle.transaction(async (tx) => {
        await tx.insert(todos).values({ title: 'lost' });
        throw new Error('changed my mind');
      }),
    ).rejects.toThrow('changed my mind');
    await handle.transaction(async (tx) => {
      await tx.insert(todos).values({ title: 'kept' });
      await tx
        .transaction(async (inner) => {
          await inner.insert(todos).values({ title: 'lost as well' });
          await inner.execute(sql`select 1 / 0`);
        })
        .catch(() => {});
      expect(await tx.$count(todos, eq(todos.title, 'kept'))).toBe(1);
    });
    const kept = await handle
      .select()
      .from(todos)
      .where(and(eq(todos.userId, 'alice'), eq(todos.done, false)));
    expect(titles(kept)).toEqual(['kept', 'read a book', 'water the plants']);
  });

  it('is over when its callback is', async () => {
    let escaped: { select: NodePgDatabase<typeof schema>['select'] } | undefined;
    await db.$withAuth(alice).transaction(async (tx) => {
      escaped = tx;
      await tx.select().from(todos);
    });
    expect(await refusal(escaped?.select().from(todos) ?? Promise.resolve())).toBe('ERR_TRANSACTION_ENDED');
  });

  it('cannot be ended from within and go on as nobody', async () => {
    const work = db.$withAuth(alice).transaction(async (tx) => {
      await tx.execute(sql`commit`);
      return tx.select().from(todos);
    });
    expect(await refusal(work)).toBe('ERR_TRANSACTION_ENDED');
    expect(await db.$withAuth(bob).$count(todos)).toBe(2);
  });

  it('that a token cannot open gives its connection back', async () => {
    const expired = await issuer.token('alice', { exp: 1_000_000 });
    for (let round = 0; round < 10; round += 1) {
      await expect(db.$withAuth(expired).transaction((tx) => tx.select().from(todos))).rejects.toMatchObject({
        code: 'ERR_TOKEN_EXPIRED',
      });
      expect(
        await refusal(
          db
            .$withAuth(alice)
            .transaction((tx) => tx.select().from(todos), { isolationLevel: 'bogus' as never }),
        ),
      ).toBe('42601');
    }
    expect(await db.$withAuth(alice).$count(notes)).toBe(2);
  });
});

describe('statements that do more than read and write rows are refused before they are sent', () => {
  const refused = [
    `alter role authenticated set search_path = nowhere`,
    `/* select */ alter role authenticated set search_path = nowhere`,
    `-- select\ralter role authenticated set search_path = nowhere\n`,
    `; alter role authenticated set search_path = nowhere`,
    `set role none`,
    `begin`,
    `commit`,
    `listen x`,
    `prepare p as select 1`,
    `do $$ begin end $$`,
    `copy todos to stdout`,
    `explain analyze select 1`,
    `lock table todos`,
    ``,
  ];

  it.each(refused)('%j', async (text) => {
    const handle = db.$withAuth(alice);
    expect(await refusal(handle.execute(sql.raw(text)))).toBe('ERR_STATEMENT_REFUSED');
    if (text !== 'begin' && text !== 'commit') {
      expect(await refusal(handle.transaction((tx) => tx.execute(sql.raw(text))))).toBe(
        'ERR_STATEMENT_REFUSED',
      );
    }
  });

  it.each([
    '  select 1',
    '/* a /* nested */ comment */ select 1',
    '-- a comment\nselect 1',
    '((select 1) union (select 2))',
    'values (1)',
    'with a as (select 1) select * from a',
  ])('and %j is not', async (text) => {
    await db.$withAuth(alice).execute(sql.raw(text));
  });

  it('unless any statement was asked for', async () => {
    const free = withAuth(drizzle({ client: pool, schema }), {
      providers: [issuer.provider],
      key: database.authorizeKey,
      statements: 'any',
    });
    const { rows } = await free.$withAuth(alice).execute(sql`explain select * from todos`);
    expect(rows.length).toBeGreaterThan(0);
    await free.$withAuth(alice).execute(sql`prepare p as select 1`);
    // The second is stopped by Postgres: always the extended protocol.
    expect(await refusal(free.$withAuth(alice).execute(sql`select 1; select 2`))).toBe('42601');
    // A transaction that the statement begins does not outlive it.
    expect(await refusal(free.$withAuth(alice).execute(sql`begin`))).toBe('ERR_CONNECTION_IN_DOUBT');
    expect(await refusal(free.$withAuth(alice).execute(sql`commit`))).toBe('ERR_CONNECTION_IN_DOUBT');
    expect(await free.$withAuth(bob).$count(todos)).toBe(2);
  });
});
