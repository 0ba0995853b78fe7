import { Client, neonConfig, Pool, type PoolConfig } from '@neondatabase/serverless';
import { eq, sql } from 'drizzle-orm';
import { drizzle, type NeonDatabase } from 'drizzle-orm/neon-serverless';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';

import { loadStatementJudge } from '../../../src/database/statement-judge.ts';
import { withAuth, type WithAuth, type WithAuthOptions } from '../../../src/driver/neon-serverless.ts';
import { createIssuer, type TestIssuer } from '../../support/issuer.ts';
import {
  processIdOfProxy,
  startNeonWebSocket,
  type NeonWebSocket,
  type NeonWebSocketOptions,
} from '../../support/neon-websocket.ts';
import { runAsOwner, withClient, type SealedDatabase } from '../../support/sealed-database.ts';
import { createTodoDatabase, relational, resetTodos, type schema, todos } from '../../support/todo-app.ts';
import { createContractDatabase, describeContract, refusal, titles, type Driver } from './contract.ts';

function proxyOf({ ownerUrl }: SealedDatabase, options?: NeonWebSocketOptions): Promise<NeonWebSocket> {
  const { hostname, port } = new URL(ownerUrl);
  return startNeonWebSocket({ host: hostname, port: Number(port) }, options);
}

async function open(opened: SealedDatabase, { provider }: TestIssuer): Promise<Driver> {
  const proxy = await proxyOf(opened);
  const pools: Pool[] = [];
  return {
    connect: (url, { max = 4, cache } = {}) => {
      const pool = new Pool({ connectionString: proxy.through(url), max });
      // A test that drops a database ends its connections.
      pool.on('error', () => {});
      pools.push(pool);
      return drizzle({ client: pool, ...relational, ...(cache && { cache }) });
    },
    withAuth: (plain, options) =>
      withAuth(plain, { providers: [provider], key: opened.authorizeKey, ...options }),
    close: async () => {
      await Promise.all(pools.map((pool) => pool.end()));
      await proxy.close();
    },
  };
}

describeContract('neon-serverless', {
  create: createContractDatabase,
  open,
  verifies: 'driver',
  transactions: true,
  login: 'role',
});

type Db = NeonDatabase<typeof schema>;

let database: SealedDatabase;
let issuer: TestIssuer;
let proxy: NeonWebSocket;
let alice: string;
let bob: string;
let options: WithAuthOptions;
let pools: Pool[] = [];

beforeAll(async () => {
  database = await createTodoDatabase('neon_serverless');
  issuer = await createIssuer();
  proxy = await proxyOf(database);
  [alice, bob] = await Promise.all([issuer.token('alice'), issuer.token('bob')]);
  options = { providers: [issuer.provider], key: database.authorizeKey };
});

afterAll(async () => {
  await proxy.close();
  await database.drop();
});

beforeEach(async () => {
  await resetTodos(database);
});

afterEach(async () => {
  await Promise.all(pools.map((pool) => pool.end()));
  pools = [];
});

function poolOf(config: PoolConfig = {}): Pool {
  const pool = new Pool({ connectionString: proxy.through(database.authenticatedUrl), max: 4, ...config });
  pool.on('error', () => {});
  pools.push(pool);
  return pool;
}

const connected = (config: PoolConfig = {}, more: Partial<WithAuthOptions> = {}): WithAuth<Db> =>
  withAuth(drizzle({ client: poolOf(config), ...relational }), { ...options, ...more });

const who = sql<string>`select auth.user_id() as who`;
const pidOf = async (handle: Db): Promise<unknown> =>
  (await handle.execute(sql`select pg_backend_pid() as pid`)).rows[0]?.['pid'];

