import { request } from 'node:http';
import { text as textOf } from 'node:stream/consumers';

import { neon, neonConfig, Pool } from '@neondatabase/serverless';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { useGateway, type Gateway } from '../../../src/gateway/index.ts';
import { startGateway } from '../../support/gateway.ts';
import { createIssuer, type TestIssuer } from '../../support/issuer.ts';
import { createSealedDatabase, runAsOwner, type SealedDatabase } from '../../support/sealed-database.ts';

// What Neon's own tests check of the protocol, and what its endpoint is known to do, item by item; http.test.ts has the rest.

let database: SealedDatabase;
let issuer: TestIssuer;
let gateway: Gateway;
let alice: string;

beforeAll(async () => {
  database = await createSealedDatabase('http protocol', [
    `CREATE TYPE mood AS ENUM ('sad', 'so "so"', 'ok')`,
    'CREATE DOMAIN short AS varchar(3)',
    'CREATE TYPE pair AS (a integer, b text)',
    'CREATE TABLE things (id integer PRIMARY KEY, owner text NOT NULL DEFAULT auth.user_id(), feeling mood, feelings mood[])',
    'ALTER TABLE things ENABLE ROW LEVEL SECURITY',
    'CREATE POLICY own ON things TO authenticated USING ((SELECT auth.user_id()) = owner)',
    'GRANT ALL ON things TO authenticated',
    'REVOKE TRUNCATE, TRIGGER, REFERENCES ON things FROM authenticated',
  ]);
  issuer = await createIssuer();
  alice = await issuer.token('alice');
  gateway = await startGateway({ database, issuer }, { maxConnections: 3 });
  useGateway(neonConfig, gateway.url);
});

afterAll(async () => {
  await gateway.close();
  await database.drop();
});

const name = (): string => encodeURIComponent(database.name);
const target = (rest = ''): string => `postgresql://authenticated@db.example.test/${name()}${rest}`;

interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  readonly json: Readonly<Record<string, unknown>>;
}

async function post(body: unknown, headers: Readonly<Record<string, string>> = {}): Promise<Answer> {
  const response = await fetch(`${gateway.url}/sql`, {
    method: 'POST',
    headers: { 'neon-connection-string': target(), authorization: `Bearer ${alice}`, ...headers },
    body: JSON.stringify(body),
  });
  const text = await response.text();
  return { status: response.status, headers: response.headers, text, json: JSON.parse(text) };
}

const rows = async (query: string, params: readonly unknown[] = [], headers = {}): Promise<unknown> => {
  const { json } = await post({ query, params }, headers);
  return json['rows'] ?? json;
};

describe('the endpoint', () => {
  it('answers a preflight with what a browser asks for', async () => {
    const { status, headers } = await fetch(`${gateway.url}/sql`, { method: 'OPTIONS' });
    expect(status).toBe(200);
    expect(headers.get('allow')).toBe('OPTIONS, POST');
    expect(headers.get('access-control-allow-origin')).toBe('*');
    expect(headers.get('access-control-max-age')).toBe('86400');
    const allowed = (headers.get('access-control-allow-headers') ?? '').toLowerCase().split(', ');
    expect(allowed).toEqual(
      expect.arrayContaining([
        'authorization',
        'neon-connection-string',
        'neon-raw-text-output',
        'neon-array-mode',
        'neon-pool-opt-in',
        'neon-batch-read-only',
        'neon-batch-isolation-level',
        // Neon's own list lacks them, so that a browser could not send them.
        'neon-batch-deferrable',
        'content-type',
      ]),
    );
  });

  it('knows no other method, and says so without CORS', async () => {
    const response = await fetch(`${gateway.url}/sql`);
    expect([response.status, await response.text()]).toEqual([400, '"query is not supported"']);
    expect(response.headers.get('access-control-allow-origin')).toBeNull();
  });

  it('numbers every answer, errors too', async () => {
    const answers = await Promise.all([
      post({ query: 'select 1' }),
      post({ query: 'select 1 / 0' }),
      post({ query: 1 }),
      post({ query: 'select 1' }, { authorization: 'Bearer x' }),
    ]);
    const ids = answers.map(({ headers }) => headers.get('neon-request-id'));
    expect(new Set(ids).size).toBe(4);
    for (const id of ids) expect(id).toMatch(/^[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}$/);
    for (const { headers } of answers) expect(headers.get('content-type')).toBe('application/json');
  });
});

