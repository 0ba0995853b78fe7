import pg from 'pg';
import { afterAll, beforeAll, expect, it } from 'vitest';

import type { Gateway } from '../../../../src/gateway/index.ts';
import { startGateway } from '../../../support/gateway.ts';
import { createIssuer } from '../../../support/issuer.ts';
import type { SealedDatabase } from '../../../support/sealed-database.ts';
import { createTodoDatabase } from '../../../support/todo-app.ts';

let database: SealedDatabase;
let gateway: Gateway;
let alice: string;

beforeAll(async () => {
  database = await createTodoDatabase('wire_long');
  const issuer = await createIssuer();
  alice = await issuer.token('alice');
  gateway = await startGateway({ database, issuer }, { statementTimeoutMs: 120_000 });
});

afterAll(async () => {
  await gateway.close();
  await database.drop();
});

async function connect(): Promise<pg.Client> {
  const client = new pg.Client({
    host: '127.0.0.1',
    port: gateway.tcp?.port ?? 0,
    user: 'authenticated',
    database: database.name,
    password: alice,
  });
  await client.connect();
  return client;
}

const who = async (client: pg.Client): Promise<unknown> =>
  (await client.query('select auth.user_id() as who')).rows[0];

it('a session outlives the seal that it began with, in a transaction and out of one', async () => {
  const client = await connect();
  expect(await who(client)).toEqual({ who: 'alice' });
  await client.query('begin');
  // A seal is good for 60 s.
  await client.query('select pg_sleep(65)');
  expect(await who(client)).toEqual({ who: 'alice' });
  await client.query('reset all');
  expect(await who(client)).toEqual({ who: 'alice' });
  await client.query('commit');
  expect(await who(client)).toEqual({ who: 'alice' });
  await client.end();
});

it('a transaction that begins long before its first statement has its identity all the same', async () => {
  const [client, clock] = await Promise.all([connect(), connect()]);
  for (const begin of ['begin', 'begin; select 1; commit and chain']) {
    await client.query(begin);
    // Postgres takes no seal that was made 5 s after the transaction began.
    await clock.query('select pg_sleep(7)');
    expect(await who(client)).toEqual({ who: 'alice' });
    await client.query('rollback');
  }
  await Promise.all([client.end(), clock.end()]);
});
