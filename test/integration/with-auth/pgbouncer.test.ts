import { neonConfig, Pool } from '@neondatabase/serverless';
import { eq, sql, type SQL } from 'drizzle-orm';
import { drizzle as drizzleNeonHttp } from 'drizzle-orm/neon-http';
import { drizzle as drizzleNeon } from 'drizzle-orm/neon-serverless';
import { drizzle } from 'drizzle-orm/node-postgres';
import { drizzle as drizzlePostgresJs } from 'drizzle-orm/postgres-js';
import { Socket } from 'node:net';
import pg from 'pg';
import postgres from 'postgres';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';

import type { WithAuth } from '../../../src/driver/handle.ts';
import { withAuth as withAuthNeonHttp } from '../../../src/driver/neon-http.ts';
import { withAuth as withAuthNeon } from '../../../src/driver/neon-serverless.ts';
import { withAuth } from '../../../src/driver/node-postgres.ts';
import { withAuth as withAuthPglite } from '../../../src/driver/pglite.ts';
import { withAuth as withAuthPostgresJs } from '../../../src/driver/postgres-js.ts';
import { startCountingProxy, type CountingProxy } from '../../support/counting-proxy.ts';
import { createIssuer, type TestIssuer } from '../../support/issuer.ts';
import { startNeonWebSocket, type NeonWebSocket } from '../../support/neon-websocket.ts';
import { startPgBouncer, type PgBouncer } from '../../support/pgbouncer.ts';
import { runAsOwner, withClient, type SealedDatabase } from '../../support/sealed-database.ts';
import { createTodoDatabase, relational, resetTodos, todos } from '../../support/todo-app.ts';
import { refusal, rowsOf, titles, type Plain } from './contract.ts';

// Two backends for everybody, and one, on which whatever one person leaves meets the next.

let database: SealedDatabase;
let issuer: TestIssuer;
let alice: string;
let bob: string;
let two: PgBouncer;
let one: PgBouncer;
let counted: CountingProxy;
let webSockets: Record<Way, NeonWebSocket>;
let ends: (() => Promise<unknown>)[] = [];

type Way = 'two' | 'one';

beforeAll(async () => {
  database = await createTodoDatabase('pgbouncer');
  const urls = [database.ownerUrl, database.authenticatedUrl, database.anonymousUrl];
  [two, one, issuer] = await Promise.all([
    startPgBouncer({ urls }),
    startPgBouncer({ urls, backends: 1 }),
    createIssuer(),
  ]);
  [alice, bob] = await Promise.all([issuer.token('alice'), issuer.token('bob')]);
  counted = await startCountingProxy(placeOf(one.through(database.ownerUrl)));
  webSockets = {
    two: await startNeonWebSocket(placeOf(two.through(database.ownerUrl)), { login: 'client' }),
    one: await startNeonWebSocket(placeOf(counted.through(database.ownerUrl)), { login: 'client' }),
  };
  // A pipe, through which SCRAM cannot be answered ahead.
  neonConfig.pipelineConnect = false;
});

afterAll(async () => {
  await Promise.all([webSockets.one, webSockets.two].map((webSocket) => webSocket.close()));
  await counted.close();
  await Promise.all([two, one].map((pgBouncer) => pgBouncer.close()));
  await database.drop();
});

beforeEach(async () => {
  await resetTodos(database);
});

afterEach(async () => {
  await Promise.all(ends.map((end) => end()));
  ends = [];
});

function placeOf(url: string): { readonly host: string; readonly port: number } {
  const { hostname, port } = new URL(url);
  return { host: hostname, port: Number(port) };
}

function through(way: Way, url = database.authenticatedUrl): string {
  return way === 'two' ? two.through(url) : counted.through(url);
}

const options = () => ({
  providers: [issuer.provider],
  key: database.authorizeKey,
  pooler: 'transaction' as const,
});

interface Settings {
  readonly max?: number;
  readonly statements?: 'data' | 'any';
  readonly application?: string;
}