describe('headers', () => {
  it.each(['TRUE', '1', 'yes', ' '])('%j switches nothing on', async (value) => {
    const { json, headers } = await post(
      { queries: [{ query: 'select 1 as a' }] },
      {
        'neon-raw-text-output': value,
        'neon-array-mode': value,
        'neon-batch-read-only': value,
        'neon-batch-deferrable': value,
      },
    );
    expect(json['results']).toMatchObject([{ rows: [{ a: 1 }], rowAsArray: false }]);
    expect([headers.get('neon-batch-read-only'), headers.get('neon-batch-deferrable')]).toEqual([null, null]);
  });

  it('an isolation level is judged for a single query, too', async () => {
    const { status, json } = await post(
      { query: 'select 1' },
      { 'neon-batch-isolation-level': 'serializable' },
    );
    expect([status, json['message']]).toEqual([400, 'invalid isolation level']);
  });

  it.each(['bearer', 'Bearer', 'Token x', 'BEARER '])('%j is no bearer token', async (value) => {
    const { status, json } = await post({ query: 'select 1' }, { authorization: value });
    expect([status, json['message']]).toEqual([
      400,
      'missing authentication credentials: required authorization bearer token in JWT format',
    ]);
  });
});

describe('the connection string', () => {
  it.each([
    ['a database with a space in its name', () => target()],
    [
      'parameters, a fragment, a port and a password, which count for nothing',
      () =>
        `postgres://authenticated:%25%2B%24%5E%26%2A%40%21@api.example.test:1/${name()}?options=-c%20role%3Dpostgres&sslmode=disable#x`,
    ],
    ['more of a path than the database', () => target('/more')],
  ])('may have %s', async (_, url) => {
    expect(
      await rows('select auth.user_id() as who, current_user as role, current_database() as db', [], {
        'neon-connection-string': url(),
      }),
    ).toEqual([{ who: 'alice', role: 'authenticated', db: database.name }]);
  });

  it.each([
    ['postgres://authenticated@host/%ff', 'invalid username: not UTF-8'],
    ['http://authenticated@host/x', 'incorrect scheme'],
    ['postgres://@host/x', 'missing username'],
    ['x', 'invalid connection string: not a URL'],
  ])('%s is refused before anything else is looked at', async (url, message) => {
    const { status, json } = await post('no body', { 'neon-connection-string': url, authorization: 'x' });
    expect([status, json['message']]).toEqual([400, message]);
  });
});