describe('the pool of a handle', () => {
  it('is the person as well', async () => {
    const { $client } = connected().$withAuth(alice) as Db & { $client: Pool };
    const { rows } = await $client.query<{ title: string }>('select title from todos');
    expect(titles(rows)).toEqual(['read a book', 'water the plants']);
    expect((await $client.query({ text: 'select $1::int as n', rowMode: 'array' }, [1])).rows).toEqual([[1]]);
    expect($client).toBeInstanceOf(Pool);
    const client = await $client.connect();
    await expect(client.query('select 1')).rejects.toThrow(/begin a transaction first/u);
  });

  it('keeps its connection over errors', async () => {
    const handle = connected({ max: 1 }).$withAuth(alice);
    const first = await pidOf(handle);
    expect(await refusal(handle.execute(sql`select 1 / 0`))).toBe('22012');
    expect(await refusal(handle.execute(sql`select from nowhere`))).toBe('42P01');
    expect(await refusal(handle.execute(sql`selekt 1`))).toBe('ERR_STATEMENT_REFUSED');
    const circular: Record<string, unknown> = {};
    circular.self = circular;
    await expect(handle.execute(sql`select ${circular}::jsonb`)).rejects.toThrow();
    expect(await pidOf(handle)).toBe(first);
  });

  it('reads and writes values as the driver does', async () => {
    const pool = poolOf();
    const handle = withAuth(drizzle({ client: pool, ...relational }), options).$withAuth(alice);
    const text = `select $1::int as n, $2::jsonb as j, $3::text[] as a, $4::bytea as b, $5::timestamptz as t, $6::numeric as d,
      $7::bool as yes, $8::text as nothing`;
    const values = [
      1,
      { a: [1, null] },
      ['x', 'a"b', null],
      Buffer.from([0, 1, 255]),
      new Date('2026-01-02T03:04:05.678Z'),
      '1.50',
      true,
      null,
    ];
    const plain = await pool.query(text, values);
    const ours = await handle.$client.query(text, values);
    expect(ours.rows).toEqual(plain.rows);
    expect(ours.fields).toEqual(plain.fields);
    expect(ours.rows[0]).toMatchObject({ n: 1, a: ['x', 'a"b', null], yes: true, nothing: null });
  });
});

describe('neonConfig', () => {
  afterEach(() => {
    neonConfig.poolQueryViaFetch = false;
    neonConfig.pipelineConnect = 'password';
    neonConfig.coalesceWrites = true;
  });

  it('poolQueryViaFetch lets no query of a handle go over HTTP, past the prologue', async () => {
    const requests: string[] = [];
    neonConfig.poolQueryViaFetch = true;
    neonConfig.fetchFunction = (url: string) => {
      requests.push(url);
      return Promise.reject(new Error('no HTTP here'));
    };
    const pool = poolOf();
    const handle = withAuth(drizzle({ client: pool, ...relational }), options).$withAuth(alice);
    expect(titles(await handle.select().from(todos))).toEqual(['read a book', 'water the plants']);
    expect(await handle.query.todos.findMany({ with: { notes: true } })).toHaveLength(2);
    expect((await handle.$client.query('select auth.user_id() as who')).rows).toEqual([{ who: 'alice' }]);
    await handle.transaction((tx) => tx.insert(todos).values({ title: 'sweep' }));
    expect(requests).toEqual([]);
    // The pool's own queries do.
    await expect(pool.query('select 1')).rejects.toThrow(/no HTTP here/u);
    expect(requests).toHaveLength(1);
  });

  it.each([
    ['proxy', 'password', true],
    ['proxy', 'password', false],
    ['proxy', false, true],
    // A proxy that is but a pipe: PostgreSQL asks for SCRAM, which cannot be answered ahead.
    ['client', false, true],
  ] as const)(
    'where the %s logs in, with pipelineConnect %s and coalesceWrites %s',
    async (login, pipelineConnect, coalesceWrites) => {
      neonConfig.pipelineConnect = pipelineConnect;
      neonConfig.coalesceWrites = coalesceWrites;
      const other = await proxyOf(database, { login });
      try {
        const db = connected({ connectionString: other.through(database.authenticatedUrl), max: 2 });
        const seen = await Promise.all(
          Array.from({ length: 8 }, async (_, n) => {
            const handle = db.$withAuth(n % 2 === 0 ? alice : bob);
            if (n % 3 === 0) return (await handle.transaction((tx) => tx.execute(who))).rows;
            return (await handle.execute(who)).rows;
          }),
        );
        expect(seen).toEqual(seen.map((_, n) => [{ who: n % 2 === 0 ? 'alice' : 'bob' }]));
        expect(await refusal(db.$withAuth(alice).execute(sql`select 1 / 0`))).toBe('22012');
        await Promise.all(pools.map((pool) => pool.end()));
        pools = [];
      } finally {
        await other.close();
      }
    },
  );
});

