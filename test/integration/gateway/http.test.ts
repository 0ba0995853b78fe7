import { neon, neonConfig, NeonDbError } from '@neondatabase/serverless';
import { eq } from 'drizzle-orm';
import { drizzle } from 'drizzle-orm/neon-http';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';

import { createGateway, useGateway, type Gateway } from '../../../src/gateway/index.ts';
import { startGateway } from '../../support/gateway.ts';
import { createIssuer, type TestIssuer } from '../../support/issuer.ts';
import { withClient, type SealedDatabase } from '../../support/sealed-database.ts';
import { createTodoDatabase, resetTodos, schema, todos } from '../../support/todo-app.ts';

let database: SealedDatabase;
let issuer: TestIssuer;
let gateway: Gateway;
let alice: string;
let bob: string;

beforeAll(async () => {
  database = await createTodoDatabase('gateway');
  issuer = await createIssuer();
  [alice, bob] = await Promise.all([issuer.token('alice'), issuer.token('bob')]);
  gateway = await startGateway({ database, issuer }, { maxConnections: 3 });
  useGateway(neonConfig, gateway.url);
});

afterAll(async () => {
  await gateway.close();
  await database.drop();
});

beforeEach(async () => {
  await resetTodos(database);
});

const urlOf = (role: string): string =>
  `postgresql://${role}:ignored@db.example.test/${database.name}?sslmode=require`;
const as = (token: string) => neon(urlOf('authenticated'), { authToken: () => token });
const visitor = () => neon(urlOf('anonymous'));

interface Raw {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  readonly json: unknown;
}

async function post(body: unknown, headers: Record<string, string> = {}, path = '/sql'): Promise<Raw> {
  const response = await fetch(`${gateway.url}${path}`, {
    method: 'POST',
    headers: {
      'neon-connection-string': urlOf('authenticated'),
      authorization: `Bearer ${alice}`,
      'neon-raw-text-output': 'true',
      'neon-array-mode': 'true',
      ...headers,
    },
    body: typeof body === 'string' ? body : JSON.stringify(body),
  });
  const text = await response.text();
  return { status: response.status, headers: response.headers, text, json: JSON.parse(text) };
}

async function refusal(work: Promise<unknown>): Promise<NeonDbError> {
  try {
    await work;
  } catch (error) {
    const cause = error instanceof Error && error.cause !== undefined ? error.cause : error;
    if (cause instanceof NeonDbError) return cause;
    throw error;
  }
  throw new Error('it was let through');
}

