import { inspect } from 'node:util';

import { neon, type NeonQueryFunction } from '@neondatabase/serverless';
import { eq, sql } from 'drizzle-orm';
import { drizzle } from 'drizzle-orm/neon-http';
import { drizzle as drizzleOverPg } from 'drizzle-orm/node-postgres';
import pg from 'pg';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';

import { withAuth, type DirectOptions } from '../../../src/driver/neon-http.ts';
import { createDatabase } from '../../support/cluster.ts';
import { createIssuer, type TestIssuer } from '../../support/issuer.ts';
import { startNeonEndpoint, type NeonEndpoint } from '../../support/neon-endpoint.ts';
import { atHost, serveHost } from '../../support/neon-hosts.ts';
import type { SealedDatabase } from '../../support/sealed-database.ts';
import { createTodoDatabase, relational, resetTodos, schema, todos } from '../../support/todo-app.ts';
import { refusal, titles } from './contract.ts';

let database: SealedDatabase;
let issuer: TestIssuer;
let endpoint: NeonEndpoint;
let alice: string;
let bob: string;

beforeAll(async () => {
  database = await createTodoDatabase('neon_direct');
  issuer = await createIssuer();
  [alice, bob] = await Promise.all([issuer.token('alice'), issuer.token('bob')]);
  const { hostname, port } = new URL(database.ownerUrl);
  endpoint = await startNeonEndpoint({ host: hostname, port: Number(port) });
  serveHost('direct', endpoint.url);
});

afterAll(async () => {
  await endpoint.close();
  await database.drop();
});

beforeEach(async () => {
  await resetTodos(database);
  endpoint.takeRequests();
});

const connected = (fetchOptions: Record<string, unknown> = {}) =>
  drizzle({ client: neon(atHost('direct', database.authenticatedUrl), { fetchOptions }), ...relational });

const wrapped = (more: DirectOptions = {}) =>
  withAuth(connected(), { providers: [issuer.provider], key: database.authorizeKey, ...more });

/** The statements of each request since the last call. */
const takeTexts = (): readonly (readonly string[])[] =>
  endpoint.takeRequests().map(({ queries }) => queries.map(({ text }) => text));

const setting = `pg_catalog.set_config('authorize.seal', $1, true)`;
const prologue = `select auth.check(${setting})`;
/** Of a seal that the database has found genuine. */
const prologueAgain = `select ${setting}`;

