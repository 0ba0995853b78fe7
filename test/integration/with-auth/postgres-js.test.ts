import { eq, sql } from 'drizzle-orm';
import { drizzle, type PostgresJsDatabase } from 'drizzle-orm/postgres-js';
import postgres from 'postgres';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';

import { loadStatementJudge } from '../../../src/database/statement-judge.ts';
import { withAuth, type WithAuth, type WithAuthOptions } from '../../../src/driver/postgres-js.ts';
import { startCountingProxy } from '../../support/counting-proxy.ts';
import { createIssuer, type TestIssuer } from '../../support/issuer.ts';
import { runAsOwner, withClient, type SealedDatabase } from '../../support/sealed-database.ts';
import { createTodoDatabase, relational, resetTodos, type schema, todos } from '../../support/todo-app.ts';
import { createContractDatabase, describeContract, refusal, titles, type Driver } from './contract.ts';

function open(opened: SealedDatabase, { provider }: TestIssuer): Promise<Driver> {
  const clients: postgres.Sql[] = [];
  return Promise.resolve({
    connect: (url, { max = 4, cache } = {}) => {
      const client = postgres(url, { max });
      clients.push(client);
      return drizzle({ client, ...relational, ...(cache && { cache }) });
    },
    withAuth: (plain, options) =>
      withAuth(plain, { providers: [provider], key: opened.authorizeKey, ...options }),
    close: async () => {
      await Promise.all(clients.map((client) => client.end()));
    },
  });
}

describeContract('postgres.js', {
  create: createContractDatabase,
  open,
  verifies: 'driver',
  transactions: true,
  login: 'role',
});

type Db = PostgresJsDatabase<typeof schema> & { readonly $client: postgres.Sql };

let database: SealedDatabase;
let issuer: TestIssuer;
let alice: string;
let bob: string;
let clients: postgres.Sql[] = [];

beforeAll(async () => {
  database = await createTodoDatabase('postgres_js');
  issuer = await createIssuer();
  [alice, bob] = await Promise.all([issuer.token('alice'), issuer.token('bob')]);
  // Loaded off a query's way; here at once, so that a test need not wait for it.
  await loadStatementJudge();
});

afterAll(async () => {
  await database.drop();
});

beforeEach(async () => {
  await resetTodos(database);
});

afterEach(async () => {
  await Promise.all(clients.map((client) => client.end()));
  clients = [];
});

type ClientOptions = postgres.Options<Record<string, postgres.PostgresType>>;

function connected(options: ClientOptions = {}, more: Partial<WithAuthOptions> = {}): WithAuth<Db> {
  const client = postgres(database.authenticatedUrl, { max: 4, ...options });
  clients.push(client);
  return withAuth(drizzle({ client, ...relational }), {
    providers: [issuer.provider],
    key: database.authorizeKey,
    ...more,
  });
}

const who = sql<string>`select auth.user_id() as who`;
const ownTitles = ['read a book', 'water the plants'];