describe('the unmodified driver', () => {
  it('reads and writes as the person of the token', async () => {
    const ofAlice = await as(alice)`select title from todos order by id`;
    expect(ofAlice).toEqual([{ title: 'water the plants' }, { title: 'read a book' }]);
    const [added] = await as(
      bob,
    )`insert into todos (title) values (${'sweep'}) returning user_id, title, done`;
    expect(added).toEqual({ user_id: 'bob', title: 'sweep', done: false });
    expect(await as(alice)`update todos set done = true where id = 3 returning id`).toEqual([]);
    expect(await as(alice)`delete from todos where user_id = 'bob' returning id`).toEqual([]);
  });

  it('serves a visitor without a token what is public', async () => {
    expect(await visitor()`select title from todos`).toEqual([{ title: 'read a book' }]);
    expect((await refusal(visitor()`insert into todos (title, user_id) values ('spam', 'alice')`)).code).toBe(
      '42501',
    );
  });

  it('gets values of every kind, and what a result says of itself', async () => {
    const [row] = await as(
      alice,
    )`select ${1}::int as int, ${'2'}::bigint as big, ${1.5}::float8 as float, ${true}::bool as bool,
      ${null}::text as nothing, ${['a', 'b "c"', null]}::text[] as texts, ${[[1], [2]]}::int[] as ints, ${{ a: [1] }}::jsonb as json,
      ${Buffer.from([0, 255])} as bytes, '2026-01-02T03:04:05Z'::timestamptz as at, '{}'::text[] as empty`;
    expect(row).toMatchObject({
      int: 1,
      big: '2',
      float: 1.5,
      bool: true,
      nothing: null,
      texts: ['a', 'b "c"', null],
      ints: [[1], [2]],
      json: { a: [1] },
      at: new Date('2026-01-02T03:04:05Z'),
      empty: [],
    });
    expect(Buffer.from(row?.['bytes'] as Uint8Array)).toEqual(Buffer.from([0, 255]));
    const full = await neon(urlOf('authenticated'), {
      authToken: alice,
      fullResults: true,
    })`update todos set done = true`;
    expect(full).toMatchObject({ command: 'UPDATE', rowCount: 2, fields: [], rows: [] });
  });

  it('runs a batch that has the same statement several times, however often', async () => {
    const sqlAs = as(alice);
    const ask = sqlAs`select title from todos where id = ${1}`;
    const once = await ask;
    for (let n = 0; n < 8; n += 1) {
      expect(await sqlAs.transaction([ask, ask, ask])).toEqual([once, once, once]);
    }
  });

  it('runs a batch as one transaction with the options it asks for', async () => {
    const sqlAs = as(alice);
    const [inserted, counted, level] = await sqlAs.transaction(
      [
        sqlAs`insert into todos (title) values ('first') returning user_id`,
        sqlAs`select count(*)::int as n from todos`,
        sqlAs`select current_setting('transaction_isolation') as isolation, auth.user_id() as who`,
      ],
      { isolationLevel: 'Serializable' },
    );
    expect([inserted, counted, level]).toEqual([
      [{ user_id: 'alice' }],
      [{ n: 3 }],
      [{ isolation: 'serializable', who: 'alice' }],
    ]);
    const failing = sqlAs.transaction([
      sqlAs`insert into todos (title) values ('lost')`,
      sqlAs`select 1 / 0`,
    ]);
    expect((await refusal(failing)).code).toBe('22012');
    expect(await sqlAs`select id from todos where title = 'lost'`).toEqual([]);
    const readOnly = sqlAs.transaction([sqlAs`insert into todos (title) values ('lost')`], {
      readOnly: true,
    });
    expect((await refusal(readOnly)).code).toBe('25006');
    expect(await sqlAs.transaction([])).toEqual([]);
    // A deferred constraint speaks at COMMIT.
    const late = sqlAs.transaction([sqlAs`insert into todos (title) values ('read a book') returning id`]);
    expect((await refusal(late)).code).toBe('23505');
  });

  it("carries drizzle's neon-http", async () => {
    const db = drizzle({ client: as(bob), schema });
    expect(
      await db.query.todos.findMany({ with: { notes: true }, where: eq(todos.userId, 'bob') }),
    ).toMatchObject([{ title: 'call mum', notes: [{ body: 'on sunday' }] }]);
    const [first, second] = await db.batch([
      db.insert(todos).values({ title: 'pack' }).returning(),
      db.select({ title: todos.title }).from(todos).where(eq(todos.userId, 'bob')).orderBy(todos.id),
    ]);
    expect(first).toMatchObject([{ userId: 'bob', title: 'pack' }]);
    expect(second).toEqual([{ title: 'call mum' }, { title: 'pack' }]);
    expect(await db.$count(todos)).toBe(3);
  });

  it('gets the errors of PostgreSQL with their fields', async () => {
    const duplicate = await refusal(as(alice)`insert into todos (id, title) values (1, 'again')`);
    expect(duplicate).toMatchObject({
      message: 'duplicate key value violates unique constraint "todos_pkey"',
      code: '23505',
      severity: 'ERROR',
      schema: 'public',
      table: 'todos',
      constraint: 'todos_pkey',
    });
    expect(await refusal(as(alice).query('select * from nowhere'))).toMatchObject({
      code: '42P01',
      position: '15',
    });
    expect(await refusal(as(alice).query('select $1::int'))).toMatchObject({ code: '08P01' });
    expect(await refusal(as(alice).query('select from from'))).toMatchObject({ code: '42601' });
    expect(await refusal(as(alice).query('select 1; select 2'))).toMatchObject({ code: '42601' });
  });
});