describe('a new connection', () => {
  it('that is ended as it is handed out fails its query, and not the process', async () => {
    // Else it is handed out before it is logged in, and the error is one of the first query.
    neonConfig.pipelineConnect = false;
    try {
      const handle = connected({ max: 1 }).$withAuth(alice);
      proxy.stopNext();
      await expect(handle.$count(todos)).rejects.toMatchObject({
        cause: { message: expect.stringContaining('not queryable') as string },
      });
      expect(await handle.$count(todos)).toBe(2);
    } finally {
      neonConfig.pipelineConnect = 'password';
    }
  });
});

it('prepares on Node what comes again, and needs no reset behind what only reads', async () => {
  await loadStatementJudge();
  const plain = connected({ max: 1 });
  const [hers, his] = [plain.$withAuth(alice), plain.$withAuth(bob)];
  for (let n = 0; n < 6; n += 1) {
    for (const handle of [hers, his]) expect(await handle.$count(todos)).toBe(2);
    // The look at a statement's tree takes a turn of the event loop.
    await new Promise(setImmediate);
  }
  const statements = sql`select count(*)::int as n from pg_prepared_statements where statement like '%todos%'`;
  expect((await plain.execute(statements)).rows).toEqual([{ n: 1 }]);
  // A reset would take what the application has set on the connection.
  await plain.execute(sql`set app.mine = 'kept'`);
  await hers.$count(todos);
  await hers.transaction((tx) => tx.$count(todos));
  const mine = sql`select current_setting('app.mine', true) as mine`;
  expect((await plain.execute(mine)).rows).toEqual([{ mine: 'kept' }]);
  await hers.execute(mine);
  expect((await plain.execute(mine)).rows).toEqual([{ mine: '' }]);
});

describe('a transaction', () => {
  it('has the access mode that was asked for', async () => {
    const handle = connected().$withAuth(alice);
    const write = handle.transaction((tx) => tx.insert(todos).values({ title: 'x' }), {
      accessMode: 'read only',
      isolationLevel: 'repeatable read',
    });
    expect(await refusal(write)).toBe('25006');
    const level = sql`select current_setting('transaction_isolation') as level,
      current_setting('transaction_read_only') as read_only, current_setting('transaction_deferrable') as deferrable`;
    const { rows } = await handle.transaction((tx) => tx.execute(level), {
      isolationLevel: 'serializable',
      accessMode: 'read only',
      deferrable: true,
    });
    expect(rows).toEqual([{ level: 'serializable', read_only: 'on', deferrable: 'on' }]);
    expect((await handle.execute(level)).rows).toEqual([
      { level: 'read committed', read_only: 'off', deferrable: 'off' },
    ]);
  });

  it('whose connection breaks fails, and the next one does not', async () => {
    const handle = connected({ max: 1 }).$withAuth(alice);
    await expect(
      handle.transaction(async (tx) => {
        await tx.insert(todos).values({ title: 'lost' });
        proxy.cutOff();
        await tx.select().from(todos);
      }),
    ).rejects.toThrow();
    await handle.transaction((tx) => tx.insert(todos).values({ title: 'kept' }));
    expect(titles(await handle.select().from(todos))).toEqual(['kept', 'read a book', 'water the plants']);
  });
});

