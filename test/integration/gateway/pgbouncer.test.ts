import { neon, neonConfig, Pool } from '@neondatabase/serverless';
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import { WebSocket } from 'ws';

import { createGateway, useGateway, type Gateway } from '../../../src/gateway/index.ts';
import { createIssuer, type TestIssuer } from '../../support/issuer.ts';
import { startPgBouncer, type PgBouncer } from '../../support/pgbouncer.ts';
import { runAsOwner, type SealedDatabase } from '../../support/sealed-database.ts';
import { createTodoDatabase, resetTodos } from '../../support/todo-app.ts';

// One backend, on which whatever one person leaves meets the next; and several connections of the gateway to it.

let database: SealedDatabase;
let issuer: TestIssuer;
let pgBouncer: PgBouncer;
let gateway: Gateway;
let alice: string;
let bob: string;

beforeAll(async () => {
  database = await createTodoDatabase('gateway_pgbouncer');
  const urls = [database.ownerUrl, database.authenticatedUrl];
  [pgBouncer, issuer] = await Promise.all([startPgBouncer({ urls, backends: 1 }), createIssuer()]);
  [alice, bob] = await Promise.all([issuer.token('alice'), issuer.token('bob')]);
  gateway = await createGateway({
    connections: { authenticated: pgBouncer.through(database.authenticatedUrl) },
    providers: [issuer.provider],
    key: database.authorizeKey,
    port: 0,
    pooler: 'transaction',
    statementTimeoutMs: 500,
    operationsPort: 0,
  });
  useGateway(neonConfig, gateway.url);
});

afterAll(async () => {
  await gateway.close();
  await pgBouncer.close();
  await database.drop();
});

beforeEach(() => resetTodos(database));

const as = (token: string) =>
  neon(`postgresql://authenticated@db.example.test/${database.name}`, { authToken: token });
const who = 'select auth.user_id() as who, pg_backend_pid() as pid';

it('many people at once are each themselves, on one backend', async () => {
  const people = Array.from({ length: 20 }, (_, n) => `person ${n}`);
  const answers = await Promise.all(
    people.map(async (subject) => as(await issuer.token(subject)).query(who)),
  );
  expect(answers.map(([row]) => row?.['who'] as unknown)).toEqual(people);
  expect(new Set(answers.map(([row]) => row?.['pid'] as unknown)).size).toBe(1);
});

it('a query is one transaction of the pooler, also when it writes', async () => {
  await as(alice).query('select title from todos');
  const before = await pgBouncer.transactions();
  await as(alice).query('select title from todos');
  await as(alice).query(`insert into todos (title) values ('once')`);
  expect((await pgBouncer.transactions()) - before).toBe(2);
});

it('a batch is one transaction with the options it asks for, and fails as one', async () => {
  const sql = as(alice);
  const [inserted, level] = await sql.transaction(
    [
      sql`insert into todos (title) values ('first') returning user_id`,
      sql`select current_setting('transaction_isolation') as level`,
    ],
    { isolationLevel: 'Serializable' },
  );
  expect([inserted, level]).toEqual([[{ user_id: 'alice' }], [{ level: 'serializable' }]]);
  const readOnly = sql.transaction([sql`select current_setting('transaction_read_only') as read_only`], {
    readOnly: true,
  });
  expect(await readOnly).toEqual([[{ read_only: 'on' }]]);
  await expect(
    sql.transaction([sql`insert into todos (title) values ('lost')`, sql`select 1 / 0`]),
  ).rejects.toMatchObject({ code: '22012' });
  // A deferred constraint speaks at the end.
  await expect(
    sql.transaction([sql`insert into todos (title) values ('read a book') returning id`]),
  ).rejects.toMatchObject({ code: '23505' });
  expect(await sql`select title from todos where title in ('first', 'lost')`).toEqual([{ title: 'first' }]);
});

it('the settings are pinned in each transaction, though the pooler takes none at the start', async () => {
  const settings = `select current_setting('search_path') as path, current_setting('statement_timeout') as timeout`;
  expect(await as(alice).query(settings)).toEqual([{ path: 'public, pg_temp', timeout: '500ms' }]);
  await expect(as(alice).query('select pg_sleep(20)')).rejects.toMatchObject({ code: '57014' });
});

it('nothing that one person leaves meets the next', async () => {
  await runAsOwner(database.ownerUrl, [
    `CREATE FUNCTION leave() RETURNS void LANGUAGE plpgsql AS $$ BEGIN
      PERFORM set_config('app.left', 'by alice', false);
      PERFORM pg_advisory_lock(7);
      CREATE TEMPORARY TABLE left_behind ();
    END $$`,
    'GRANT EXECUTE ON FUNCTION leave() TO authenticated',
  ]);
  await as(alice).query('select leave()');
  const left = await as(bob).query(
    `select current_setting('app.left', true) as setting, to_regclass('pg_temp.left_behind') as tables`,
  );
  expect(left).toEqual([{ setting: expect.toBeOneOf([null, '']), tables: null }]);
  await runAsOwner(database.ownerUrl, [
    `DO $$ BEGIN ASSERT pg_try_advisory_lock(7), 'the lock was left'; END $$`,
  ]);
});

it('sessions are refused, since they need a backend of their own', async () => {
  neonConfig.webSocketConstructor = WebSocket;
  const pool = new Pool({
    user: 'authenticated',
    host: 'db.example.test',
    database: database.name,
    password: alice,
  });
  await expect(pool.query('select 1')).rejects.toMatchObject({ code: '0A000' });
  await pool.end();
  await expect(
    createGateway({
      connections: { authenticated: database.authenticatedUrl },
      providers: [issuer.provider],
      pooler: 'transaction',
      tcpPort: 0,
    }),
  ).rejects.toThrow('createGateway: tcpPort');
});

it('is ready', async () => {
  expect((await fetch(`${gateway.operations?.url ?? ''}/readyz`)).status).toBe(200);
});