describe('a request is refused', () => {
  it.each([
    ['tampered', () => `${alice.slice(0, -8)}AAAAAAAA`, /signature/u],
    ['expired', () => issuer.token('alice', { exp: 1_700_000_000 }), /expired/u],
    ['of another audience', () => issuer.token('alice', { aud: 'another' }), /"aud"/u],
    ['malformed', () => 'abc', /JWT/iu],
    [
      'not for this role',
      async () => (await createIssuer('https://id.example', ['authenticated'])).token('alice'),
      /signature/u,
    ],
  ])('with a token that is %s', async (_, token, message) => {
    const text = await token();
    const error = await refusal(as(text)`select title from todos`);
    expect(error.message).toMatch(message);
    expect(error.code).toBe('28000');
    expect(JSON.stringify(error)).not.toContain(text);
  });

  it('without a token for an identity role, and says what the likely cause is', async () => {
    const promised = neon(urlOf('authenticated'), { authToken: Promise.resolve(alice) as never });
    const error = await refusal(promised`select title from todos`);
    expect(error.message).toContain("role 'authenticated'");
    expect(error.hint).toMatch(/authToken was probably a promise/u);
    expect((await refusal(neon(urlOf('authenticated'))`select 1`)).code).toBe('28000');
  });

  it('for a role, a database or a login that is not served, whatever the password', async () => {
    expect((await refusal(neon(urlOf('postgres'))`select 1`)).message).toContain("'postgres' is not served");
    expect((await refusal(neon(urlOf('postgres'), { authToken: alice })`select 1`)).code).toBe('28000');
    expect((await refusal(neon('postgresql://anonymous@db.example.test/postgres')`select 1`)).code).toBe(
      '3D000',
    );
    expect((await refusal(neon(urlOf('anonymous'), { authToken: alice })`select 1`)).code).toBe('42501');
  });

  it.each([
    [
      'no connection string',
      { 'neon-connection-string': '' },
      { query: 'select 1' },
      'invalid connection string: not a URL',
    ],
    [
      'another scheme',
      { 'neon-connection-string': 'mysql://a@b/c' },
      { query: 'select 1' },
      'incorrect scheme',
    ],
    [
      'no database',
      { 'neon-connection-string': 'postgres://a@b' },
      { query: 'select 1' },
      'missing database name',
    ],
    ['no user', { 'neon-connection-string': 'postgres://b/c' }, { query: 'select 1' }, 'missing username'],
    [
      'another isolation level',
      { 'neon-batch-isolation-level': 'Chaos' },
      { query: 'select 1' },
      'invalid isolation level',
    ],
    [
      'basic authorization',
      { authorization: 'Basic x' },
      { query: 'select 1' },
      'missing authentication credentials: required authorization bearer token in JWT format',
    ],
    ['a body that is not JSON', {}, '{', 'could not parse the HTTP request body: not JSON'],
    [
      'params that are null',
      {},
      { query: 'select 1', params: null },
      'could not parse the HTTP request body: expected {"query": string, "params"?: array} or {"queries": [...]}',
    ],
  ])('with %s', async (_, headers, body, message) => {
    const { status, json, headers: answered } = await post(body, headers);
    expect(status).toBe(400);
    expect(json).toMatchObject({ message });
    expect(answered.get('content-type')).toBe('application/json');
    expect(answered.get('access-control-allow-origin')).toBe('*');
    expect(Object.keys(json as object).join(' ')).toBe(
      'message code detail hint position internalPosition internalQuery severity where ' +
        'table column schema dataType constraint file line routine',
    );
  });

  it('that is too large, or whose answer would be', async () => {
    const big = await post({ query: 'select $1', params: ['x'.repeat(10_485_760)] });
    expect([big.status, big.json]).toMatchObject([
      413,
      { message: 'request is too large (max is 10485760 bytes)' },
    ]);
    const answer = await post({ query: `select repeat('x', 1000000) from generate_series(1, 1000)` });
    expect([answer.status, answer.json]).toMatchObject([
      507,
      { message: 'response is too large (max is 10485760 bytes)' },
    ]);
    expect((await post({ query: 'select 1' })).status).toBe(200);
  });

  it('for another path or method, with a bare string', async () => {
    expect(await post({ query: 'select 1' }, {}, '/other')).toMatchObject({
      status: 400,
      text: '"query is not supported"',
    });
    const preflight = await fetch(`${gateway.url}/sql`, { method: 'OPTIONS' });
    expect([preflight.status, preflight.headers.get('access-control-allow-headers')]).toEqual([
      200,
      expect.stringContaining('Neon-Connection-String'),
    ]);
  });
});