describe('the body', () => {
  it('may have keys that nobody knows, and is a single query when it is both', async () => {
    const both = { query: 'select 1 as a', queries: [{ query: 'select 2' }], more: true, arrayMode: null };
    expect((await post(both)).json).toMatchObject({ rows: [{ a: 1 }] });
  });

  it.each([
    ['null', null, null],
    ['a number', 42, '42'],
    ['a number that no float holds', 1.5e300, '1.5e+300'],
    ['true', true, 'true'],
    ['text', `it's "x" \\ {}`, `it's "x" \\ {}`],
    ['an object', { a: [1, 'x', null] }, '{"a":[1,"x",null]}'],
    ['an empty array', [], '{}'],
    ['an array', [1, true, 'NULL', null, 'a "b" \\c', 'd,e'], '{1,true,"NULL",NULL,"a \\"b\\" \\\\c","d,e"}'],
    [
      'nested arrays',
      [
        [1, 2],
        [3, null],
      ],
      '{{1,2},{3,NULL}}',
    ],
    ['objects in an array', [{ a: 'x"y' }], '{"{\\"a\\":\\"x\\\\\\"y\\"}"}'],
  ])('%s becomes text of PostgreSQL', async (_, value, text) => {
    expect(await rows('select $1 as value', [value])).toEqual([{ value: text }]);
  });

  it('a parameter that PostgreSQL knows no type of comes back as text', async () => {
    expect(await rows('select $1', [42])).toEqual([{ '?column?': '42' }]);
    expect(await rows('select $1::jsonb[] as a', [[{ b: 1 }, null]])).toEqual([{ a: [{ b: 1 }, null] }]);
  });

  it('is bounded while it streams in, whether it says how long it is or not', async () => {
    const send = (headers: Record<string, string>, chunks: number): Promise<readonly [number, string]> =>
      new Promise((resolve, reject) => {
        const { hostname, port } = new URL(gateway.url);
        const sent = request(
          {
            hostname,
            port,
            path: '/sql',
            method: 'POST',
            headers: { 'neon-connection-string': target(), authorization: `Bearer ${alice}`, ...headers },
          },
          (response) =>
            void textOf(response).then((text) => resolve([response.statusCode ?? 0, text]), reject),
        );
        sent.on('error', () => {}); // the connection may end before all is sent
        for (let n = 0; n < chunks; n += 1) sent.write(Buffer.alloc(1_048_576, 120));
        sent.end();
      });
    const refused = [413, expect.stringContaining('request is too large (max is 10485760 bytes)')];
    expect(await send({ 'content-length': '999999999999' }, 0)).toEqual(refused);
    expect(await send({ 'transfer-encoding': 'chunked' }, 12)).toEqual(refused);
  });
});

describe('a result', () => {
  it.each([
    ['select 1 as a union select 2', 'SELECT', 2],
    ['insert into things (id) values (1), (2) returning id', 'INSERT', 2],
    ['update things set feeling = null', 'UPDATE', 2],
    ['delete from things where id = 2', 'DELETE', 1],
    ['values (1)', 'SELECT', 1],
    [`select relname from pg_class where relname = 'things'`, 'SELECT', 1],
    ['delete from things', 'DELETE', 1],
  ])('of %s says what it did', async (query, command, rowCount) => {
    expect((await post({ query })).json).toMatchObject({ command, rowCount });
  });

  it('has its keys in order, with every row under a name that two columns have', async () => {
    const { text, json } = await post({ query: 'select 1 as a, 2 as a' });
    expect(Object.keys(json)).toEqual(['fields', 'rows', 'command', 'rowCount', 'rowAsArray']);
    expect(text).toContain('"rows":[{"a":1,"a":2}]');
  });

  it('raw text in objects', async () => {
    expect(
      await rows(`select true as a, null as b, array[1, null] as c`, [], { 'neon-raw-text-output': 'true' }),
    ).toEqual([{ a: 't', b: null, c: '{1,NULL}' }]);
  });

  it('types that are the database’s own: enums, their arrays, domains, composites', async () => {
    expect(
      await rows(
        `select 'ok'::mood as a, array['sad', 'so "so"', null]::mood[] as b, 'abc'::short as c, (1, 'x')::pair as d,
          '[2:3]={1,2}'::int[] as e, '{{1},{2}}'::int[] as f, '{}'::mood[] as g, '{t,f}'::bool[] as h, array['a,b', '']::text[] as i`,
      ),
    ).toEqual([
      {
        a: 'ok',
        b: ['sad', 'so "so"', null],
        c: 'abc',
        d: '(1,x)',
        e: [1, 2],
        f: [[1], [2]],
        g: [],
        h: [true, false],
        i: ['a,b', ''],
      },
    ]);
  });

  it('numbers that JSON has none for, and those that a double would round, are text', async () => {
    expect(
      await rows(
        `select 'Infinity'::float8 as a, '-Infinity'::float4 as b, 1.10::numeric as c, 9007199254740993 as d, 1::int2 as e`,
      ),
    ).toEqual([{ a: 'Infinity', b: '-Infinity', c: '1.10', d: '9007199254740993', e: 1 }]);
  });
});