type Open = (way: Way, settings?: Settings) => WithAuth<Plain>;

const openNodePostgres: Open = (way, { max = 4, application, ...more } = {}) => {
  const pool = new pg.Pool({ connectionString: through(way), max, application_name: application });
  ends.push(() => pool.end());
  return withAuth(drizzle({ client: pool, ...relational }), { ...options(), ...more });
};

const openPostgresJs: Open = (way, { max = 4, application, ...more } = {}) => {
  const client = postgres(through(way), {
    max,
    prepare: false,
    ...(application !== undefined && { connection: { application_name: application } }),
  });
  ends.push(() => client.end());
  return withAuthPostgresJs(drizzlePostgresJs({ client, ...relational }), { ...options(), ...more });
};

const openNeonServerless: Open = (way, { max = 4, application, ...more } = {}) => {
  const pool = new Pool({
    connectionString: webSockets[way].through(database.authenticatedUrl),
    max,
    application_name: application,
  });
  ends.push(() => pool.end());
  return withAuthNeon(drizzleNeon({ client: pool, ...relational }), { ...options(), ...more });
};

/** A login of the role on the same backends, without a handle. */
const asRole = <T>(way: Way, work: (client: pg.Client) => Promise<T>): Promise<T> =>
  withClient((way === 'two' ? two : one).through(database.authenticatedUrl), work);

const pidOf = async (handle: Pick<Plain, 'execute'>): Promise<number | undefined> =>
  rowsOf(await handle.execute<{ pid: number }>(sql`select pg_backend_pid() as pid`))[0]?.pid;

const drivers: readonly [name: string, open: Open][] = [
  ['node-postgres', openNodePostgres],
  ['postgres.js', openPostgresJs],
];
// Which is node-postgres over a WebSocket.
const neonServerless: readonly [name: string, open: Open] = ['neon-serverless', openNeonServerless];

const backendOf = async (client: pg.Client): Promise<unknown> =>
  (await client.query<{ pid: number }>('select pg_backend_pid() as pid')).rows[0]?.pid;

describe.each([...drivers, neonServerless])('%s behind PgBouncer', (_, open) => {
  it('twenty people at once are each themselves, on two backends', async () => {
    const db = open('two');
    const who = sql`select auth.user_id() as who, pg_backend_pid() as pid, pg_sleep(0.005)`;
    const people = await Promise.all(
      Array.from({ length: 20 }, async (__, n) => ({
        name: `person ${n}`,
        token: await issuer.token(`person ${n}`),
      })),
    );
    const pids = new Set<number>();
    await Promise.all(
      people.map(async ({ name, token }, n) => {
        const handle = db.$withAuth(token);
        await handle.insert(todos).values({ title: `of ${name}` });
        const seen = await handle.select({ title: todos.title }).from(todos).where(eq(todos.isPublic, false));
        expect(seen).toEqual([{ title: `of ${name}` }]);
        const asked = n % 2 === 0 ? handle.execute(who) : handle.transaction((tx) => tx.execute(who));
        const [row] = rowsOf<Record<string, unknown>>(await asked);
        expect(row?.['who']).toBe(name);
        pids.add(Number(row?.['pid']));
      }),
    );
    expect(pids.size).toBe(2);
  });

  it('a query is one round trip, and one transaction of the pooler', async () => {
    const handle = open('one', { max: 1 }).$withAuth(alice);
    await handle.$count(todos);
    const costs = async (work: () => PromiseLike<unknown>): Promise<readonly [number, number]> => {
      const before = await one.transactions();
      counted.takeRoundTrips();
      await work();
      const roundTrips = counted.takeRoundTrips();
      return [roundTrips, (await one.transactions()) - before];
    };
    expect(await costs(() => handle.select().from(todos))).toEqual([1, 1]);
    expect(await costs(() => handle.query.todos.findMany({ with: { notes: true } }))).toEqual([1, 1]);
    expect(await costs(() => handle.execute(sql`insert into todos (title) values ('sweep')`))).toEqual([
      1, 1,
    ]);
    expect(await costs(() => handle.execute(sql`select pg_advisory_lock(1)`))).toEqual([1, 1]);
    for (let n = 0; n < 6; n += 1) {
      expect(await costs(() => handle.execute(sql`select title from todos`))).toEqual([1, 1]);
    }
    const work = () =>
      handle.transaction(async (tx) => {
        await tx.execute(sql`insert into todos (title) values ('dust')`);
        await tx.select().from(todos);
      });
    expect(await costs(work)).toEqual([3, 1]);
    expect(await costs(() => refusal(handle.execute(sql`select 1 / 0`)))).toEqual([1, 1]);
  });
});