it('no answer of the gateway itself quotes a token, a key, a password or a parameter', async () => {
  const secret = 'parameter-9c41d7';
  const bad = `${bob.slice(0, -8)}AAAAAAAA`;
  const requests: readonly (readonly [unknown, Record<string, string>])[] = [
    [{ query: 'select $1', params: [secret] }, { authorization: `Bearer ${bad}` }],
    [{ query: 'select $1', params: [secret] }, { authorization: bad }],
    [
      { query: 'select $1', params: [secret] },
      { 'neon-connection-string': `postgres://postgres:${secret}@x/${database.name}` },
    ],
    [{ query: 'select $1', params: [secret] }, { 'neon-connection-string': `postgres//${secret}` }],
    [{ query: 'lock table todos', params: [secret] }, {}],
    [{ query: `select set_config('search_path', '${secret}', false)` }, {}],
    [{ query: 'select 1', params: secret }, {}],
    [`{"query": "${secret}`, {}],
    [{ query: 'select $1', params: [secret, 'x'.repeat(10_485_760)] }, {}],
    [{ query: `select $1 || repeat('x', 1000000) from generate_series(1, 20)`, params: [secret] }, {}],
  ];
  const secrets = [secret, alice, bad, database.authorizeKey, new URL(database.authenticatedUrl).password];
  for (const [body, headers] of requests) {
    const { status, text } = await post(body, headers);
    expect(status).not.toBe(200);
    for (const each of secrets.flatMap((part) => [part, ...part.split('.')]))
      expect(text).not.toContain(each);
  }
});

describe('an answer', () => {
  const query = `select 1::int as a, 2.5::float8 as b, true as c, '{"x": 1.10}'::jsonb as d, array[1, null] as e, 9007199254740993 as f,
    null as g, 'NaN'::float8 as h, '{}'::text[] as i, array['p"q', 'NULL'] as j`;

  it.each([
    [
      { 'neon-raw-text-output': 'true', 'neon-array-mode': 'true' },
      '["1","2.5","t","{\\"x\\": 1.10}","{1,NULL}","9007199254740993",null,"NaN","{}","{\\"p\\\\\\"q\\",\\"NULL\\"}"]',
    ],
    [
      { 'neon-raw-text-output': 'false', 'neon-array-mode': 'true' },
      '[1,2.5,true,{"x": 1.10},[1,null],"9007199254740993",null,"NaN",[],["p\\"q","NULL"]]',
    ],
    [
      { 'neon-raw-text-output': 'false', 'neon-array-mode': 'false' },
      '{"a":1,"b":2.5,"c":true,"d":{"x": 1.10},"e":[1,null],"f":"9007199254740993","g":null,"h":"NaN","i":[],"j":["p\\"q","NULL"]}',
    ],
  ])('in the form that %j asks for', async (headers, row) => {
    const { text, headers: answered } = await post({ query }, headers);
    expect(text).toContain(
      `"rows":[${row}],"command":"SELECT","rowCount":1,"rowAsArray":${headers['neon-array-mode']}}`,
    );
    expect(answered.get('neon-request-id')).toMatch(/^[0-9a-f-]{36}$/u);
  });

  it('describes its columns', async () => {
    const { json } = await post({ query: 'select id, title from todos limit 0' });
    expect(json).toMatchObject({
      fields: [
        { name: 'id', dataTypeID: 23, columnID: 1, dataTypeSize: 4, dataTypeModifier: -1, format: 'text' },
        {
          name: 'title',
          dataTypeID: 25,
          columnID: 3,
          dataTypeSize: -1,
          dataTypeModifier: -1,
          format: 'text',
        },
      ],
      rows: [],
      command: 'SELECT',
      rowCount: 0,
      rowAsArray: true,
    });
  });

  it('of a batch echoes what was asked for, and only that', async () => {
    const body = {
      queries: [{ query: 'select 1 as a', params: [], arrayMode: false }, { query: 'select 2 as a' }],
    };
    const { json, headers } = await post(body, {
      'neon-batch-read-only': 'true',
      'neon-batch-deferrable': 'false',
    });
    expect(json).toMatchObject({ results: [{ rows: [{ a: '1' }] }, { rows: [['2']] }] });
    expect(headers.get('neon-batch-read-only')).toBe('true');
    expect(headers.get('neon-batch-deferrable')).toBeNull();
    expect((await post({ queries: [] })).text).toBe('{"results":[]}');
    expect((await post({ query: '' })).json).toMatchObject({ command: '', rowCount: null, rows: [] });
  });
});

