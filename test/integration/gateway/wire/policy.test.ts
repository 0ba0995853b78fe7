import pg from 'pg';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';

import type { Gateway } from '../../../../src/gateway/index.ts';
import type { AuthorizeEvent } from '../../../../src/observe.ts';
import { startGateway } from '../../../support/gateway.ts';
import { createIssuer } from '../../../support/issuer.ts';
import { runAsOwner, type SealedDatabase } from '../../../support/sealed-database.ts';
import { createTodoDatabase, resetTodos } from '../../../support/todo-app.ts';
import {
  bind,
  errorFields,
  execute,
  message,
  openWireClient,
  parse,
  password,
  query,
  startupPacket,
  sync,
  type WireClient,
} from '../../../support/wire-client.ts';

let database: SealedDatabase;
let gateway: Gateway;
let alice: string;
let client: pg.Client;
const events: AuthorizeEvent[] = [];

beforeAll(async () => {
  database = await createTodoDatabase('wire_policy');
  const issuer = await createIssuer();
  alice = await issuer.token('alice');
  gateway = await startGateway(
    { database, issuer },
    {
      observe: (event) => {
        events.push(event);
      },
    },
  );
});

afterAll(async () => {
  await gateway.close();
  await database.drop();
});

beforeEach(async () => {
  await resetTodos(database);
  events.length = 0;
  client = new pg.Client({
    host: '127.0.0.1',
    port: gateway.tcp?.port ?? 0,
    user: 'authenticated',
    database: database.name,
    password: alice,
  });
  await client.connect();
});

afterEach(async () => {
  await client.end();
});

/** A session as alice, with every message by hand. */
async function openRaw(): Promise<WireClient> {
  const raw = await openWireClient(gateway.tcp?.port ?? 0);
  raw.send(startupPacket({ user: 'authenticated', database: database.name }), password(alice));
  await raw.until('Z');
  return raw;
}

const count = async (): Promise<unknown> =>
  (await client.query('select count(*)::int as n from todos')).rows[0];

describe('a statement that is not for an identity role', () => {
  const refused: Record<string, string> = {
    'ALTER ROLE SET': "alter role authenticated set search_path = 'x'",
    'CREATE TABLE': 'create table t (id int)',
    'SELECT INTO': 'select 1 into temp zz',
    'CREATE TABLE AS': 'create temp table t as select 1',
    TRUNCATE: 'truncate todos',
    COPY: 'copy todos to stdout',
    'LOCK TABLE': 'lock table todos',
    LISTEN: 'listen x',
    NOTIFY: 'notify x',
    EXPLAIN: 'explain select 1',
    DO: 'do $$ begin null; end $$',
    CALL: 'call something()',
    'two-phase': "prepare transaction 'x'",
    'WITH HOLD': 'declare c cursor with hold for select 1',
    'SET role': 'set role none',
    'RESET role': 'reset role',
    'SET session_authorization': 'set session authorization default',
    'SET search_path': "set search_path = 'x'",
    'SET statement_timeout': 'set local statement_timeout = 0',
    'SET client_encoding': "set names 'latin1'",
    'SET standard_conforming_strings': 'set "Standard_conforming_strings" = off',
    'SET authorize.seal': "set authorize.seal = ''",
    'RESET authorize.seal': 'reset authorize.seal',
    'SET TRANSACTION SNAPSHOT': "set transaction snapshot 'x'",
    pg_terminate_backend: 'select pg_terminate_backend(1)',
    pg_notify: "prepare p as select pg_notify('a', 'b')",
    lo_creat: 'declare c cursor for select lo_creat(1)',
    pg_advisory_lock: 'execute p(pg_advisory_lock(1))',
    gateway: 'deallocate "drizzle-authorize:check"',
  };

  it.each(Object.entries(refused))('is refused: %s', async (words, text) => {
    for (const named of [{}, { name: 'named' }]) {
      await expect(client.query({ text, ...named })).rejects.toMatchObject({
        severity: 'ERROR',
        code: '42501',
        message: expect.stringContaining(words),
      });
      expect(await count()).toEqual({ n: 2 });
    }
  });

  it('takes what is around it along, as an error of Postgres does', async () => {
    await client.query('begin');
    await client.query("insert into todos (title) values ('lost')");
    await expect(client.query('truncate todos')).rejects.toMatchObject({ code: '42501' });
    await expect(client.query('select 1')).rejects.toMatchObject({ code: '25P02' });
    await client.query('rollback');
    expect(await count()).toEqual({ n: 2 });

    await expect(
      client.query("insert into todos (title) values ('lost'); truncate todos"),
    ).rejects.toMatchObject({
      code: '42501',
    });
    expect(await count()).toEqual({ n: 2 });

    const raw = await openRaw();
    raw.send(parse('', "insert into todos (title) values ('lost')"), bind(''), execute());
    raw.send(parse('', 'truncate todos'), bind(''), execute(), parse('', 'select 1'), sync);
    const answer = await raw.until('Z');
    expect(answer.map(({ type }) => type).join('')).toBe('12CEZ');
    expect(await count()).toEqual({ n: 2 });
    raw.socket.destroy();
  });

  it('is an event with its kind', async () => {
    await client.query('truncate todos').catch(() => {});
    await client.query('select nothing').catch(() => {});
    await client.query('select 1 / $1::int', [0]).catch(() => {});
    await client.query('select id from todos');
    await client.query('update todos set done = true where title = $1', ['read a book']);
    expect(events).toMatchObject([
      { type: 'refusal', role: 'authenticated', subject: 'alice', statement: 'TRUNCATE', code: '42501' },
      { type: 'refusal', statement: 'SELECT', code: '42703' },
      { type: 'refusal', statement: 'SELECT', code: '22012' },
      { type: 'query', statement: 'SELECT', rows: 2, subject: 'alice' },
      { type: 'query', statement: 'UPDATE', rows: 1 },
    ]);
  });
});