describe.each(drivers)('%s behind PgBouncer', (_, open) => {
  it('a transaction keeps its backend and its person, with savepoints', async () => {
    const [hers, his] = [open('two').$withAuth(alice), open('two').$withAuth(bob)];
    await hers.transaction(async (tx) => {
      const pid = await pidOf(tx);
      await tx.insert(todos).values({ title: 'kept' });
      const failed = tx.transaction(async (inner) => {
        await inner.insert(todos).values({ title: 'lost' });
        await inner.execute(sql`select 1 / 0`);
      });
      expect(await refusal(failed)).toBe('22012');
      expect(titles(await his.select().from(todos))).toEqual(['call mum', 'read a book']);
      expect(await pidOf(his)).not.toBe(pid);
      expect(await pidOf(tx)).toBe(pid);
    });
    expect(titles(await hers.select().from(todos))).toEqual(['kept', 'read a book', 'water the plants']);
  });

  it('what is looked at when a transaction ends is looked at as the person', async () => {
    await runAsOwner(database.ownerUrl, [
      `CREATE OR REPLACE FUNCTION note_author() RETURNS trigger LANGUAGE plpgsql
        AS $$ BEGIN INSERT INTO notes VALUES (-new.id, new.id, 'by ' || auth.user_id()); RETURN NULL; END $$`,
      `CREATE CONSTRAINT TRIGGER notes_author AFTER INSERT ON todos DEFERRABLE INITIALLY DEFERRED
        FOR EACH ROW EXECUTE FUNCTION note_author()`,
    ]);
    try {
      const handle = open('one').$withAuth(alice);
      await handle.insert(todos).values({ title: 'alone' });
      await handle.transaction(async (tx) => {
        await tx.insert(todos).values({ title: 'in a transaction' });
      });
      const notes = await handle.query.notes.findMany();
      expect(notes.filter(({ body }) => body === 'by alice')).toHaveLength(2);
    } finally {
      await runAsOwner(database.ownerUrl, ['DROP FUNCTION note_author CASCADE']);
    }
  });

  describe('nothing that a person leaves meets whoever has the backend next, when it was left by', () => {
    const left = `set_config('search_path', 'nowhere', false), set_config('app.left', 'behind', false),
      set_config('TimeZone', 'Asia/Tokyo', false), set_config('default_transaction_read_only', 'on', false),
      set_config('authorize.seal', current_setting('authorize.seal'), false), pg_advisory_lock(42), setseed(0.5)`;
    const next = `nextval('todos_id_seq')`;
    const leaves = sql.raw(`select ${left}, ${next}`);
    const leavesWhereItReads = sql.raw(`select ${left}`);
    const leavesAndFails = sql.raw(`select ${left}, ${next}, 1 / (random() * 0)::int`);
    const temporary = sql.raw(`select 1 as id into temp left_behind`);

    const endsItself = (handle: Plain, end: SQL): Promise<unknown> =>
      handle.transaction(async (tx) => {
        await tx.insert(todos).values({ title: 'before the end' });
        await tx.execute(leaves);
        await tx.execute(end);
        await tx.execute(sql`select 1`);
      });
    const titlesOfAll = (): Promise<readonly string[]> =>
      withClient(database.ownerUrl, async (owner) =>
        titles((await owner.query<{ title: string }>('select title from todos')).rows),
      );

    const ways: Record<string, (handle: Plain) => Promise<unknown>> = {
      'a query': async (handle) => {
        await handle.execute(temporary);
        await handle.execute(leaves);
      },
      'a query that failed': async (handle) => {
        expect(await refusal(handle.execute(leavesAndFails))).toBe('22012');
      },
      'a query whose commit failed': async (handle) => {
        const twice = sql.raw(
          `with a as (insert into todos (title) values ('call mum')) select ${left}, ${next}`,
        );
        expect(await refusal(handle.execute(twice))).toBe('23505');
      },
      'a transaction': (handle) =>
        handle.transaction(async (tx) => {
          await tx.execute(temporary);
          await tx.execute(leaves);
        }),
      'a transaction that only reads': (handle) =>
        handle.transaction((tx) => tx.execute(leavesWhereItReads), {
          isolationLevel: 'serializable',
          accessMode: 'read only',
          deferrable: true,
        }),
      'a transaction that waits for others, and was rolled back while one is at work': (handle) =>
        withClient(database.ownerUrl, async (owner) => {
          const work = handle.transaction(
            async (tx) => {
              await tx.execute(leavesWhereItReads);
              await owner.query('begin isolation level serializable');
              await owner.query('select count(*) from todos');
              throw new Error('changed my mind');
            },
            { isolationLevel: 'serializable', accessMode: 'read only', deferrable: true },
          );
          let hasWaited = false;
          const patience = setTimeout(() => {
            hasWaited = true;
            void owner.query('commit');
          }, 5_000);
          await expect(work).rejects.toThrow('changed my mind');
          clearTimeout(patience);
          expect(hasWaited).toBe(false);
        }),
      'a transaction that was rolled back': (handle) =>
        expect(
          handle.transaction(async (tx) => {
            await tx.execute(temporary);
            await tx.execute(leaves);
            throw new Error('changed my mind');
          }),
        ).rejects.toThrow('changed my mind'),
      'a transaction of which a statement failed': async (handle) => {
        expect(await refusal(handle.transaction((tx) => tx.execute(leavesAndFails)))).toBe('22012');
      },
      'a transaction that committed itself': async (handle) => {
        expect(await refusal(endsItself(handle, sql`commit`))).toBe('ERR_TRANSACTION_ENDED');
        expect(await titlesOfAll()).toContain('before the end');
      },
      'a transaction that rolled itself back': async (handle) => {
        expect(await refusal(endsItself(handle, sql`rollback`))).toBe('ERR_TRANSACTION_ENDED');
        expect(await titlesOfAll()).not.toContain('before the end');
      },
      'a transaction whose commit failed': async (handle) => {
        const work = handle.transaction(async (tx) => {
          await tx.insert(todos).values({ title: 'call mum' });
          await tx.execute(leaves);
        });
        expect(await refusal(work)).toBe('23505');
      },
      'a transaction that could not be serialized': async (handle) => {
        const work = handle.transaction(
          async (tx) => {
            await tx.select().from(todos);
            await withClient(database.ownerUrl, async (owner) => {
              await owner.query('begin isolation level serializable');
              await owner.query('select count(*) from todos');
              await tx.execute(sql`update todos set done = true where id = 3`);
              await owner.query('update todos set done = true where id = 1');
              await tx.execute(leaves);
              await owner.query('commit');
            });
          },
          { isolationLevel: 'serializable' },
        );
        expect(await refusal(work)).toBe('40001');
      },
    };

    it.each(Object.entries(ways))('%s', async (__, leave) => {
      const db = open('one', { max: 1 });
      const pid = await pidOf(db.$withAuth(bob));
      await leave(db.$withAuth(bob));
      // There is one backend, so that this waits for what of it the caller does not wait for.
      await asRole('one', async (client) => {
        const { rows } = await client.query(`select pg_backend_pid() as pid, random() as random,
          current_setting('search_path') as path, current_setting('TimeZone') as zone,
          coalesce(current_setting('app.left', true), '') as left_behind, coalesce(current_setting('authorize.seal', true), '') as seal,
          current_setting('default_transaction_read_only') as read_only,
          (select count(*)::int from pg_locks where locktype = 'advisory' and pid = pg_backend_pid()) as locks,
          to_regclass('pg_temp.left_behind') as temporary`);
        const { random, zone, ...found } = rows[0] as Record<string, unknown>;
        expect(found).toEqual({
          pid,
          path: '"$user", public',
          left_behind: '',
          seal: '',
          read_only: 'off',
          locks: 0,
          temporary: null,
        });
        expect(zone).not.toBe('Asia/Tokyo');
        expect(await refusal(client.query('select lastval()'))).toBe('55000');
        const { rows: foretold } = await client.query(
          'select random() as random from (select setseed(0.5) offset 0) as seed',
        );
        expect(random).not.toBe((foretold[0] as Record<string, unknown>)['random']);
      });
    });
  });

  it('a backend that cannot be cleared is closed', async () => {
    const unlock = 'EXECUTE ON FUNCTION pg_advisory_unlock_all()';
    const lock = sql`select pg_advisory_lock(42)`;
    const ways: ((handle: Plain) => Promise<unknown>)[] = [
      (handle) => handle.execute(lock),
      (handle) => handle.transaction((tx) => tx.execute(lock)),
      (handle) =>
        handle.transaction(async (tx) => {
          await tx.execute(lock);
          await tx.execute(sql`select from nowhere`);
        }),
    ];
    await runAsOwner(database.ownerUrl, [`REVOKE ${unlock} FROM PUBLIC`]);
    try {
      for (const leave of ways) {
        const before = await asRole('one', backendOf);
        expect(await refusal(leave(open('one', { max: 1 }).$withAuth(alice)))).toMatch(/^42501$|^42P01$/u);
        expect(await asRole('one', backendOf)).not.toBe(before);
      }
    } finally {
      await runAsOwner(database.ownerUrl, [`GRANT ${unlock} TO PUBLIC`]);
    }
  });

  it('nothing stays prepared, whatever name it was given', async () => {
    const db = open('one', { max: 1 });
    for (const token of [alice, bob, alice, bob, alice, bob, alice]) {
      const handle = db.$withAuth(token);
      await handle.select().from(todos).where(eq(todos.done, false));
      await handle.select().from(todos).prepare('all_todos').execute();
      await handle.transaction((tx) => tx.select().from(todos).prepare('all_in_a_transaction').execute());
    }
    await asRole('one', async (client) => {
      expect((await client.query('select name from pg_prepared_statements')).rows).toEqual([]);
    });
  });

  it('where any statement is allowed, what it leaves is cleared as well', async () => {
    const handle = open('one', { max: 1, statements: 'any' }).$withAuth(alice);
    await handle.execute(sql`prepare p as select 1`);
    await handle.execute(sql`listen x`);
    await handle.execute(sql`set search_path = nowhere`);
    await handle.execute(sql`declare c cursor with hold for select 1`);
    await asRole('one', async (client) => {
      const { rows } = await client.query(`select current_setting('search_path') as path,
        (select count(*)::int from pg_prepared_statements) as prepared, (select count(*)::int from pg_cursors where name = 'c') as cursors,
        (select count(*)::int from pg_listening_channels()) as channels`);
      expect(rows).toEqual([{ path: '"$user", public', prepared: 0, cursors: 0, channels: 0 }]);
    });
  });

  it('what the client asked the pooler for is kept over the reset', async () => {
    const db = open('one', { max: 1, application: "alice's app" });
    const other = open('one', { max: 1, application: 'another' });
    const application = async (each: WithAuth<Plain>): Promise<unknown> =>
      rowsOf(
        await each
          .$withAuth(alice)
          .execute<{ name: string }>(sql`select current_setting('application_name') as name`),
      )[0]?.name;
    for (let n = 0; n < 2; n += 1) {
      expect(await application(db)).toBe("alice's app");
      await db.$withAuth(alice).execute(sql`select set_config('application_name', 'left', false)`);
      await refusal(db.$withAuth(alice).execute(sql`select 1 / 0`));
      expect(await application(other)).toBe('another');
    }
  });
});