describe('a person cannot become another, nor leave anything behind', () => {
  it('by set_config inside a SELECT', async () => {
    for (const seal of [`''`, `replace(current_setting('authorize.seal'), 'bob', 'alice')`]) {
      const forged = as(bob)
        .query(`with f as materialized (select set_config('authorize.seal', ${seal}, true) as seal)
        select t.title from f, lateral (select title from todos where f.seal is not null) as t`);
      expect((await refusal(forged)).code).toBe('28000');
    }
  });

  it('by a batch that changes the seal between its queries', async () => {
    const sqlAs = as(bob);
    const forged = sqlAs.transaction([
      sqlAs`select set_config('authorize.seal', replace(current_setting('authorize.seal'), 'bob', 'alice'), true)`,
      sqlAs`select title from todos`,
    ]);
    expect((await refusal(forged)).code).toBe('28000');
  });

  it.each([
    [`alter role authenticated set search_path = nowhere`, 'ALTER ROLE SET'],
    [`set role anonymous`, 'SET'],
    [`commit`, 'transaction control'],
    [`create temp table todos (id int)`, 'CREATE TABLE'],
    [`select 1 as id into temp todos`, 'SELECT INTO'],
    [`with a as (select 1) select * into temp todos from a`, 'SELECT INTO'],
    [`do $$ begin end $$`, 'DO'],
    [`copy todos to stdout`, 'COPY'],
    [`listen x`, 'LISTEN'],
    [`prepare p as select 1`, 'PREPARE'],
    [`declare c cursor with hold for select 1`, 'DECLARE CURSOR'],
    [`explain select 1`, 'EXPLAIN'],
    [`lock table todos`, 'LOCK TABLE'],
    [`truncate todos`, 'TRUNCATE'],
    [`vacuum`, 'VACUUM'],
    [`select set_config('search_path', 'nowhere', false)`, 'set_config'],
    [`select set_config('search' || '_path', 'nowhere', false)`, 'set_config'],
    [`select * from todos where pg_advisory_lock(1) is null`, 'pg_advisory_lock'],
    [`select pg_catalog.pg_notify('a', 'b')`, 'pg_notify'],
    [`select "query_to_xml"('select 1', true, true, '')`, 'query_to_xml'],
    [`select lo_create(0)`, 'lo_create'],
    [`select (42::bigint).pg_advisory_lock`, 'pg_advisory_lock'],
    [`select o.lo_unlink from unnest('{1}'::oid[]) as o`, 'lo_unlink'],
    [`select set_config(is_local => false, setting_name => 'search_path', new_value => 'a.b')`, 'set_config'],
    [`select U&"\\0070g_notify"('a', 'b')`, 'pg_notify'],
    [
      `insert into todos (title) values ('x') on conflict do nothing returning pg_notify('a', 'b')`,
      'pg_notify',
    ],
    [`select * from rows from (pg_stat_get_activity(null)) as a`, 'pg_stat_get_activity'],
    [
      `merge into todos using (select 1) as s on true when matched then update set title = pg_notify('a', 'b')::text`,
      'pg_notify',
    ],
    [`update todos set title = 'x' where exists (select pg_terminate_backend(1))`, 'pg_terminate_backend'],
    [`update pg_settings set setting = 'nowhere' where name = 'search_path'`, 'pg_settings'],
    [`select query from pg_catalog.pg_stat_activity`, 'pg_stat_activity'],
  ])('by %s', async (text, named) => {
    const error = await refusal(as(bob).query(text));
    expect(error.code).toBe('42501');
    expect(error.message.toLowerCase()).toContain(named.toLowerCase());
    // The same in a batch, where nothing of it may run.
    const sqlAs = as(bob);
    const batch = sqlAs.transaction([sqlAs`insert into todos (title) values ('before')`, sqlAs.query(text)]);
    expect((await refusal(batch)).code).toBe('42501');
    expect(await as(bob)`select id from todos where title = 'before'`).toEqual([]);
  });

  it('by settings of its own, which the next person does not meet', async () => {
    await as(bob)`select set_config('app.left', 'behind', false), setseed(0.5)`;
    const seen = await Promise.all(
      Array.from(
        { length: 6 },
        () => as(alice)`select coalesce(current_setting('app.left', true), '') as left_behind`,
      ),
    );
    for (const rows of seen) expect(rows).toEqual([{ left_behind: '' }]);
  });

  it.each([
    ['', ''],
    [', where its URL has options as well', '?options=-c%20geqo_seed%3D0.5%20-c%20search_path%3Delsewhere'],
  ])(
    'by a search path or a timeout that the role was given for its future sessions%s',
    async (_, options) => {
      // What an identity role could do on any other connection to the database.
      await withClient(database.authenticatedUrl, async (client) => {
        await client.query(`alter role authenticated set search_path = nowhere`);
        await client.query(`alter role authenticated set statement_timeout = 1`);
        await client.query(`alter role authenticated set default_transaction_read_only = on`);
      });
      const other = await createGateway({
        connections: { authenticated: `${database.authenticatedUrl}${options}` },
        providers: [issuer.provider],
        key: database.authorizeKey,
        port: 0,
      });
      try {
        const response = await fetch(`${other.url}/sql`, {
          method: 'POST',
          headers: { 'neon-connection-string': urlOf('authenticated'), authorization: `Bearer ${alice}` },
          body: JSON.stringify({
            query: `insert into todos (title) select 'kept' from pg_sleep(0.05)
            returning user_id, current_setting('geqo_seed') as option`,
          }),
        });
        const option = options === '' ? '0' : '0.5';
        expect(await response.json()).toMatchObject({ rows: [{ user_id: 'alice', option }] });
      } finally {
        await other.close();
        await withClient(database.ownerUrl, (client) => client.query('alter role authenticated reset all'));
      }
    },
  );

  it('with fifty requests of ten people at once over three connections', async () => {
    const people = await Promise.all(Array.from({ length: 10 }, (_, n) => issuer.token(`person ${n}`)));
    const answers = await Promise.all(
      Array.from({ length: 50 }, async (_, n) => {
        const [row] = await as(people[n % 10] ?? '')`select auth.user_id() as who, pg_sleep(0.002)`;
        return row?.['who'] === `person ${n % 10}`;
      }),
    );
    expect(answers).toEqual(Array.from({ length: 50 }, () => true));
  });
});

