import { sql } from 'drizzle-orm';
import { drizzle } from 'drizzle-orm/node-postgres';
import { withReplicas } from 'drizzle-orm/pg-core';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { withAuth, type WithAuthOptions } from '../../../src/driver/node-postgres.ts';
import { createIssuer, type TestIssuer } from '../../support/issuer.ts';
import { createDatabase } from '../../support/cluster.ts';
import type { SealedDatabase } from '../../support/sealed-database.ts';
import { createTodoDatabase, schema, todos } from '../../support/todo-app.ts';

let database: SealedDatabase;
let issuer: TestIssuer;
let options: WithAuthOptions;
const pools: pg.Pool[] = [];

beforeAll(async () => {
  database = await createTodoDatabase('refusals');
  issuer = await createIssuer();
  options = { providers: [issuer.provider], key: database.authorizeKey };
});

afterAll(async () => {
  await Promise.all(pools.map((pool) => pool.end()));
  await database.drop();
});

function poolAt(connectionString: string): pg.Pool {
  const pool = new pg.Pool({ connectionString, max: 2 });
  pools.push(pool);
  return pool;
}

const connected = (url: string) => drizzle({ client: poolAt(url), schema });

describe('withAuth refuses', () => {
  it('a single client, on which two people would mix', () => {
    const single = drizzle({ client: new pg.Client({ connectionString: database.authenticatedUrl }) });
    expect(() => withAuth(single, options)).toThrow(/single client.*give drizzle\(\) a Pool/u);
  });

  it('a transaction', async () => {
    await connected(database.ownerUrl).transaction(async (tx) => {
      expect(() => withAuth(tx, options)).toThrow(/not a transaction/u);
    });
  });

  it('a set of replicas', () => {
    const set = withReplicas(connected(database.authenticatedUrl), [connected(database.authenticatedUrl)]);
    expect(() => withAuth(set, options)).toThrow(/one by one/u);
  });

  it('something else', () => {
    expect(() => withAuth({}, options)).toThrow(TypeError);
    expect(() =>
      withAuth(connected(database.authenticatedUrl), { ...options, statements: 'all' as never }),
    ).toThrow(/statements must be/u);
  });

  it('a missing or malformed key, at once', () => {
    const db = connected(database.authenticatedUrl);
    const before = process.env.AUTHORIZE_KEY;
    delete process.env.AUTHORIZE_KEY;
    expect(() => withAuth(db, {})).toThrow(expect.objectContaining({ code: 'ERR_KEY_MISSING' }));
    if (before !== undefined) process.env.AUTHORIZE_KEY = before;
    for (const key of ['secret', 'A'.repeat(43), `${database.authorizeKey},x`, `${database.authorizeKey}A`]) {
      expect(() => withAuth(db, { key })).toThrow(expect.objectContaining({ code: 'ERR_KEY_INVALID' }));
    }
  });
});