describe('an error', () => {
  it('of PostgreSQL has text for every place, and one of the gateway has empty code and severity', async () => {
    const { status, json } = await post({ query: 'select 1 + nothing', params: [] });
    expect(status).toBe(400);
    expect(json).toMatchObject({ code: '42703', severity: 'ERROR', position: '12', internalPosition: null });
    expect(json['line']).toEqual(expect.stringMatching(/^\d+$/));
    expect((await post({ query: 1 })).json).toMatchObject({ code: '', severity: '', detail: null });
  });

  it.each([
    ['select $1::int', [], '08P01'],
    ['select 1', [1], '08P01'],
    ['copy things to stdout', [], '42501'],
    ['create table mine (id int)', [], '42501'],
    ['drop table things', [], '42501'],
    ['select 1; select 2', [], '42601'],
    [`insert into things (id, owner) values (9, 'bob')`, [], '42501'],
    [`select $1::int`, ['x'], '22P02'],
  ])('%s with %j is 400 with %s, and the next request is served', async (query, params, code) => {
    const { status, json } = await post({ query, params });
    expect([status, json['code']]).toEqual([400, code]);
    expect(await rows('select 1 as a')).toEqual([{ a: 1 }]);
  });
});

describe('a batch', () => {
  it('of ten echoes what it asked for, each query in the form that it asks for', async () => {
    const queries = Array.from({ length: 10 }, (_, n) => ({
      query: 'select $1::int as n',
      params: [n],
      ...(n % 2 === 0 ? { arrayMode: true } : {}),
    }));
    const { json, headers } = await post(
      { queries },
      {
        'neon-batch-isolation-level': 'Serializable',
        'neon-batch-read-only': 'true',
        'neon-batch-deferrable': 'true',
      },
    );
    expect((json['results'] as readonly object[]).map((each) => Reflect.get(each, 'rows'))).toEqual(
      queries.map((_, n) => [n % 2 === 0 ? [n] : { n }]),
    );
    expect(headers.get('neon-batch-isolation-level')).toBe('Serializable');
    expect(headers.get('neon-batch-read-only')).toBe('true');
    expect(headers.get('neon-batch-deferrable')).toBe('true');
  });

  it('is one transaction of one backend, and the next one is another transaction', async () => {
    const ask = { query: 'select pg_backend_pid() as pid, pg_current_xact_id()::text as xid' };
    const batch = async (): Promise<readonly Readonly<Record<string, unknown>>[]> =>
      (
        (await post({ queries: [ask, ask] })).json['results'] as readonly {
          rows: readonly [Record<string, unknown>];
        }[]
      ).map((each) => each.rows[0]);
    const [first, second] = [await batch(), await batch()];
    expect(first[0]).toEqual(first[1]);
    expect(second[0]).toEqual(second[1]);
    expect(second[0]?.['xid']).not.toBe(first[0]?.['xid']);
  });

  it('that fails in the middle leaves nothing, and says what failed as a single query does', async () => {
    const { status, json } = await post({
      queries: [{ query: 'insert into things (id) values (7)' }, { query: 'select 1 / 0' }],
    });
    expect([status, json['code']]).toEqual([400, '22012']);
    expect(await rows('select id from things where id = 7')).toEqual([]);
  });
});