describe('a backend of node-postgres', () => {
  it('is given back by COPY from the client, which fails in the end, where any statement is allowed', async () => {
    await runAsOwner(database.ownerUrl, [
      'CREATE TABLE IF NOT EXISTS lines (line text)',
      'GRANT INSERT ON lines TO authenticated',
    ]);
    const handle = openNodePostgres('one', { max: 1, statements: 'any' }).$withAuth(alice);
    const copy = sql`copy lines from stdin`;
    expect(await refusal(handle.execute(copy))).toBe('08P01');
    expect(await asRole('one', backendOf)).toBeGreaterThan(0);
    expect(await refusal(handle.transaction((tx) => tx.execute(copy)))).toBe('57014');
    expect(await asRole('one', backendOf)).toBeGreaterThan(0);
    expect(await handle.$count(todos)).toBe(2);
  });

  it('is closed when its connection breaks in mid-transaction', async () => {
    const way = await startCountingProxy(placeOf(one.through(database.ownerUrl)));
    const pool = new pg.Pool({ connectionString: way.through(database.authenticatedUrl), max: 1 });
    ends.push(() => pool.end());
    const handle = withAuth(drizzle({ client: pool, ...relational }), options()).$withAuth(bob);
    const pid = await pidOf(handle);
    const work = handle.transaction(async (tx) => {
      await tx.execute(sql`select pg_advisory_lock(42)`);
      await way.close();
      await tx.execute(sql`select 1`);
    });
    await expect(work).rejects.toThrow();
    expect(await asRole('one', backendOf)).not.toBe(pid);
  });
});