describe('the backend that a seal is for', () => {
  it('is the one behind the proxy, and not what the protocol calls it', async () => {
    const pool = poolOf({ max: 1 });
    const handle = withAuth(drizzle({ client: pool, ...relational }), options).$withAuth(alice);
    const { rows } = await handle.execute<{ sealed: number; backend: number }>(
      sql`select split_part(current_setting('authorize.seal'), '.', 6)::int as sealed, pg_backend_pid() as backend`,
    );
    expect(rows[0]?.sealed).toBe(rows[0]?.backend);
    const client = await pool.connect();
    expect(Reflect.get(client, 'processID')).toBe(processIdOfProxy);
    client.release();
  });

  it('cannot be told behind the pooler of Neon, which is refused', async () => {
    const { wsProxy } = neonConfig;
    neonConfig.wsProxy = () => `127.0.0.1:${new URL(proxy.through(database.ownerUrl)).port}/v2`;
    try {
      const ask = (host: string): Promise<unknown> => {
        const url = new URL(database.authenticatedUrl);
        url.hostname = host;
        url.port = '';
        return connected({ connectionString: url.href }).$withAuth(alice).$count(todos);
      };
      expect(await refusal(ask('ep-cool-darkness-123456-pooler.eu-central-1.aws.neon.tech'))).toBe(
        'ERR_CONNECTION_POOLED',
      );
      expect(await refusal(ask('ep-cool-darkness-123456-pooler.c-2.eu-central-1.aws.neon.tech'))).toBe(
        'ERR_CONNECTION_POOLED',
      );
      expect(await ask('ep-cool-darkness-123456.eu-central-1.aws.neon.tech')).toBe(2);
    } finally {
      neonConfig.wsProxy = wsProxy;
    }
  });
});

describe('after use', () => {
  it('random numbers of the next person cannot be foretold', async () => {
    const db = connected({ max: 1 });
    const random = async (): Promise<unknown> => {
      await db.$withAuth(bob).execute(sql`select setseed(0.5)`);
      return (await db.$withAuth(alice).execute(sql`select random() as r`)).rows[0]?.['r'];
    };
    expect(await random()).not.toBe(await random());
  });

  it('a query_timeout of the pool fails the slow query, and touches no other', async () => {
    // Passed to the client, and in none of its types.
    const slow: PoolConfig & { readonly query_timeout: number } = { max: 1, query_timeout: 2_000 };
    const handle = connected(slow).$withAuth(alice);
    const first = await pidOf(handle);
    for (const startedAt = Date.now(); Date.now() < startedAt + 2_300;)
      expect(await pidOf(handle)).toBe(first);
    await expect(handle.execute(sql`select pg_sleep(5)`)).rejects.toMatchObject({
      cause: { message: 'Query read timeout' },
    });
    expect(await handle.$count(todos)).toBe(2);
  });

  it.each(['by the server', 'on the way'])(
    'a connection that is cut off %s in the middle fails its query, and neither the process nor who waits for the connection',
    async (where) => {
      const db = connected({ max: 1 });
      const handle = db.$withAuth(alice);
      await handle.$count(todos);
      const sleeping = handle.execute(sql`select pg_sleep(30)`).then(
        () => 'it was answered',
        ({ cause }: Error) => cause,
      );
      const waiting = db.$withAuth(bob).$count(todos);
      await withClient(database.ownerUrl, async (owner) => {
        const isAsleep = `from pg_stat_activity where datname = current_database() and usename = 'authenticated'
          and query like '%pg_sleep(30)%' and state = 'active'`;
        await expect.poll(async () => (await owner.query(`select ${isAsleep}`)).rowCount).toBe(1);
        if (where === 'on the way') proxy.cutOff();
        else await owner.query(`select pg_terminate_backend(pid) ${isAsleep}`);
      });
      expect(await sleeping).toMatchObject(
        where === 'on the way' ? { message: 'Connection terminated unexpectedly' } : { code: '57P01' },
      );
      expect(await waiting).toBe(2);
      expect(await handle.$count(todos)).toBe(2);
    },
  );

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

  it('twenty at once over two connections, among them errors and rollbacks, leave the rest alone', async () => {
    const db = connected({ max: 2 });
    const people = await Promise.all(
      Array.from({ length: 20 }, async (_, n) => db.$withAuth(await issuer.token(`person ${n}`))),
    );
    const ways: readonly ((handle: Db, n: number) => Promise<unknown>)[] = [
      async (handle) => (await handle.execute<{ who: string }>(who)).rows[0]?.who,
      async (handle) => (await handle.transaction((tx) => tx.execute<{ who: string }>(who))).rows[0]?.who,
      async (handle, n) => {
        expect(await refusal(handle.execute(sql`select 1 / (select 0 from pg_sleep(0.01))`))).toBe('22012');
        return (
          await handle
            .insert(todos)
            .values({ title: `mixed ${n}` })
            .returning()
        )[0]?.userId;
      },
      async (handle) => {
        const work = handle.transaction(async (tx) => {
          await tx.insert(todos).values({ title: 'mixed, and rolled back' });
          throw new Error('changed my mind');
        });
        await expect(work).rejects.toThrow('changed my mind');
        return (await handle.execute<{ who: string }>(who)).rows[0]?.who;
      },
    ];
    const seen = await Promise.all(
      [...people, ...people].map(async (handle, n) => ways[n % ways.length]?.(handle, n)),
    );
    expect(seen).toEqual(Array.from({ length: 40 }, (_, n) => `person ${n % 20}`));
    const kept = await withClient(database.ownerUrl, (owner) =>
      owner.query(`select count(*)::int as n from todos where title like 'mixed%'`),
    );
    expect(kept.rows).toEqual([{ n: 10 }]);
    const left = await db.execute(sql`select coalesce(current_setting('authorize.seal', true), '') as seal`);
    expect(left.rows).toEqual([{ seal: '' }]);
  });
});