describe('is sent', () => {
  it('one request a query, with the prologue in front, after one that looks at the login', async () => {
    const db = wrapped();
    const handle = db.$withAuth(alice);
    await handle.select({ id: todos.id }).from(todos);
    const [inspection, ...queries] = takeTexts();
    expect(inspection).toEqual([expect.stringContaining('session_user')]);
    expect(queries).toEqual([[prologue, 'select "id" from "todos"']]);

    for (let n = 0; n < 5; n += 1) await handle.$count(todos);
    await db.$withAuth(bob).query.todos.findMany({ with: { notes: true } });
    await handle.insert(todos).values({ title: 'one more' }).returning();
    await expect(handle.execute(sql`select 1 / 0`)).rejects.toThrow();
    const more = takeTexts();
    expect(more).toHaveLength(8);
    // Bob's seal is a new one.
    for (const [n, request] of more.entries()) {
      expect(request).toEqual([n === 5 ? prologue : prologueAgain, expect.any(String)]);
    }
  });

  it('one request for a whole batch, with one prologue', async () => {
    const handle = wrapped().$withAuth(alice);
    await handle.$count(todos);
    takeTexts();
    await handle.batch([
      handle.select({ id: todos.id }).from(todos),
      handle.delete(todos).where(eq(todos.id, 1)),
      handle.execute(sql`select 1`),
    ]);
    expect(takeTexts()).toEqual([
      [prologueAgain, 'select "id" from "todos"', 'delete from "todos" where "todos"."id" = $1', 'select 1'],
    ]);
  });

  it('one look at the login, also when several come first', async () => {
    const db = wrapped();
    await Promise.all([alice, bob, alice].map((token) => db.$withAuth(token).$count(todos)));
    expect(takeTexts().filter(({ length }) => length === 1)).toHaveLength(1);
  });

  it('another look when the first one failed, and when PostgreSQL refused a seal', async () => {
    const empty = await createDatabase('not_yet_migrated');
    const url = new URL(atHost('direct', database.authenticatedUrl));
    url.pathname = `/${empty.name}`;
    const early = withAuth(drizzle({ client: neon(url.href) }), {
      providers: [issuer.provider],
      key: database.authorizeKey,
    });
    for (let n = 0; n < 2; n += 1) {
      expect(await refusal(early.$withAuth(alice).$count(todos))).toBe('ERR_MIGRATIONS_MISSING');
    }
    expect(takeTexts()).toHaveLength(2);
    await empty.drop();

    const handle = wrapped().$withAuth(alice);
    await handle.$count(todos);
    expect(await refusal(handle.execute(sql`select auth.check('')`))).toBe('28000');
    await handle.$count(todos);
    await handle.$count(todos);
    expect(takeTexts().map(({ length }) => length)).toEqual([1, 2, 2, 1, 2, 2]);
  });

  it('the same seal for the same person, good on any backend, and no token', async () => {
    const db = wrapped();
    for (const token of [alice, alice, bob]) await db.$withAuth(token).$count(todos);
    const [, ...requests] = endpoint.takeRequests();
    const [first, second, other] = requests.map(({ queries }) => queries[0]?.values[0]);
    expect(first).toMatch(/^[0-9a-f]{64}\.1\.[0-9a-f]{16}\.\d+\.\d+\.0{10}\.\{/u);
    expect(second).toBe(first);
    expect(other).not.toBe(first);
    expect(requests.map(({ token }) => token)).toEqual([undefined, undefined, undefined]);
  });

  it('the role as well where the login is another, on purpose', async () => {
    const owner = drizzle({ client: neon(atHost('direct', database.ownerUrl)), ...relational });
    const db = withAuth(owner, {
      providers: [issuer.provider],
      key: database.authorizeKey,
      allowPrivilegedLogin: true,
    });
    expect(titles(await db.$withAuth(bob).select().from(todos))).toEqual(['call mum', 'read a book']);
    expect(takeTexts()[1]?.[0]).toBe(
      `select pg_catalog.set_config('role', $2, true), auth.check(pg_catalog.set_config('authorize.seal', $1, true))`,
    );
  });
});

describe('$client of a handle', () => {
  const clientOf = (token: string): NeonQueryFunction<false, false> => wrapped().$withAuth(token).$client;

  it('is the person in a template, with what is composed into it, and in a query', async () => {
    const client = clientOf(alice);
    const own = client`user_id = ${'alice'}`;
    expect(await client`select title from todos where ${own} and not ${client.unsafe('is_public')}`).toEqual([
      { title: 'water the plants' },
    ]);
    const { rows } = await client.query('select id from todos where id < $1 order by id', [3], {
      arrayMode: true,
      fullResults: true,
    });
    expect(rows).toEqual([[1], [2]]);
    expect(await refusal(client`set role none`)).toBe('ERR_STATEMENT_REFUSED');
    expect(await client`select 1 / 0`.catch(() => 'caught')).toBe('caught');
  });

  it('is the person in a transaction, with its isolation level', async () => {
    const client = clientOf(bob);
    const modes = client`select current_setting('transaction_isolation') as level, current_setting('transaction_read_only') as read_only`;
    const who = client`select auth.user_id() as who`;
    const options = { isolationLevel: 'Serializable', readOnly: true } as const;
    expect(await client.transaction([who, modes], options)).toEqual([
      [{ who: 'bob' }],
      [{ level: 'serializable', read_only: 'on' }],
    ]);
    expect(await client.transaction((tx) => [tx`select auth.user_id() as who`])).toEqual([[{ who: 'bob' }]]);
    expect(await refusal(client.transaction([who, client`set role none`]))).toBe('ERR_STATEMENT_REFUSED');
  });
});

describe('where any statement is allowed,', () => {
  const free = () => wrapped({ statements: 'any' }).$withAuth(alice);

  it.each(['commit', 'begin', 'rollback', 'end', 'abort', 'start transaction', `prepare transaction 'x'`])(
    '%s still cannot end the transaction that holds the identity',
    async (text) => {
      const handle = free();
      const batch = handle.batch([
        handle.insert(todos).values({ title: 'before' }),
        handle.execute(sql.raw(text)),
        handle.select().from(todos),
      ]);
      expect(await refusal(batch)).toBe('ERR_STATEMENT_REFUSED');
      expect(await handle.$count(todos)).toBe(2);
    },
  );

  it('nor can a block of PL/pgSQL', async () => {
    expect(await refusal(free().execute(sql`do $$ begin commit; end $$`))).toBe('2D000');
    expect(await free().$count(todos)).toBe(2);
  });

  it('and what leaves it alone is sent', async () => {
    await free().execute(sql`explain select 1`);
    await free().batch([free().execute(sql`prepare p as select 1`), free().execute(sql`execute p`)]);
  });
});

it('a query that its caller gave up leaves the handle good', async () => {
  const fetchOptions: { signal?: AbortSignal } = {};
  const db = withAuth(connected(fetchOptions), { providers: [issuer.provider], key: database.authorizeKey });
  const handle = db.$withAuth(alice);
  await handle.$count(todos);
  endpoint.takeRequests();
  const controller = new AbortController();
  fetchOptions.signal = controller.signal;
  const slow = handle.execute(sql`select pg_sleep(0.5)`).catch(inspect);
  await expect.poll(() => endpoint.takeRequests().length).toBe(1);
  controller.abort();
  expect(await slow).toContain('AbortError');
  delete fetchOptions.signal;
  expect(titles(await handle.select().from(todos))).toEqual(['read a book', 'water the plants']);
  expect(titles(await db.$withAuth(bob).select().from(todos))).toEqual(['call mum', 'read a book']);
});

describe('refused is', () => {
  const options = (): DirectOptions => ({ providers: [issuer.provider], key: database.authorizeKey });

  it('what is no database of neon-http over a client of neon()', async () => {
    const pool = new pg.Pool({ connectionString: database.authenticatedUrl });
    const other = drizzleOverPg({ client: pool });
    expect(() => withAuth(other, options())).toThrow(/made by drizzle\(\) of drizzle-orm\/neon-http/u);
    await other.transaction(async (tx) => {
      expect(() => withAuth(tx, options())).toThrow(/not a transaction/u);
      return Promise.resolve();
    });
    await pool.end();
    expect(() => withAuth(drizzle.mock({ schema }), options())).toThrow(/no client made by neon\(\)/u);
    expect(() => withAuth(connected(), { mode: 'proxy' as never })).toThrow(/mode must be/u);
  });

  it('an endpoint that cannot be reached', async () => {
    serveHost('nowhere', 'http://127.0.0.1:1/sql');
    const lost = withAuth(drizzle({ client: neon(atHost('nowhere', database.authenticatedUrl)) }), options());
    await expect(lost.$withAuth(alice).$count(todos)).rejects.toMatchObject({
      code: 'ERR_DATABASE_UNREACHABLE',
      message: 'the SQL endpoint cannot be reached',
    });
  });

  it('a wrong password, in the words of PostgreSQL', async () => {
    const url = new URL(atHost('direct', database.authenticatedUrl));
    url.password = 'guessed';
    const stranger = withAuth(drizzle({ client: neon(url.href) }), options());
    expect(await refusal(stranger.$withAuth(alice).$count(todos))).toBe('28P01');
  });

  it('a connection string that is none, without quoting it', async () => {
    const odd = () =>
      withAuth(drizzle({ client: neon('postgresql://authenticated:pass-3f@direct:port/app') }), options())
        .$withAuth(alice)
        .$count(todos);
    const told = await (async () => odd())().catch(inspect);
    expect(told).toContain('ERR_DATABASE_UNREACHABLE');
    expect(told).not.toContain('pass-3f');
  });
});