describe('connections are shared, and people do not meet in them', () => {
  it('no more backends than there may be serve one request after the other', async () => {
    const pids = [];
    for (let n = 0; n < 12; n += 1) pids.push(JSON.stringify(await rows('select pg_backend_pid()')));
    expect(new Set(pids).size).toBeLessThanOrEqual(3);
  });

  it.each(['begin', 'start transaction', `set application_name = 'mine'`, 'discard all', 'deallocate all'])(
    '%s of one request is nothing to the next, be it refused or not',
    async (query) => {
      const ask = `select current_setting('application_name') as name, pg_current_xact_id_if_assigned() is null as idle`;
      const before = await rows(ask);
      await post({ query });
      expect(await rows(ask)).toEqual(before);
      await post({ query: 'select 1 / 0' });
      expect(await rows(ask)).toEqual(before);
    },
  );

  it('eleven that sleep at once are all served', async () => {
    const answers = await Promise.all(
      Array.from({ length: 11 }, () => post({ query: 'select pg_sleep(0.05)' })),
    );
    expect(answers.map(({ status }) => status)).toEqual(Array.from({ length: 11 }, () => 200));
  });

  it('what a client has given up is cancelled, so that the same key can be had again, once', async () => {
    const given = new AbortController();
    const lost = fetch(`${gateway.url}/sql`, {
      method: 'POST',
      headers: { 'neon-connection-string': target(), authorization: `Bearer ${alice}` },
      body: JSON.stringify({
        query: `with s as (insert into things (id) values (100) returning id) select id, pg_sleep(30) from s`,
      }),
      signal: given.signal,
    });
    await expect
      .poll(async () => {
        const { rowCount } = await runAsOwnerRows(
          `SELECT FROM pg_stat_activity WHERE query LIKE 'with s as%' AND state = 'active'`,
        );
        return rowCount;
      })
      .toBe(1);
    given.abort();
    await expect(lost).rejects.toThrow();
    const insert = { query: 'insert into things (id) values (100)' };
    await expect.poll(async () => (await post(insert)).status, { timeout: 10_000 }).toBe(200);
    expect((await post(insert)).json).toMatchObject({ code: '23505' });
  });
});

async function runAsOwnerRows(text: string): Promise<{ readonly rowCount: number | null }> {
  const { default: pg } = await import('pg');
  const client = new pg.Client({ connectionString: database.ownerUrl });
  await client.connect();
  try {
    return await client.query(text);
  } finally {
    await client.end();
  }
}

describe('the unmodified driver', () => {
  it('.query with a text and parameters, in every form of result', async () => {
    const sql = neon(target(), { authToken: alice });
    expect(await sql.query('select $1::int as a', [1])).toEqual([{ a: 1 }]);
    expect(await sql.query('select $1::int as a', [1], { arrayMode: true })).toEqual([[1]]);
    expect(await sql.query('select $1::int as a', [1], { fullResults: true })).toMatchObject({
      rows: [{ a: 1 }],
      rowCount: 1,
      command: 'SELECT',
      fields: [{ name: 'a', dataTypeID: 23 }],
      rowAsArray: false,
      viaNeonFetch: true,
    });
  });

  it('templates in templates, and raw pieces', async () => {
    const sql = neon(target(), { authToken: alice });
    const filter = sql`where a > ${1}`;
    expect(await sql`select a from ${sql.unsafe('generate_series(1, 3) as a')} ${filter}`).toEqual([
      { a: 2 },
      { a: 3 },
    ]);
  });

  it('a pool that asks by fetch', async () => {
    neonConfig.poolQueryViaFetch = true;
    try {
      // The pool takes its token from the connection string alone: a visitor's queries, then.
      const pool = new Pool({ connectionString: `postgres://anonymous@db.example.test/${name()}` });
      const { rows: found, rowCount } = await pool.query('select $1::int as a', [1]);
      expect([found, rowCount]).toEqual([[{ a: 1 }], 1]);
      await pool.end();
    } finally {
      neonConfig.poolQueryViaFetch = false;
    }
  });
});

it('a migrator is told that an identity role may not make tables', async () => {
  const { json } = await post({ query: 'create schema if not exists "drizzle"' });
  expect(json).toMatchObject({ code: '42501', message: expect.stringMatching(/CREATE/i) });
  await runAsOwner(database.ownerUrl, ['SELECT 1']);
});
