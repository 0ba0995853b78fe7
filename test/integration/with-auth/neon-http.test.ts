import { AsyncLocalStorage } from 'node:async_hooks';

import { neon, type NeonQueryFunction } from '@neondatabase/serverless';
import { eq, inArray, sql } from 'drizzle-orm';
import { drizzle, type NeonHttpDatabase } from 'drizzle-orm/neon-http';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';

import { withAuth } from '../../../src/driver/neon-http.ts';
import { createGateway } from '../../../src/gateway/index.ts';
import { equals } from '../../support/drizzle-line.ts';
import { createIssuer, type TestIssuer } from '../../support/issuer.ts';
import { startNeonEndpoint } from '../../support/neon-endpoint.ts';
import { atHost, serveHost } from '../../support/neon-hosts.ts';
import { withClient, type SealedDatabase } from '../../support/sealed-database.ts';
import { createTodoDatabase, relational, resetTodos, type schema, todos } from '../../support/todo-app.ts';
import {
  createContractDatabase,
  describeContract,
  refusal,
  rowsOf,
  titles,
  type Driver,
} from './contract.ts';

async function openDirect(database: SealedDatabase, issuer: TestIssuer): Promise<Driver> {
  const { hostname, port } = new URL(database.ownerUrl);
  const target = { host: hostname, port: Number(port) };
  const many = await startNeonEndpoint(target);
  const one = await startNeonEndpoint(target, { maxConnections: 1 });
  const host = hostOf(database);
  serveHost(host, many.url);
  serveHost(`single.${host}`, one.url);
  return {
    connect: (url, { max, cache } = {}) => {
      const client = neon(atHost(max === 1 ? `single.${host}` : host, url));
      return drizzle({ client, ...relational, ...(cache && { cache }) });
    },
    withAuth: (plain, options) =>
      withAuth(plain, { providers: [issuer.provider], key: database.authorizeKey, ...options }),
    close: async () => {
      await Promise.all([many.close(), one.close()]);
    },
  };
}

async function openGateway(database: SealedDatabase, issuer: TestIssuer): Promise<Driver> {
  const gateway = await createGateway({
    connections: { authenticated: database.authenticatedUrl, anonymous: database.anonymousUrl },
    providers: [issuer.provider],
    key: database.authorizeKey,
    maxConnections: 4,
    port: 0,
  });
  const host = `gateway.${hostOf(database)}`;
  serveHost(host, `${gateway.url}/sql`);
  const connectionString = atHost(host, database.authenticatedUrl, { password: false });
  return {
    connect: (url, { cache } = {}) => {
      const client = neon(atHost(host, url, { password: false }));
      return drizzle({ client, ...relational, ...(cache && { cache }) });
    },
    withAuth: (plain, options) => withAuth(plain, { mode: 'gateway', connectionString, ...options }),
    close: async () => {
      await gateway.close();
    },
  };
}

/** One for each database, since there may be several at once. */
const hostOf = ({ name }: SealedDatabase): string => name.replaceAll('_', '-');

describeContract('neon-http, direct', {
  create: createContractDatabase,
  open: openDirect,
  verifies: 'driver',
  transactions: false,
  login: 'role',
});
describeContract('neon-http, gateway', {
  create: createContractDatabase,
  open: openGateway,
  verifies: 'gateway',
  transactions: false,
  login: 'role',
});

type Db = NeonHttpDatabase<typeof schema> & { readonly $client: object };