describe('by the protocol itself', () => {
  it('a function is not called', async () => {
    const raw = await openRaw();
    raw.send(message('F', Buffer.alloc(10)));
    const [refusal, ready] = await raw.until('Z');
    expect(errorFields(refusal ?? { type: '', body: Buffer.alloc(0) })).toMatchObject({
      S: 'ERROR',
      C: '42501',
    });
    expect(ready?.body.toString()).toBe('I');
    raw.send(query('select 1'));
    expect((await raw.until('Z')).map(({ type }) => type).join('')).toBe('TDCZ');
    raw.socket.destroy();
  });

  it('data for a COPY that was refused is dropped', async () => {
    const raw = await openRaw();
    raw.send(message('d', 'a\tb\n'), message('c'), message('f', 'no\0'), query('select 1'));
    expect((await raw.until('Z')).map(({ type }) => type).join('')).toBe('TDCZ');
    raw.socket.destroy();
  });

  it("the gateway's own statements are not the client's", async () => {
    const raw = await openRaw();
    const name = 'drizzle-authorize:check';
    for (const packets of [
      [parse(name, 'select 1')],
      [bind(name)],
      [message('D', `S${name}\0`)],
      [message('C', `S${name}\0`)],
    ]) {
      raw.send(...packets, sync);
      const [refusal] = await raw.until('Z');
      expect(errorFields(refusal ?? { type: '', body: Buffer.alloc(0) })).toMatchObject({ C: '42501' });
    }
    raw.socket.destroy();
  });

  it('a transaction is not begun or ended behind an EXECUTE', async () => {
    const raw = await openRaw();
    for (const [index, text] of ['begin', 'commit', 'reset all'].entries()) {
      raw.send(parse(`hidden${index}`, text), sync);
      await raw.until('Z');
      raw.send(query(`execute hidden${index}`));
      const [refusal] = await raw.until('Z');
      expect(errorFields(refusal ?? { type: '', body: Buffer.alloc(0) })).toMatchObject({ C: '42501' });
      // As itself it runs.
      raw.send(bind(`hidden${index}`), execute(), sync);
      expect((await raw.until('Z')).map(({ type }) => type)).toContain('C');
    }
    raw.socket.destroy();
  });

  it('everything in one flight has its identity: transactions that begin, fail, end and begin anew', async () => {
    const raw = await openRaw();
    const who = 'select auth.user_id()';
    raw.send(
      ...['begin', who, 'commit and chain', who, 'savepoint a', 'reset all', who, 'rollback', who].flatMap(
        (text) => [parse('', text), bind(''), execute()],
      ),
      sync,
      query(`begin; ${who}; select 1 / 0`),
      query(`rollback; ${who}; reset all; ${who}; begin; ${who}; commit; ${who}`),
    );
    const rows: string[] = [];
    for (let flight = 0; flight < 3; flight += 1) {
      for (const { type, body } of await raw.until('Z'))
        if (type === 'D') rows.push(body.toString('utf8', 6));
    }
    expect(rows).toEqual(Array.from({ length: 9 }, () => 'alice'));
    raw.socket.destroy();
  });

  it('an unnamed statement outlives what the gateway sends for itself', async () => {
    const raw = await openRaw();
    raw.send(parse('', 'select auth.user_id()'), sync);
    await raw.until('Z');
    raw.send(bind(''), execute(), sync);
    expect((await raw.until('Z')).map(({ type }) => type).join('')).toBe('2DCZ');
    raw.socket.destroy();
  });

  it('a portal gives its rows a few at a time', async () => {
    const raw = await openRaw();
    raw.send(
      parse('', 'select id from todos'),
      bind('', 'some'),
      message('E', 'some\0', Buffer.from([0, 0, 0, 1])),
      message('H'),
    );
    expect((await raw.until('s')).map(({ type }) => type).join('')).toBe('12Ds');
    raw.send(message('E', 'some\0', Buffer.from([0, 0, 0, 0])), message('C', 'Psome\0'), sync);
    expect((await raw.until('Z')).map(({ type }) => type).join('')).toBe('DC3Z');
    raw.socket.destroy();
  });
});

it('a session in which strings mean something else to Postgres than to our parser is ended', async () => {
  await runAsOwner(database.ownerUrl, [
    `CREATE FUNCTION loosen() RETURNS text LANGUAGE sql AS $$ SELECT set_config('standard_conforming_strings', 'off', false) $$`,
  ]);
  const raw = await openRaw();
  raw.send(query('select loosen()'), query("select '\\'; truncate todos; --'"));
  const said = await raw.untilClosed();
  const last = said.at(-1);
  expect(last && errorFields(last)).toMatchObject({ S: 'FATAL', C: '42501' });
  expect(await count()).toEqual({ n: 2 });
});