describe('refused is', () => {
  it('a single client, on which two people would mix', () => {
    const single = drizzle({ client: new Client({ connectionString: database.authenticatedUrl }) });
    expect(() => withAuth(single, options)).toThrow(/single client.*give drizzle\(\) a Pool/u);
  });

  it('a transaction, and a database of another driver', async () => {
    await drizzle({ client: poolOf() }).transaction(async (tx) => {
      expect(() => withAuth(tx, options)).toThrow(/not a transaction/u);
      return Promise.resolve();
    });
    expect(() => withAuth({ session: {} }, options)).toThrow(/drizzle-orm\/neon-serverless/u);
  });

  it('a raw query of the session', async () => {
    const { session } = connected().$withAuth(alice) as unknown as {
      readonly session: Record<'query' | 'queryObjects', (text: string, values: []) => Promise<unknown>>;
    };
    await expect(session.query('select 1', [])).rejects.toThrow(/use execute\(\)/u);
    await expect(session.queryObjects('select 1', [])).rejects.toThrow(/use execute\(\)/u);
  });

  it('a database that cannot be reached', async () => {
    const gone = await proxyOf(database);
    await gone.close();
    const nowhere = connected({ connectionString: gone.through(database.authenticatedUrl) });
    await expect(nowhere.$withAuth(alice).select().from(todos)).rejects.toMatchObject({
      code: 'ERR_DATABASE_UNREACHABLE',
      message: "the database of the role 'authenticated' cannot be reached (ECONNREFUSED)",
    });
  });

  it('a wrong password, in the words of the proxy', async () => {
    const url = new URL(proxy.through(database.authenticatedUrl));
    url.password = 'wrong';
    const stranger = connected({ connectionString: url.href }).$withAuth(alice);
    await expect(stranger.select().from(todos)).rejects.toMatchObject({
      cause: { code: 'XX000', message: 'password authentication failed for user "authenticated"' },
    });
    await expect(stranger.transaction((tx) => tx.select().from(todos))).rejects.toThrow(/password auth/u);
  });
});

it('a query that is done is done: what it wrote is there when it is answered', async () => {
  await connected().$withAuth(alice).insert(todos).values({ title: 'kept' });
  const rows = await withClient(
    database.ownerUrl,
    async (owner) => (await owner.query(`select user_id from todos where title = 'kept'`)).rows,
  );
  expect(rows).toEqual([{ user_id: 'alice' }]);
  const done = await connected().$withAuth(alice).select().from(todos).where(eq(todos.title, 'kept'));
  expect(titles(done)).toEqual(['kept']);
});
