import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';

import { drizzle } from 'drizzle-orm/node-postgres';
import pg from 'pg';
import { afterAll, beforeAll, expect, it } from 'vitest';

import { preludeStatements } from '../../../src/database/prelude.ts';
import { setup } from '../../../src/database/setup.ts';
import { withAuth } from '../../../src/driver/node-postgres.ts';
import { generateAuthorizeKey } from '../../../src/session/seal-key.ts';
import { createIssuer, type TestIssuer } from '../../support/issuer.ts';
import { postgres15Programs, startPostgres15, type Postgres15 } from '../../support/postgres-15.ts';
import { runAsOwner, withClient } from '../../support/sealed-database.ts';

// pg_dump reads servers up to its own version: Debian's reads Debian's.

let server: Postgres15;
let issuer: TestIssuer;
let authenticatedUrl: string;
const key = generateAuthorizeKey();

const urlOf = (database: string): string => {
  const url = new URL(server.url);
  url.pathname = `/${database}`;
  return url.href;
};

beforeAll(async () => {
  server = await startPostgres15();
  issuer = await createIssuer();
  await runAsOwner(server.url, ['CREATE DATABASE production']);
  await runAsOwner(urlOf('production'), [
    ...preludeStatements(['authenticated', 'anonymous']),
    'CREATE TABLE notes (owner text NOT NULL, body text NOT NULL)',
    'ALTER TABLE notes ENABLE ROW LEVEL SECURITY',
    'CREATE POLICY own ON notes TO authenticated USING ((SELECT auth.user_id()) = owner)',
    'GRANT SELECT ON notes TO authenticated',
    `INSERT INTO notes VALUES ('alice', 'of alice'), ('bob', 'of bob')`,
  ]);
  const { roles } = await setup({ ownerUrl: urlOf('production'), key });
  authenticatedUrl = roles.find(({ role }) => role === 'authenticated')?.url ?? '';
});

afterAll(() => server?.stop());

async function run(program: string, args: readonly string[], input = ''): Promise<string> {
  const child = spawn(`${postgres15Programs}/${program}`, [...args], { stdio: ['pipe', 'pipe', 'pipe'] });
  child.stdin.end(input);
  const [stdout, stderr, [code]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, 'close'),
  ]);
  if (code !== 0) throw new Error(`${program}: ${code}: ${stderr}`);
  return stdout;
}

async function restoreInto(database: string, dump: string): Promise<void> {
  await runAsOwner(server.url, [`CREATE DATABASE ${database}`]);
  await run('psql', ['-X', '-q', '-v', 'ON_ERROR_STOP=1', urlOf(database)], dump);
}

/** What alice reads with a key, or the message of the refusal. */
async function read(database: string, authorizeKey: string): Promise<unknown> {
  const url = new URL(authenticatedUrl);
  url.pathname = `/${database}`;
  const pool = new pg.Pool({ connectionString: url.href, max: 1 });
  try {
    const db = withAuth(drizzle({ client: pool }), { providers: [issuer.provider], key: authorizeKey });
    return (await db.$withAuth(await issuer.token('alice')).execute('SELECT body FROM notes')).rows;
  } catch (error) {
    const { message, cause } = error as Error;
    return cause instanceof Error ? cause.message : message;
  } finally {
    await pool.end();
  }
}

const pads = (database: string): Promise<readonly string[]> =>
  withClient(urlOf(database), async (client) => {
    const { rows } = await client.query<{ pad: string }>(
      `SELECT encode(unnest(ARRAY[inner_pad, outer_pad]), 'hex') AS pad FROM auth.seal_keys`,
    );
    return rows.map(({ pad }) => pad);
  });

it('a dump without the data of auth.seal_keys has no secret, and what is restored from it lets nobody in', async () => {
  const dump = await run('pg_dump', ['--exclude-table-data=*.seal_keys', urlOf('production')]);
  for (const pad of await pads('production')) expect(dump).not.toContain(pad);
  expect(dump).not.toContain(key);
  await restoreInto('staging', dump);

  const missing = expect.stringContaining('made with a key that this database does not have');
  expect(await read('production', key)).toEqual([{ body: 'of alice' }]);
  expect(await read('staging', key)).toEqual(missing);

  const own = generateAuthorizeKey();
  const known = (role: string): string | undefined => {
    const url = new URL(authenticatedUrl);
    url.pathname = '/staging';
    return role === 'authenticated' ? url.href : undefined;
  };
  await setup({ ownerUrl: urlOf('staging'), key: own, keyIsNew: true, knownUrl: known, takeOverRoles: true });
  expect(await read('staging', own)).toEqual([{ body: 'of alice' }]);
  expect(await read('staging', key)).toEqual(missing);
  expect(await read('production', own)).toEqual(missing);
});

it('a whole dump has the pads, and a new key takes their place', async () => {
  const dump = await run('pg_dump', [urlOf('production')]);
  const [inner = '-', outer = '-'] = await pads('production');
  expect(dump).toContain(inner);
  expect(dump).toContain(outer);
  await restoreInto('copy', dump);
  // The key of production is good there: this is what there is to undo.
  expect(await read('copy', key)).toEqual([{ body: 'of alice' }]);
  const url = new URL(authenticatedUrl);
  url.pathname = '/copy';
  const own = generateAuthorizeKey();
  const knownUrl = (role: string): string | undefined => (role === 'authenticated' ? url.href : undefined);
  await setup({ ownerUrl: urlOf('copy'), key: own, knownUrl, takeOverRoles: true });
  expect(await read('copy', key)).toEqual(expect.stringContaining('a key that this database does not have'));
  expect(await pads('copy')).toHaveLength(2);
});