async function pidOf(handle: Db): Promise<unknown> {
  return (await handle.execute(sql`select pg_backend_pid() as pid`))[0]?.['pid'];
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

describe('the client of a handle is the person', () => {
  it('by unsafe, with rows as objects, as arrays and as bytes', async () => {
    const { $client } = connected().$withAuth(alice);
    const text = 'select title from todos where done = $1 order by title';
    expect(titles(await $client.unsafe<{ title: string }[]>(text, [false]))).toEqual(ownTitles);
    expect(await $client.unsafe(text, [false]).values()).toEqual(ownTitles.map((title) => [title]));
    const [first] = await $client.unsafe(text, [false]).raw();
    expect(first?.toString()).toBe('read a book');
    const { count, command } = await $client.unsafe('update todos set done = true where title = $1', [
      'read a book',
    ]);
    expect([command, count]).toEqual(['UPDATE', 1]);
  });

  it('by templates, with fragments, names and lists in them', async () => {
    const { $client: mine } = connected().$withAuth(alice);
    const { $client: his } = connected().$withAuth(bob);
    const undone = mine`done = ${false}`;
    const rows = await mine<
      { title: string }[]
    >`select ${mine('title')} from ${mine('todos')} where ${undone}`;
    expect(titles(rows)).toEqual(ownTitles);
    expect(titles(await his<{ title: string }[]>`${his`select title`} from todos`)).toEqual([
      'call mum',
      'read a book',
    ]);
    const added =
      await mine`insert into todos ${mine([{ title: 'sweep' }, { title: 'mop' }])} returning user_id`;
    expect(added).toEqual([{ user_id: 'alice' }, { user_id: 'alice' }]);
    const some = await mine`select title from todos where id in ${mine([1, 3])}`.values();
    expect(some).toEqual([['water the plants']]);
    expect(await mine`select ${mine.array(['a', 'b'])} as list, ${mine.typed(7 as never, 23)} as n`).toEqual([
      { list: ['a', 'b'], n: 7 },
    ]);
  });

  it('in transactions, with options, savepoints and several statements at once', async () => {
    const { $client } = connected().$withAuth(alice);
    const lists = await $client.begin('isolation level serializable', (tx) => [
      tx`select auth.user_id() as who`,
      tx`select current_setting('transaction_isolation') as level`,
      tx`select title from todos`,
    ]);
    expect(lists.map((rows) => rows.length)).toEqual([1, 1, 2]);
    expect([lists[0]?.[0], lists[1]?.[0]]).toEqual([{ who: 'alice' }, { level: 'serializable' }]);
    await $client.begin(async (tx) => {
      await tx`insert into todos (title) values ('kept')`;
      await tx
        .savepoint('mine', async (inner) => {
          await inner`insert into todos (title) values ('lost')`;
          throw new Error('not this one');
        })
        .catch(() => {});
    });
    expect(titles(await $client<{ title: string }[]>`select title from todos`)).toEqual([
      'kept',
      ...ownTitles,
    ]);
  });

  it('or says why it is not', async () => {
    const handle = connected().$withAuth(alice);
    const { $client } = handle;
    for (const name of ['reserve', 'listen', 'notify', 'subscribe', 'largeObject', 'file'] as const) {
      expect(() => ($client[name] as () => unknown)(), name).toThrow(`$client.${name} is not supported: `);
    }
    for (const name of [
      'simple',
      'cursor',
      'forEach',
      'describe',
      'readable',
      'writable',
      'cancel',
    ] as const) {
      const query = $client`select 1`;
      expect(() => (query[name] as () => unknown)(), name).toThrow(`query.${name} is not supported: `);
    }
    await $client.begin(async (tx) => {
      expect(() => (tx.prepare as () => unknown)()).toThrow('would outlive the identity');
      expect(Reflect.get(tx, 'begin')).toBeUndefined();
    });
    await expect(($client.begin as () => Promise<void>)()).rejects.toThrow('pass a callback');
    const { session } = handle as unknown as {
      readonly session: Record<'query' | 'queryObjects', (text: string, values: []) => Promise<unknown>>;
    };
    await expect(session.query('select 1', [])).rejects.toThrow(/use execute\(\)/u);
    await expect(session.queryObjects('select 1', [])).rejects.toThrow(/use execute\(\)/u);
  });

  it('and sends no other statements than the handle, however they are put together', async () => {
    const { $client } = connected().$withAuth(alice);
    const queries = [
      $client`set role none`,
      $client`${$client`set role`} none`,
      $client`/* ${'select'} */ set role none`,
      $client`${[$client`set`, $client`role`]} none`,
      $client`${$client.unsafe('set role none')}`,
      $client.unsafe('set role none'),
    ];
    for (const query of queries) expect(await refusal(query)).toBe('ERR_STATEMENT_REFUSED');
    expect(await refusal($client`${$client('select')} 1`)).toBe('ERR_STATEMENT_REFUSED');
    expect(await refusal($client`select 1; select 2`)).toBe('42601');
    expect(await refusal($client.unsafe('select 1; select 2'))).toBe('42601');
  });

  it('also where a query is sent in the words that postgres.js keeps to itself', async () => {
    const db = connected({ max: 1 });
    const query = db.$withAuth(alice).$client.unsafe('set app.left to behind');
    (query as unknown as { handle(): unknown }).handle();
    expect(await refusal(query)).toBe('ERR_STATEMENT_REFUSED');
    const left = await db.$client`select current_setting('app.left', true) as left_behind`;
    expect(left).toEqual([{ left_behind: null }]);
  });
});

describe('a pool', () => {
  it('of one connection serves queries, transactions and everybody at once', async () => {
    const db = connected({ max: 1 });
    const [hers, his] = [db.$withAuth(alice), db.$withAuth(bob)];
    const seen = await Promise.all(
      Array.from({ length: 40 }, async (_, n) => {
        const handle = n % 2 === 0 ? hers : his;
        const rows = await (n % 4 < 2 ? handle.execute(who) : handle.transaction((tx) => tx.execute(who)));
        return rows[0]?.['who'];
      }),
    );
    expect(seen).toEqual(seen.map((_, n) => (n % 2 === 0 ? 'alice' : 'bob')));
  });

  it('is shared with queries of nobody, which stay nobody’s', async () => {
    for (const max of [1, 2]) {
      const db = connected({ max });
      const handle = db.$withAuth(alice);
      const { $client } = db;
      const nobodys = [
        () => $client`select current_setting('authorize.seal', true) as seal`,
        () => $client.unsafe(`select current_setting('authorize.seal', true) as seal`),
        () => $client.begin((tx) => tx`select current_setting('authorize.seal', true) as seal`),
      ];
      const answers = await Promise.all(
        Array.from({ length: 60 }, async (_, n) => {
          const ask = nobodys[n % 4];
          return ask === undefined ? (await handle.execute(who))[0]?.['who'] : (await ask())[0]?.['seal'];
        }),
      );
      expect(answers.filter((answer) => answer !== 'alice' && answer !== null && answer !== '')).toEqual([]);
      expect(answers.filter((answer) => answer === 'alice')).toHaveLength(15);
      for (const ask of nobodys) expect((await ask())[0]?.['seal'] ?? '').toBe('');
    }
  });

  it('keeps its connection over errors of the person', async () => {
    const handle = connected({ max: 1 }).$withAuth(alice);
    const first = await pidOf(handle);
    const circular: Record<string, unknown> = {};
    circular['self'] = circular;
    expect(await refusal(handle.execute(sql`select 1 / 0`))).toBe('22012');
    expect(await refusal(handle.execute(sql`select ${1}::int / ${0}::int`))).toBe('22012');
    expect(await refusal(handle.execute(sql`select from nowhere where ${'x'} = ${['a']}`))).toBe('42P01');
    await expect(handle.execute(sql`select ${circular}::jsonb`)).rejects.toThrow();
    await expect(handle.$client`select ${undefined as never}::text`).rejects.toMatchObject({
      code: 'UNDEFINED_VALUE',
    });
    await handle.transaction((tx) => tx.execute(sql`select 1 / 0`)).catch(() => {});
    expect(await pidOf(handle)).toBe(first);
  });

  it('closes a connection that cannot be reset, and goes on with another', async () => {
    await runAsOwner(database.ownerUrl, ['REVOKE EXECUTE ON FUNCTION pg_catalog.setseed FROM PUBLIC']);
    const handle = connected({ max: 1 }).$withAuth(alice);
    const pids = await Promise.all(Array.from({ length: 4 }, () => pidOf(handle)));
    expect(new Set(pids).size).toBe(4);
    await handle.transaction(async (tx) => {
      pids.push((await tx.execute(sql`select pg_backend_pid() as pid`))[0]?.['pid']);
    });
    pids.push(await pidOf(handle));
    expect(new Set(pids).size).toBe(6);
    await runAsOwner(database.ownerUrl, ['GRANT EXECUTE ON FUNCTION pg_catalog.setseed TO PUBLIC']);
  });

  it('closes a connection whose answers it could mix up, and nobody gets another’s', async () => {
    const odd = {
      to: 20,
      from: [20],
      // A value that cannot be written, found out when a part of the transaction is on the wire.
      serialize: (value: unknown): unknown => (value === 13n ? Symbol('none') : String(value)),
      parse: Number,
    } as postgres.PostgresType;
    const db = connected({ max: 1, types: { odd } });
    const [hers, his] = [db.$withAuth(alice), db.$withAuth(bob)];
    const first = await pidOf(hers);
    const failing = hers.execute(sql`select ${13n}::bigint`);
    const behind = Promise.all([his.execute(who), hers.execute(who), his.execute(who)]);
    await expect(failing).rejects.toThrow();
    expect(await behind).toEqual([[{ who: 'bob' }], [{ who: 'alice' }], [{ who: 'bob' }]]);
    expect(await pidOf(hers)).not.toBe(first);
    expect(await hers.execute(sql`select ${14n}::bigint as n`)).toEqual([{ n: 14 }]);
  });

  it('ends as soon as its last query is answered', async () => {
    const db = connected({ max: 2 });
    await db.$withAuth(alice).select().from(todos);
    await db.$client.end();
    const other = connected({ max: 1 });
    const last = other.$withAuth(alice).select().from(todos);
    await Promise.all([last, last.then(() => other.$withAuth(alice).$client.end())]);
    await expect(other.$withAuth(alice).select().from(todos)).rejects.toMatchObject({
      cause: { code: 'CONNECTION_ENDED' },
    });
  });

  it('ends also where a connection has been closed, or has come of age, while somebody had it', async () => {
    const circular: Record<string, unknown> = {};
    circular['self'] = circular;
    const young = connected({ max: 1, max_lifetime: 0.05 });
    const old = Date.now() + 60;
    await young.$withAuth(alice).transaction(async (tx) => {
      await tx.select().from(todos);
      await expect.poll(() => Date.now(), { interval: 10 }).toBeGreaterThan(old);
    });
    await young.$client.end();

    const odd = connected({ max: 1 });
    const handle = odd.$withAuth(alice);
    const failing = () => handle.execute(sql`select ${circular}::jsonb`).catch(() => {});
    await times(8, failing);
    await odd.$client.end();

    const ended = connected({ max: 1 });
    const pid = await pidOf(ended.$withAuth(alice));
    const broken = ended.$withAuth(alice).transaction(async (tx) => {
      await withClient(database.ownerUrl, (owner) => owner.query('select pg_terminate_backend($1)', [pid]));
      await tx.execute(sql`select pg_sleep(30)`);
    });
    await expect(broken).rejects.toThrow();
    await ended.$client.end();
  });

  it('need not fetch types nor prepare, and can have a socket of its own', async () => {
    for (const options of [
      { fetch_types: false },
      { prepare: false },
      { max_pipeline: 1 },
      { idle_timeout: 1 },
    ]) {
      const handle = connected(options).$withAuth(alice);
      await times(7, async () => {
        expect(titles(await handle.select().from(todos))).toEqual(ownTitles);
      });
      await handle.transaction((tx) => tx.insert(todos).values({ title: 'one more' }));
      await handle.delete(todos).where(eq(todos.title, 'one more'));
    }
  });

  it('is asked again where postgres.js lets the question wait behind queries of nobody', async () => {
    // In none of its types.
    const one: ClientOptions & { readonly max_pipeline: number } = { max: 1, max_pipeline: 1 };
    const db = connected(one);
    await db.$client`select 1`;
    const nobodys = Array.from({ length: 4 }, () => db.$client`select pg_sleep(0.02)`);
    const seen = await Promise.all([db.$withAuth(alice).execute(who), ...nobodys]);
    expect(seen[0]).toEqual([{ who: 'alice' }]);
  });

  it('that goes through a pooler of Neon is refused', async () => {
    const client = postgres('postgres://authenticated@ep-one-pooler.eu.aws.neon.tech/app');
    const db = withAuth(drizzle({ client, ...relational }), { key: database.authorizeKey });
    const handle = db.$withIdentity({ role: 'authenticated', claims: {} });
    expect(await refusal(handle.select().from(todos))).toBe('ERR_CONNECTION_POOLED');
    expect(await refusal(handle.transaction((tx) => tx.select().from(todos)))).toBe('ERR_CONNECTION_POOLED');
  });

  it('that cannot be reached says so', async () => {
    const client = postgres(database.authenticatedUrl.replace(/:\d+\//u, ':1/'));
    clients.push(client);
    const nowhere = withAuth(drizzle({ client, ...relational }), {
      providers: [issuer.provider],
      key: database.authorizeKey,
    });
    await expect(nowhere.$withAuth(alice).select().from(todos)).rejects.toMatchObject({
      code: 'ERR_DATABASE_UNREACHABLE',
      message: "the database of the role 'authenticated' cannot be reached (ECONNREFUSED)",
    });
  });
});

describe('a connection that breaks', () => {
  const terminate = (text: string): Promise<void> =>
    withClient(database.ownerUrl, async (owner) => {
      const statement = `select pg_terminate_backend(pid) from pg_stat_activity
        where datname = current_database() and usename = 'authenticated' and query like $1`;
      await expect.poll(async () => (await owner.query(statement, [text])).rowCount).toBe(1);
    });

  it('in the middle fails the query and not the process', async () => {
    const handle = connected({ max: 1 }).$withAuth(alice);
    const sleeping = refusal(handle.execute(sql`select pg_sleep(30)`));
    await terminate('%pg_sleep(30)%');
    expect(['57P01', 'CONNECTION_CLOSED']).toContain(await sleeping);
    expect(await handle.$count(todos)).toBe(2);
  });

  it('between two statements of a transaction fails the transaction, and nobody else gets the rest of it', async () => {
    const db = connected({ max: 1 });
    const handle = db.$withAuth(alice);
    let others: Promise<unknown> | undefined;
    const broken = handle.transaction(async (tx) => {
      await tx.execute(sql`select 'to be ended'`);
      await terminate(`%'to be ended'%`);
      others = db.$withAuth(bob).execute(who);
      await others;
      await tx.insert(todos).values({ title: 'lost' });
    });
    expect(await refusal(broken)).toBe('CONNECTION_CLOSED');
    expect(await others).toEqual([{ who: 'bob' }]);
    expect(titles(await handle.select().from(todos))).toEqual(ownTitles);
    expect(titles(await db.$withAuth(bob).select().from(todos))).toEqual(['call mum', 'read a book']);
  });

  it('on the way fails what is at work, and what its callers do next, and not those who come after', async () => {
    const { hostname, port } = new URL(database.ownerUrl);
    const proxy = await startCountingProxy({ host: hostname, port: Number(port) });
    const client = postgres(proxy.through(database.authenticatedUrl), { max: 1, backoff: () => 0 });
    clients.push(client);
    const db = withAuth(drizzle({ client, ...relational }), {
      providers: [issuer.provider],
      key: database.authorizeKey,
    });
    const handle = db.$withAuth(alice);
    const sleep = sql`select pg_sleep(30), ${sql.param([1])}::int[]`;
    const broken: readonly (() => Promise<unknown>)[] = [
      async () => handle.execute(sleep),
      async () => handle.transaction((tx) => tx.execute(sleep)),
      // Caught, it is followed by a rollback to a savepoint, another statement and a commit.
      async () =>
        handle.transaction(async (tx) => {
          await tx.insert(todos).values({ title: 'lost' });
          await tx.transaction((inner) => inner.execute(sleep)).catch(() => {});
          await tx.insert(todos).values({ title: 'lost' });
        }),
    ];
    for (const work of broken) {
      const failing = refusal(work());
      await withClient(database.ownerUrl, async (owner) => {
        const asleep = `select from pg_stat_activity
          where datname = current_database() and query like '%pg_sleep(30)%' and state = 'active' and pid <> pg_backend_pid()`;
        await expect.poll(async () => (await owner.query(asleep)).rowCount).toBe(1);
        proxy.breakConnections();
        await owner.query(
          `select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and usename = 'authenticated'`,
        );
      });
      expect(['ECONNRESET', 'CONNECTION_CLOSED']).toContain(await failing);
      expect(titles(await db.$withAuth(bob).select().from(todos))).toEqual(['call mum', 'read a book']);
      expect(titles(await handle.select().from(todos))).toEqual(ownTitles);
    }
    await client.end();
    await proxy.close();
  });

  it('is looked at anew', async () => {
    const handle = connected({ max: 1 }).$withAuth(alice);
    const first = await pidOf(handle);
    await withClient(database.ownerUrl, (owner) => owner.query('select pg_terminate_backend($1)', [first]));
    await expect.poll(() => pidOf(handle).catch(() => first)).not.toBe(first);
    expect(titles(await handle.select().from(todos))).toEqual(ownTitles);
  });
});

describe('a transaction', () => {
  it('needs no reset where it only reads, and has one where it does more', async () => {
    const plain = connected({ max: 1 });
    const handle = plain.$withAuth(alice);
    const read = () => handle.transaction(async (tx) => tx.transaction((inner) => inner.$count(todos)));
    const leave = (tx: Pick<typeof handle, 'execute'>) =>
      tx.execute(sql`select set_config('app.left', 'behind', false)`);
    for (let n = 0; n < 3; n += 1) {
      expect(await read()).toBe(2);
      // The look at a statement's tree takes a turn of the event loop.
      await new Promise(setImmediate);
    }
    // A reset would take what the application has set on the connection.
    await plain.execute(sql`set app.mine = 'kept'`);
    await read();
    await expect(
      handle.transaction(async (tx) => {
        await tx.$count(todos);
        throw new Error('rolled back');
      }),
    ).rejects.toThrow('rolled back');
    const settings = sql`select current_setting('app.mine', true) as mine, current_setting('app.left', true) as left_behind`;
    expect([...(await plain.execute(settings))]).toEqual([{ mine: 'kept', left_behind: null }]);
    await handle.transaction(async (tx) => {
      await tx.$count(todos);
      await leave(tx);
      await tx.$count(todos);
    });
    expect([...(await plain.execute(settings))]).toEqual([{ mine: '', left_behind: '' }]);
  });

  it('can be read only', async () => {
    const write = connected()
      .$withAuth(alice)
      .transaction((tx) => tx.insert(todos).values({ title: 'no' }), { accessMode: 'read only' });
    expect(await refusal(write)).toBe('25006');
  });

  it('fails with a statement that failed, also where that was caught, as without withAuth', async () => {
    const caught = (db: Pick<Db, 'transaction'>): Promise<unknown> =>
      refusal(
        db.transaction(async (tx) => {
          await tx.execute(sql`select 1 / 0`).catch(() => {});
          return 'done';
        }),
      );
    const db = connected();
    expect(await caught(db)).toBe('22012');
    expect(await caught(db.$withAuth(alice))).toBe('22012');
  });

  it('that sends nothing costs nothing and gives its connection back', async () => {
    const handle = connected({ max: 1 }).$withAuth(alice);
    for (let n = 0; n < 3; n += 1) expect(await handle.transaction(async () => Promise.resolve(n))).toBe(n);
    await expect(handle.transaction(() => Promise.reject(new Error('no')))).rejects.toThrow('no');
    expect(await handle.$count(todos)).toBe(2);
  });

  it('that is refused in a savepoint is refused with our error', async () => {
    const nested = connected()
      .$withAuth(alice)
      .transaction((tx) => tx.transaction((inner) => inner.execute(sql`set role none`)));
    await expect(nested).rejects.toMatchObject({ name: 'StatementError', code: 'ERR_STATEMENT_REFUSED' });
  });

  it('is refused to withAuth', async () => {
    await connected().transaction(async (tx) => {
      expect(() => withAuth(tx, { key: database.authorizeKey })).toThrow(/not a transaction/u);
      return Promise.resolve();
    });
  });

  it('is not for a statement to begin or end, and COPY not possible, where any statement is allowed', async () => {
    const free = connected({ max: 1 }, { statements: 'any' });
    const copies = ['copy todos from stdin', 'copy todos to stdout'];
    for (const text of ['begin', 'commit', 'rollback', `prepare transaction 'x'`, ...copies]) {
      expect(await refusal(free.$withAuth(alice).execute(sql.raw(text)))).toBe('ERR_STATEMENT_REFUSED');
    }
    for (const text of ['begin', `prepare transaction 'x'`, ...copies]) {
      const work = free.$withAuth(alice).transaction((tx) => tx.execute(sql.raw(text)));
      expect(await refusal(work)).toBe('ERR_STATEMENT_REFUSED');
    }
    await free.$withAuth(alice).execute(sql`prepare p as select 1`);
    expect(await refusal(free.$withAuth(bob).execute(sql`execute p`))).toBe('26000');
    expect(await free.$withAuth(bob).$count(todos)).toBe(2);
  });
});

describe('a statement that comes again', () => {
  const prepared = async (db: Db): Promise<readonly string[]> =>
    (await db.$client`select statement from pg_prepared_statements`).map(({ statement }) =>
      String(statement),
    );

  it('is prepared from its fifth time on, without values in its text, and serves every person as that person', async () => {
    const db = connected({ max: 1 });
    const ask = (token: string) => db.$withAuth(token).select().from(todos).where(eq(todos.done, false));
    await times(4, () => ask(alice));
    expect((await prepared(db)).filter((text) => text.includes('"todos"'))).toEqual([]);
    await times(4, () => ask(alice));
    expect((await prepared(db)).filter((text) => text.includes('"todos"'))).toHaveLength(1);
    await times(8, () => db.$withAuth(alice).execute(sql`select * from todos where title = 'a secret'`));
    await times(8, () => db.$withAuth(alice).$client`select * from todos where title = 'a secret'`);
    await db
      .$withAuth(alice)
      .select()
      .from(todos)
      .where(sql`title = 'a secret'`)
      .prepare('named')
      .execute();
    expect((await prepared(db)).filter((text) => text.includes('secret'))).toEqual([]);
    for (let n = 0; n < 6; n += 1) {
      expect(titles(await ask(alice))).toEqual(ownTitles);
      expect(titles(await ask(bob))).toEqual(['call mum', 'read a book']);
    }
    await expect(times(8, () => db.select().from(todos))).rejects.toMatchObject({ cause: { code: '28000' } });
  });

  it('is answered when its table has changed, or what was prepared is gone', async () => {
    await runAsOwner(database.ownerUrl, [
      'CREATE TABLE shapes (id int)',
      'GRANT SELECT, INSERT ON shapes TO authenticated',
      'INSERT INTO shapes VALUES (1)',
    ]);
    const db = connected({ max: 1 });
    const handle = db.$withAuth(alice);
    const ask = () => handle.execute(sql`select * from shapes`);
    const add = () => handle.execute(sql`insert into shapes (id) values (${2}) returning *`);
    await times(8, ask);
    await times(8, add);
    await runAsOwner(database.ownerUrl, [`ALTER TABLE shapes ADD COLUMN name text DEFAULT 'round'`]);
    expect((await times(3, ask))[2]?.[0]).toEqual({ id: 1, name: 'round' });
    // One that writes runs once: the refusal came before it.
    expect(await add()).toEqual([{ id: 2, name: 'round' }]);
    expect(await handle.execute(sql`select count(*)::int as n from shapes where id = 2`)).toEqual([{ n: 9 }]);

    // A parameter keeps the type that it had when the statement was prepared.
    const by = (id: number | string) => handle.execute(sql`select name from shapes where id = ${id}`);
    await times(8, () => by(1));
    await runAsOwner(database.ownerUrl, ['ALTER TABLE shapes ALTER COLUMN id TYPE bigint']);
    expect(await by(9_000_000_000)).toEqual([]);
    await times(8, () => by(1));
    await runAsOwner(database.ownerUrl, ['ALTER TABLE shapes ALTER COLUMN id TYPE text']);
    expect(await by('1')).toEqual([{ name: 'round' }]);

    // In a transaction it fails once, as what was prepared would.
    const listed = () =>
      handle.transaction((tx) =>
        tx.execute(sql`insert into shapes (id) values (${sql.param(['1'])}) returning id`),
      );
    await runAsOwner(database.ownerUrl, ['ALTER TABLE shapes ALTER COLUMN id TYPE text[] USING ARRAY[id]']);
    expect(await listed()).toEqual([{ id: ['1'] }]);
    await runAsOwner(database.ownerUrl, ['ALTER TABLE shapes ALTER COLUMN id TYPE int[] USING id::int[]']);
    expect(await refusal(listed())).toBe('42804');
    expect(await listed()).toEqual([{ id: [1] }]);

    await times(8, () => handle.select().from(todos));
    await db.$client`deallocate all`;
    expect(titles(await handle.select().from(todos))).toEqual(ownTitles);
    await db.$client`discard all`;
    await handle.transaction((tx) => tx.select().from(todos)).catch(() => {});
    expect(await handle.$count(todos)).toBe(2);
    await runAsOwner(database.ownerUrl, ['DROP TABLE shapes']);
  });

  it('describes its columns to each caller anew, who may change the description', async () => {
    const handle = connected({ max: 1 }).$withAuth(alice);
    const ask = () => handle.execute<{ title: string }>(sql`select title from todos order by title`);
    await times(8, async () => {
      const rows = await ask();
      expect(rows[0]).toEqual({ title: 'read a book' });
      for (const column of rows.columns) Object.assign(column, { name: 'TITLE' });
      rows.columns.pop();
    });
    expect((await ask()).columns).toMatchObject([{ name: 'title' }]);
  });

  it('is answered each time on a client that is shared with handles for which any statement is allowed', async () => {
    const db = connected({ max: 1 });
    const first = await pidOf(db.$withAuth(alice));
    await times(8, () => db.$withAuth(alice).select().from(todos));
    const any = withAuth(drizzle({ client: db.$client, ...relational }), {
      providers: [issuer.provider],
      key: database.authorizeKey,
      statements: 'any',
    });
    await any
      .$withAuth(bob)
      .execute(sql`deallocate all`)
      .catch(() => {});
    for (let n = 0; n < 8; n += 1) {
      expect(titles(await any.$withAuth(bob).select().from(todos))).toEqual(['call mum', 'read a book']);
      expect(titles(await db.$withAuth(alice).select().from(todos))).toEqual(ownTitles);
      await db.$withAuth(alice).transaction((tx) => tx.select().from(todos));
      await new Promise(setImmediate);
    }
    expect(await pidOf(db.$withAuth(alice))).toBe(first);
  });

  it('leaves nothing behind, the tenth time as the first', async () => {
    const db = connected({ max: 1 });
    await times(10, () =>
      db.$withAuth(alice)
        .execute(sql`select set_config('search_path', 'nowhere', false), set_config('app.left', 'behind', false),
        pg_advisory_lock(42), nextval('todos_id_seq'), setseed(0.5)`),
    );
    const left = await db.$withAuth(bob).execute(sql`select current_setting('search_path') as path,
      coalesce(current_setting('app.left', true), '') as left_behind,
      (select count(*)::int from pg_locks where locktype = 'advisory' and pid = pg_backend_pid()) as locks`);
    expect(left).toEqual([{ path: '"$user", public', left_behind: '', locks: 0 }]);
    expect(await refusal(db.$withAuth(bob).execute(sql`select lastval()`))).toBe('55000');
    const random = async (): Promise<unknown> => {
      await db.$withAuth(bob).execute(sql`select setseed(0.5)`);
      return (await db.$withAuth(alice).execute(sql`select random() as r`))[0]?.['r'];
    };
    expect(await random()).not.toBe(await random());
  });

  it('is reset where a function of the owner, and not the statement, has left something', async () => {
    await runAsOwner(database.ownerUrl, [
      `CREATE FUNCTION noted(title text) RETURNS boolean LANGUAGE sql VOLATILE
        AS $$ SELECT set_config('app.noted', title, false) IS NOT NULL $$`,
      'CREATE VIEW noted_todos WITH (security_invoker) AS SELECT title FROM todos WHERE noted(title)',
      'GRANT SELECT ON noted_todos TO authenticated',
    ]);
    const left = sql`select coalesce(current_setting('app.noted', true), '') as noted`;
    for (const options of [
      {},
      // How columns, values and rows are named and given must not decide what is known of a login.
      { transform: postgres.camel },
      { transform: postgres.kebab },
      { transform: { value: (value: unknown) => (value === true ? false : value) } },
      { transform: { row: (row: object) => ({ ...row, reads_leave_traces: false }) } },
      { types: { yes: { to: 16, from: [16], serialize: String, parse: () => 0 } } },
    ]) {
      const db = connected({ max: 1, ...options } as ClientOptions);
      await times(10, () => db.$withAuth(alice).execute(sql`select title from noted_todos`));
      const [mine, nobodys] = [await db.$withAuth(bob).execute(left), await db.execute(left)];
      expect([mine[0]?.['noted'], nobodys[0]?.['noted']]).toEqual(['', '']);
    }
  });
});

it('a seal is in no error, and no debug function is told of it', async () => {
  const told: unknown[] = [];
  const handle = connected(
    { debug: (...args: unknown[]) => told.push(args) },
    { key: `${database.authorizeKey.slice(0, -4)}AAAA` },
  ).$withAuth(alice);
  const error: unknown = await handle.execute(sql`select ${'shown'} as a`).catch((reason: unknown) => reason);
  expect(await refusal(handle.select().from(todos))).toBe('28000');
  const said = (value: unknown): string =>
    value instanceof Error
      ? [
          value.message,
          value.stack,
          ...Object.getOwnPropertyNames(value).map((name) => said(Reflect.get(value, name))),
        ].join()
      : (JSON.stringify(value) ?? '');
  expect(told.map(said).join()).toContain('shown');
  // The claims stand in a seal as they are.
  expect([said(error), ...told.map(said)].join()).not.toMatch(/alice/u);
});