describe('a seal', () => {
  const sealOf = async (token: string): Promise<string | undefined> =>
    rowsOf(
      await openNodePostgres('two')
        .$withAuth(token)
        .execute<{ seal: string }>(sql`select current_setting('authorize.seal') as seal`),
    )[0]?.seal;
  const whoWith = (seal: string | undefined, url: string): Promise<unknown> =>
    withClient(url, async (client) => {
      await client.query('begin');
      await client.query(`select set_config('authorize.seal', $1, true)`, [seal]);
      return (await client.query('select auth.user_id() as who')).rows;
    });

  it('is for one role, and for no other', async () => {
    const seal = await sealOf(alice);
    expect(await refusal(whoWith(seal, two.through(database.anonymousUrl)))).toBe('28000');
    expect(
      await refusal(whoWith(seal?.replace('alice', 'carol'), two.through(database.authenticatedUrl))),
    ).toBe('28000');
  });

  it('is good on every backend, which is what the mode gives up', async () => {
    expect(await whoWith(await sealOf(alice), database.authenticatedUrl)).toEqual([{ who: 'alice' }]);
  });
});

describe('without the option', () => {
  it('a query is nobody’s as soon as another backend answers', async () => {
    const pool = new pg.Pool({ connectionString: two.through(database.authenticatedUrl), max: 1 });
    ends.push(() => pool.end());
    const { providers, key } = options();
    const plain = drizzle({ client: pool, ...relational });
    const handle = withAuth(plain, { providers, key, prepare: false }).$withAuth(alice);
    const pid = await pidOf(handle);
    const holders = [0, 1].map(
      () => new pg.Client({ connectionString: two.through(database.authenticatedUrl) }),
    );
    const held = await Promise.all(
      holders.map(async (holder) => {
        await holder.connect();
        await holder.query('begin');
        const { rows } = await holder.query<{ pid: number }>('select pg_backend_pid() as pid');
        return { holder, pid: rows[0]?.pid };
      }),
    );
    const others = held.filter((each) => each.pid !== pid);
    expect(others).toHaveLength(1);
    await Promise.all(others.map(({ holder }) => holder.query('commit')));
    expect(await refusal(handle.select().from(todos))).toBe('28000');
    await Promise.all(holders.map((holder) => holder.end()));
  });
});