describe('createGateway refuses', () => {
  const base = () => ({ providers: [issuer.provider], key: database.authorizeKey, port: 0 });

  it('connections that are missing, mixed up or not URLs, without quoting them', async () => {
    await expect(createGateway({ ...base(), connections: {} })).rejects.toThrow(TypeError);
    await expect(createGateway({ ...base(), connections: { authenticated: 'secret' } })).rejects.toThrow(
      /^(?!.*secret).*not a URL/u,
    );
    await expect(
      createGateway({ ...base(), connections: { authenticated: database.anonymousUrl } }),
    ).rejects.toThrow(/logs in as another role/u);
  });

  it('a port that is taken', async () => {
    const connections = { authenticated: database.authenticatedUrl };
    await expect(createGateway({ ...base(), connections, port: gateway.port })).rejects.toMatchObject({
      code: 'ERR_PORT_IN_USE',
    });
  });

  it('useGateway: what is not a URL of a web server', () => {
    const config = { fetchEndpoint: undefined as unknown };
    for (const url of ['', '127.0.0.1:4444', 'postgres://127.0.0.1'])
      expect(() => useGateway(config, url)).toThrow(TypeError);
    for (const url of ['http://127.0.0.1:4444', 'http://127.0.0.1:4444/', 'http://127.0.0.1:4444/sql']) {
      useGateway(config, url);
      expect((config.fetchEndpoint as () => string)()).toBe('http://127.0.0.1:4444/sql');
    }
  });
});

it('a database that cannot be reached is no error of the person', async () => {
  const lost = await createGateway({
    connections: { authenticated: database.authenticatedUrl.replace(/:\d+\//u, ':1/') },
    providers: [issuer.provider],
    key: database.authorizeKey,
    port: 0,
    waitTimeoutMs: 100,
  });
  const response = await fetch(`${lost.url}/sql`, {
    method: 'POST',
    headers: { 'neon-connection-string': urlOf('authenticated'), authorization: `Bearer ${alice}` },
    body: JSON.stringify({ query: 'select 1' }),
  });
  expect(response.status).toBe(500);
  expect(await response.json()).toMatchObject({ detail: 'ERR_DATABASE_UNREACHABLE' });
  await lost.close();
});
