import fc from 'fast-check';
import pg from 'pg';
import { afterAll, beforeAll, expect, it } from 'vitest';

import type { Gateway } from '../../../../src/gateway/index.ts';
import { startGateway } from '../../../support/gateway.ts';
import { createIssuer } from '../../../support/issuer.ts';
import { runAsOwner, type SealedDatabase } from '../../../support/sealed-database.ts';
import { createTodoDatabase } from '../../../support/todo-app.ts';

let database: SealedDatabase;
let gateway: Gateway;
let alice: string;

beforeAll(async () => {
  database = await createTodoDatabase('identity_in_session');
  // How often what sets the identity has run in the session.
  await runAsOwner(database.ownerUrl, [
    `CREATE FUNCTION times_set() RETURNS bigint LANGUAGE sql AS $$
       SELECT sum(generic_plans + custom_plans) FROM pg_prepared_statements WHERE name LIKE 'drizzle-authorize:%' $$`,
  ]);
  const issuer = await createIssuer();
  alice = await issuer.token('alice');
  gateway = await startGateway({ database, issuer }, { tcpPort: 0 });
});

afterAll(async () => {
  await gateway.close();
  await database.drop();
});

async function withSession<T>(work: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client({
    host: '127.0.0.1',
    port: gateway.tcp?.port ?? 0,
    user: 'authenticated',
    database: database.name,
    password: alice,
  });
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}

const timesSet = async (client: pg.Client): Promise<number> =>
  Number((await client.query<{ times: string }>('select times_set() as times')).rows[0]?.times);

const sealNow = async (client: pg.Client): Promise<string | undefined> =>
  (await client.query<{ seal: string }>(`select current_setting('authorize.seal') as seal`)).rows[0]?.seal;

it('is set once for the statements that follow each other', async () => {
  await withSession(async (client) => {
    expect(await timesSet(client)).toBe(1);
    for (const text of ['select 1', 'begin', 'select 2', 'commit', 'select 3']) await client.query(text);
    expect(await timesSet(client)).toBe(1);
    // What a failure takes back is set again.
    await client.query('reset all');
    await expect(client.query('select 1 / 0')).rejects.toMatchObject({ code: '22012' });
    await client.query('select 1');
    expect(await timesSet(client)).toBe(3);
    const seal = await sealNow(client);
    expect(seal).toContain('alice');
    await client.query('begin');
    expect(await sealNow(client)).toBe(seal);
    await client.query('rollback');
    await client.query(`select set_config('app.some', 'x', false)`);
    expect(await sealNow(client)).toBe(seal);
  });
});

it('is an error where a statement takes it away, and back for the next', async () => {
  await withSession(async (client) => {
    await client.query(`select set_config('authorize.seal', '', false)`);
    await expect(client.query('select title from todos')).rejects.toMatchObject({ code: '28000' });
    expect((await client.query('select auth.user_id()')).rows).toEqual([{ user_id: 'alice' }]);
  });
});

const statements = [
  'select 1',
  'select 1 / 0',
  'begin',
  'begin isolation level serializable',
  'commit',
  'rollback',
  'commit and chain',
  'rollback and chain',
  'savepoint a',
  'rollback to a',
  'release a',
  'reset all',
  'discard all',
  'deallocate all',
  `set timezone to 'UTC'`,
  'set authorize.seal to 1',
  'prepare p as select 1',
  'execute p',
  'insert into todos (title) values (1 / 0)',
] as const;

const step = fc.oneof(
  fc.record({ text: fc.constantFrom(...statements), isSimple: fc.boolean() }),
  // Several in one message are one transaction, as far as none of them says otherwise.
  fc.record({
    text: fc
      .array(fc.constantFrom(...statements), { minLength: 2, maxLength: 4 })
      .map((all) => all.join('; ')),
    isSimple: fc.constant(true),
  }),
);

it('is there in every transaction, whatever was sent before, failed, or was taken back', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 12 }), async (steps) => {
      await withSession(async (client) => {
        const run = async (text: string, isSimple: boolean): Promise<string | undefined> => {
          try {
            const { rows } = (await client.query(
              isSimple ? text : ({ text, queryMode: 'extended' } as pg.QueryConfig),
            )) as pg.QueryResult<{ user_id?: string }>;
            return rows?.[0]?.user_id;
          } catch (error) {
            const { code } = error as pg.DatabaseError;
            expect(code, text).not.toBe('28000');
            return code;
          }
        };
        for (const { text, isSimple } of steps) {
          await run(text, isSimple);
          // In a transaction that has failed nobody is told anything.
          expect(['alice', '25P02'], text).toContain(await run('select auth.user_id()', isSimple));
        }
        await run('rollback', true);
        expect(await run('select auth.user_id()', true)).toBe('alice');
      });
    }),
    { numRuns: 100 },
  );
});