describe('a handle refuses', () => {
  it('a missing token, which is never an anonymous query', async () => {
    const db = withAuth(connected(database.authenticatedUrl), options);
    for (const token of ['', undefined, null, 42, {}]) {
      expect(() => db.$withAuth(token as never)).toThrow(/token is missing/u);
    }
    for (const late of [
      Promise.resolve(''),
      Promise.resolve(undefined as never),
      () => '',
      () => undefined as never,
    ]) {
      await expect(db.$withAuth(late).select().from(todos)).rejects.toThrow(TypeError);
    }
  });

  it('a role for which no client was given', () => {
    const db = withAuth(connected(database.authenticatedUrl), options);
    expect(() => db.$withAnonymous()).toThrow(/pass \{ anonymous: drizzle/u);
    expect(() => db.$withIdentity({ role: 'postgres', claims: {} })).toThrow(
      /no client for the role 'postgres'/u,
    );
    expect(() => db.$withIdentity({ role: 'authenticated' } as never)).toThrow(TypeError);
  });

  it.each([
    [
      'tampered',
      async () => (await issuer.token('alice')).replace(/.{8}$/u, 'AAAAAAAA'),
      'ERR_TOKEN_SIGNATURE',
    ],
    ['expired', () => issuer.token('alice', { exp: 1_700_000_000 }), 'ERR_TOKEN_EXPIRED'],
    ['wrong audience', () => issuer.token('alice', { aud: 'another-app' }), 'ERR_TOKEN_AUDIENCE'],
    ['malformed', () => 'not-a-token', 'ERR_TOKEN_MALFORMED'],
  ])('a token that is %s', async (_, token, code) => {
    const db = withAuth(connected(database.authenticatedUrl), options);
    await expect(
      db
        .$withAuth(await token())
        .select()
        .from(todos),
    ).rejects.toMatchObject({ code });
    await expect(db.$withAuth(token).transaction((tx) => tx.select().from(todos))).rejects.toMatchObject({
      code,
    });
  });

  it('asks a function for a new token when the old one has expired', async () => {
    const db = withAuth(connected(database.authenticatedUrl), options);
    let asked = 0;
    // Good for one more second, of the thirty that clocks may differ.
    const handle = db.$withAuth(async () => {
      asked += 1;
      return issuer.token('alice', { exp: Math.floor(Date.now() / 1000) - 29 });
    });
    await handle.$count(todos);
    await handle.$count(todos);
    expect(asked).toBe(1);
    await expect
      .poll(async () => (await handle.$count(todos), asked), { timeout: 5_000, interval: 200 })
      .toBe(2);
  });
});

describe('a login that is not the identity role is refused at the first query', () => {
  const ask = async (url: string, more: Partial<WithAuthOptions> = {}): Promise<unknown> =>
    withAuth(connected(url), { ...options, ...more })
      .$withAuth(await issuer.token('alice'))
      .execute(sql`select current_user as role, auth.user_id() as who`);

  it('a superuser', async () => {
    await expect(ask(database.ownerUrl)).rejects.toMatchObject({ code: 'ERR_LOGIN_PRIVILEGED' });
    expect(await ask(database.ownerUrl, { allowPrivilegedLogin: true })).toMatchObject({
      rows: [{ role: 'authenticated', who: 'alice' }],
    });
  });

  it('another identity role', async () => {
    await expect(ask(database.anonymousUrl)).rejects.toMatchObject({ code: 'ERR_LOGIN_ROLE' });
  });

  it('a role that owns tables', async () => {
    const ordinary = await createDatabase('ordinary', { owner: 'ordinary' });
    const owner = new pg.Client({ connectionString: ordinary.url });
    await owner.connect();
    // Another application's tables: enough to say that policies do not bind this login.
    await owner.query('CREATE SCHEMA auth; CREATE TABLE own (id int)');
    await owner.query('CREATE FUNCTION auth.check(text) RETURNS boolean LANGUAGE sql AS $$ SELECT true $$');
    await owner.end();
    const pool = poolAt(ordinary.url);
    const attempt = withAuth(drizzle({ client: pool, schema }), options)
      .$withAuth(await issuer.token('alice'))
      .execute(sql`select 1`);
    await expect(attempt).rejects.toMatchObject({ code: 'ERR_LOGIN_PRIVILEGED' });
    await pool.end();
    pools.splice(pools.indexOf(pool), 1);
    await ordinary.drop();
  });

  it('a database that cannot be reached', async () => {
    const nowhere = database.authenticatedUrl.replace(/:\d+\//u, ':1/');
    await expect(ask(nowhere)).rejects.toMatchObject({
      code: 'ERR_DATABASE_UNREACHABLE',
      message: "the database of the role 'authenticated' cannot be reached (ECONNREFUSED)",
    });
  });

  it('a database without the auth schema', async () => {
    const empty = await createDatabase('empty');
    const url = new URL(database.authenticatedUrl);
    url.pathname = `/${empty.name}`;
    await expect(ask(url.href)).rejects.toMatchObject({ code: 'ERR_MIGRATIONS_MISSING' });
    await pools.pop()?.end();
    await empty.drop();
  });
});

describe('no secret is in what a handle says', () => {
  it('of a token, a key, a password or a claim', async () => {
    const secretSubject = 'subject-7f3a9c';
    const good = await issuer.token(secretSubject, { secret_claim: 'claim-5e1d' });
    const wrongKey = `${database.authorizeKey.slice(0, -4)}AAAA`;
    const db = withAuth(connected(database.authenticatedUrl), options);
    const secrets = [good, ...good.split('.'), database.authorizeKey, wrongKey, secretSubject, 'claim-5e1d'];
    secrets.push(new URL(database.authenticatedUrl).password, new URL(database.ownerUrl).password);

    const attempts: readonly (() => unknown)[] = [
      () => db.$withAuth(`${good}x`).select().from(todos),
      () => db.$withAuth(good.slice(0, -10)).select().from(todos),
      async () =>
        db
          .$withAuth(await issuer.token(secretSubject, { aud: 'claim-5e1d' }))
          .select()
          .from(todos),
      () => db.$withAuth(good).execute(sql`commit`),
      () => db.$withAuth(good).execute(sql`select 1 / 0`),
      () => db.$withIdentity({ role: 'claim-5e1d', claims: { sub: secretSubject } }).$count(todos),
      () =>
        withAuth(connected(database.authenticatedUrl), { ...options, key: wrongKey })
          .$withAuth(good)
          .$count(todos),
      () => withAuth(connected(database.authenticatedUrl), { ...options, key: `${wrongKey}.` }),
      () => withAuth(connected(database.ownerUrl), options).$withAuth(good).$count(todos),
    ];
    for (const [index, attempt] of attempts.entries()) {
      const said = await saidBy(attempt);
      for (const secret of secrets) {
        // The role that a programmer wrote is no secret: it names the mistake.
        if (index !== 5) expect(said).not.toContain(secret);
      }
    }
  });
});

async function saidBy(attempt: () => unknown): Promise<string> {
  const texts: string[] = [];
  try {
    await attempt();
  } catch (error) {
    for (let each: unknown = error; each instanceof Error; each = each.cause) {
      texts.push(each.message, each.stack ?? '', JSON.stringify(each));
    }
  }
  expect(texts).not.toEqual([]);
  return texts.join('\n');
}