describe('the login is looked at all the same:', () => {
  it('a superuser, and another role, are refused', async () => {
    const ask = (url: string): Promise<unknown> => {
      const pool = new pg.Pool({ connectionString: two.through(url) });
      ends.push(() => pool.end());
      return refusal(
        withAuth(drizzle({ client: pool, ...relational }), options())
          .$withAuth(alice)
          .$count(todos),
      );
    };
    expect(await ask(database.ownerUrl)).toBe('ERR_LOGIN_PRIVILEGED');
    expect(await ask(database.anonymousUrl)).toBe('ERR_LOGIN_ROLE');
  });
});

describe('a host of Neon’s pooler', () => {
  const host = 'ep-cool-darkness-123456-pooler.c-2.eu-central-1.aws.neon.tech';
  const login = (): { user: string; password: string; database: string } => {
    const { username, password } = new URL(database.authenticatedUrl);
    return { user: username, password: decodeURIComponent(password), database: database.name };
  };
  /** Whatever the host, it leads to the pooler at hand. */
  class Redirected extends Socket {
    override connect(): this {
      return super.connect({ host: '127.0.0.1', port: placeOf(two.through(database.ownerUrl)).port });
    }
  }

  it('is let through by node-postgres', async () => {
    const pool = new pg.Pool({ ...login(), host, stream: () => new Redirected() });
    ends.push(() => pool.end());
    const plain = drizzle({ client: pool, ...relational });
    const { pooler, ...others } = options();
    expect(await refusal(withAuth(plain, others).$withAuth(alice).$count(todos))).toBe(
      'ERR_CONNECTION_POOLED',
    );
    expect(
      await withAuth(plain, { ...others, pooler })
        .$withAuth(alice)
        .$count(todos),
    ).toBe(2);
  });

  it('is let through by postgres.js', async () => {
    const client = postgres({
      ...login(),
      host,
      prepare: false,
      socket: () => Promise.resolve(new Redirected().connect()),
    } as postgres.Options<Record<string, never>>);
    ends.push(() => client.end());
    const db = withAuthPostgresJs(drizzlePostgresJs({ client, ...relational }), options());
    expect(await db.$withAuth(alice).$count(todos)).toBe(2);
  });

  it('is let through by neon-serverless', async () => {
    const { wsProxy } = neonConfig;
    neonConfig.wsProxy = () => `127.0.0.1:${placeOf(webSockets.two.through(database.ownerUrl)).port}/v2`;
    try {
      const pool = new Pool({ ...login(), host });
      ends.push(() => pool.end());
      const db = withAuthNeon(drizzleNeon({ client: pool, ...relational }), options());
      expect(await db.$withAuth(alice).$count(todos)).toBe(2);
    } finally {
      neonConfig.wsProxy = wsProxy;
    }
  });
});

describe('withAuth refuses', () => {
  it('another kind of pooler, and to prepare behind one', () => {
    const plain = drizzle({ client: new pg.Pool() });
    expect(() => withAuth(plain, { ...options(), pooler: 'session' as never })).toThrow(
      /pooler must be 'transaction'/u,
    );
    expect(() => withAuth(plain, { ...options(), prepare: true })).toThrow(/prepare.*leave it out/u);
  });

  it('a client of postgres.js that prepares by itself', () => {
    const plain = drizzlePostgresJs({ client: postgres(database.authenticatedUrl) });
    expect(() => withAuthPostgresJs(plain, options())).toThrow(/prepare: false/u);
  });

  it('a pooler where there is none', () => {
    const none = options() as object as Omit<ReturnType<typeof options>, 'pooler'>;
    expect(() => withAuthPglite({}, none)).toThrow(/pooler: PGlite.*leave it out/u);
    expect(() => withAuthNeonHttp(drizzleNeonHttp.mock(), none)).toThrow(
      /pooler: each request.*leave it out/u,
    );
  });
});