describe.each([
  ['direct', openDirect],
  ['gateway', openGateway],
])('neon-http, %s', (_, open) => {
  let database: SealedDatabase;
  let issuer: TestIssuer;
  let driver: Driver;
  let alice: string;
  let bob: string;
  let plain: Db;

  beforeAll(async () => {
    database = await createTodoDatabase('neon_http');
    issuer = await createIssuer();
    [alice, bob] = await Promise.all([issuer.token('alice'), issuer.token('bob')]);
    driver = await open(database, issuer);
  });

  afterAll(async () => {
    await driver.close();
    await database.drop();
  });

  beforeEach(async () => {
    await resetTodos(database);
    plain = driver.connect(database.authenticatedUrl) as unknown as Db;
  });

  const as = (token: string | (() => string)): Db =>
    driver.withAuth(plain, {}).$withAuth(token) as unknown as Db;

  describe('a batch', () => {
    it('is the person, in every kind of query', async () => {
      for (const [token, name, own] of [
        [alice, 'alice', 'water the plants'],
        [bob, 'bob', 'call mum'],
      ] as const) {
        const handle = as(token);
        const added = handle.insert(todos).values({ title: 'added' }).returning();
        const [all, who, first, [row], done, cte, gone] = await handle.batch([
          handle.select({ title: todos.title, id: todos.id }).from(todos),
          handle.execute<{ who: string }>(sql`select auth.user_id() as who`),
          handle.query.todos.findFirst({ where: equals(todos, { title: own }), with: { notes: true } }),
          added,
          handle.update(todos).set({ done: true }).where(eq(todos.title, 'added')),
          handle
            .with(handle.$with('own').as(handle.select().from(todos)))
            .select()
            .from(todos),
          handle
            .delete(todos)
            .where(inArray(todos.title, ['added', 'read a book']))
            .returning(),
        ]);
        expect(titles(all)).toEqual([own, 'read a book'].toSorted());
        expect(who.rows).toEqual([{ who: name }]);
        expect(first).toMatchObject({ userId: name, title: own });
        expect(first?.notes.length).toBeGreaterThan(0);
        expect(row).toMatchObject({ userId: name, title: 'added', done: false });
        expect(done.rowCount).toBe(1);
        expect(cte).toHaveLength(3);
        expect(titles(gone)).toEqual(name === 'alice' ? ['added', 'read a book'] : ['added']);
        await resetTodos(database);
      }
    });

    it('is one transaction: all of it happens, or nothing', async () => {
      const handle = as(alice);
      const broken = handle.batch([
        handle.insert(todos).values({ title: 'lost' }),
        handle.execute(sql`select 1 / 0`),
      ]);
      expect(await refusal(broken)).toBe('22012');
      const late = handle.batch([
        handle.insert(todos).values({ title: 'lost' }),
        handle.insert(todos).values({ title: 'read a book' }),
        handle.select().from(todos),
      ]);
      expect(await refusal(late)).toBe('23505');
      expect(titles(await handle.select().from(todos))).toEqual(['read a book', 'water the plants']);
    });

    it('is the person on whose handle it is called, whoever made its queries', async () => {
      const [hers, his] = [as(alice), as(bob)];
      const [rows, own] = await his.batch([hers.select().from(todos), plain.select().from(todos)]);
      expect(titles(rows)).toEqual(['call mum', 'read a book']);
      expect(own).toEqual(rows);
      expect(await refusal(plain.batch([hers.select().from(todos)]))).toBe('28000');
    });

    it('may be empty, and is refused whole for one statement that may not be sent', async () => {
      const handle = as(alice);
      expect(await handle.batch([] as never)).toEqual([]);
      const insert = handle.insert(todos).values({ title: 'before' });
      for (const text of ['commit', 'set role none', 'alter role authenticated set search_path = nowhere']) {
        const batch = handle.batch([insert, handle.execute(sql.raw(text))]);
        expect(await refusal(batch)).toBe('ERR_STATEMENT_REFUSED');
      }
      expect(await handle.$count(todos)).toBe(2);
    });

    it('cannot become another in the middle', async () => {
      const handle = as(bob);
      const forged = handle.batch([
        handle.execute(
          sql`select set_config('authorize.seal', replace(current_setting('authorize.seal'), 'bob', 'alice'), true)`,
        ),
        handle.select().from(todos),
      ]);
      expect(await refusal(forged)).toBe('28000');
    });
  });

  it('twenty people at once, in batches and queries, each get their own', async () => {
    const names = Array.from({ length: 20 }, (__, n) => `person ${n}`);
    const ask = sql`select auth.user_id() as who from pg_sleep(0.01)`;
    const seen = await Promise.all(
      names.map(async (name, n) => {
        const handle = as(await issuer.token(name));
        if (n % 2 === 0) return (await handle.execute(ask)).rows;
        const [, second] = await handle.batch([handle.execute(ask), handle.execute(ask)]);
        return second.rows;
      }),
    );
    expect(seen).toEqual(names.map((who) => [{ who }]));
  });

  it('a token function that answers by request serves each request with its own', async () => {
    const request = new AsyncLocalStorage<string>();
    const connected = driver.withAuth(plain, {});
    const people = await Promise.all(Array.from({ length: 10 }, (__, n) => issuer.token(`person ${n}`)));
    const seen = await Promise.all(
      people.map((token) =>
        request.run(token, async () => {
          const handle = connected.$withAuth(() => request.getStore() ?? '');
          return rowsOf(await handle.execute(sql`select auth.user_id() as who`));
        }),
      ),
    );
    expect(seen).toEqual(people.map((__, n) => [{ who: `person ${n}` }]));
  });

  it('nothing is written to the database or its client, nor read from what Drizzle’s own $withAuth leaves there', async () => {
    const members = (): unknown =>
      [plain, (plain as unknown as { session: object }).session, plain.$client].map((object) => ({
        ...Object.getOwnPropertyDescriptors(object),
      }));
    const before = members();
    await as(alice).batch([as(alice).select().from(todos), as(alice).execute(sql`select 1`)]);
    await as(bob).execute(sql`select 1`);
    expect(members()).toEqual(before);

    plain.$withAuth(await issuer.token('mallory'));
    const who = sql`select auth.user_id() as who`;
    expect((await as(alice).execute(who)).rows).toEqual([{ who: 'alice' }]);
    expect((await as(alice).batch([as(alice).execute(who)]))[0].rows).toEqual([{ who: 'alice' }]);
  });

  it('a handle of Drizzle’s own $withAuth that is wrapped gives its token to nobody', async () => {
    const theirs = plain.$withAuth(await issuer.token('mallory')) as unknown as Db;
    const handle = driver.withAuth(theirs as never, {}).$withAuth(alice) as unknown as Db;
    const who = sql`select auth.user_id() as who`;
    expect((await handle.execute(who)).rows).toEqual([{ who: 'alice' }]);
    const counted = handle
      .select({ who: sql<string>`auth.user_id()` })
      .from(todos)
      .limit(1);
    expect((await handle.batch([handle.execute(who), counted]))[1]).toEqual([{ who: 'alice' }]);
    expect(await counted).toEqual([{ who: 'alice' }]);
  });

  it('transactions with callbacks are refused in the words of Drizzle', async () => {
    await expect(as(alice).transaction(async () => Promise.resolve())).rejects.toThrow(
      'No transactions support in neon-http driver',
    );
  });

  it('raw queries of the session are refused, and what it calls a client is the person', async () => {
    const { session } = as(alice) as unknown as {
      readonly session: Record<'query' | 'queryObjects', (text: string, values: []) => Promise<unknown>> & {
        readonly clientQuery: (text: string) => Promise<unknown>;
      };
    };
    await expect(session.query('select 1', [])).rejects.toThrow(/use execute\(\)/u);
    await expect(session.queryObjects('select 1', [])).rejects.toThrow(/use execute\(\)/u);
    expect(await session.clientQuery('select auth.user_id() as who')).toEqual([{ who: 'alice' }]);
  });

  it('a token that is given to the client of a handle does not make it somebody else', async () => {
    const { $client } = as(alice) as unknown as { readonly $client: NeonQueryFunction<false, false> };
    const who = 'select auth.user_id() as who';
    expect(await $client.query(who, [], { authToken: bob })).toEqual([{ who: 'alice' }]);
    expect(await $client.transaction([$client.query(who)], { authToken: bob })).toEqual([[{ who: 'alice' }]]);
  });

  it('what was written by one request is there when the next is answered', async () => {
    // Success counts when the endpoint has committed, and an error of the commit is an error of the query.
    await as(alice).insert(todos).values({ title: 'kept' });
    const kept = await withClient(database.ownerUrl, (owner) =>
      owner.query(`SELECT user_id FROM todos WHERE title = 'kept'`),
    );
    expect(kept.rows).toEqual([{ user_id: 'alice' }]);
  });
});
