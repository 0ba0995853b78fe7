import { readFile, rm, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';

import { afterEach, beforeEach, expect, it } from 'vitest';

import { createDatabase, type TestDatabase } from '../../support/cluster.ts';
import { runCommand, type CommandResult } from '../../support/command.ts';
import { createLinkedFolder, type LinkedFolder } from '../../support/linked-folder.ts';
import { run } from '../../support/npm.ts';
import { runAsOwner, withClient } from '../../support/sealed-database.ts';
import { foreignState, foreignStatements } from './foreign-database.ts';

let folder: LinkedFolder;
let database: TestDatabase;

beforeEach(async () => {
  folder = await createLinkedFolder('adopt', ['drizzle-authorize', 'drizzle-orm', 'drizzle-kit', 'pg']);
  database = await createDatabase('adopt', { owner: 'ordinary' });
});

afterEach(async () => {
  await database.drop();
  await folder.remove();
});

const command = (...args: readonly string[]): Promise<CommandResult> =>
  runCommand(args, { cwd: folder.path, env: { DATABASE_URL: database.url } });
const init = (...args: readonly string[]): Promise<CommandResult> =>
  command('init', '--url', database.url, ...args);

async function kit(name: 'generate' | 'migrate'): Promise<void> {
  const { code, stdout, stderr } = await run(
    'env',
    [`DATABASE_URL=${database.url}`, process.execPath, resolve('node_modules/drizzle-kit/bin.cjs'), name],
    folder.path,
  );
  expect(code, `${stdout}${stderr}`).toBe(0);
}

const config = (): Promise<string> => readFile(join(folder.path, 'drizzle.config.ts'), 'utf8');
const theirs = { schemas: ['authorize'], tables: ['todos'] };

it('says what it found and what becomes of it, asks, and leads to a database in which nothing of theirs has changed', async () => {
  const suffix = database.name.replace(/^adopt_/, '');
  await runAsOwner(database.url, foreignStatements(suffix));
  const before = await foreignState(database.url, theirs);

  const asked = await init();
  expect(asked.code).toBe(2);
  expect(asked.stdout).toContain(
    '! 3 tables are there: they, their rows, policies and privileges stay as they are until the schema files declare them',
  );
  expect(asked.stdout).toMatch(
    /! the schema auth is there, of owner_\w+, with a user_id\(\) of its own: it stays, and the auth schema is called authorize/,
  );
  expect(asked.stdout).toContain(
    '! by default tables that are yet to be made are open (SELECT on tables): that stays, --harden takes it back',
  );
  expect(asked.stderr).toContain('pass --yes');
  await expect(config()).rejects.toThrow();

  expect(await init('--yes')).toMatchObject({ code: 0, stderr: '' });
  expect(await config()).toContain(`{ authSchema: 'authorize', keepDefaultPrivileges: true }`);
  expect(await foreignState(database.url, theirs)).toEqual(before);

  await kit('generate');
  await kit('migrate');
  expect(await foreignState(database.url, theirs)).toEqual(before);
  // What is open to everybody is theirs, and is said each time.
  const checked = await command('check', '--live', '--json');
  expect(JSON.parse(checked.stdout).differences).toEqual([
    expect.objectContaining({ place: 'public.settings', kind: 'open without a policy' }),
  ]);

  // Once more: nothing to ask, nothing to do, and roles that the migrations use are nobody else's.
  const again = await init();
  expect(again).toMatchObject({ code: 0 });
  expect(again.stdout).toContain('nothing to do');
  expect(again.stdout).not.toContain('is in use');
  expect(again.stdout).toContain('! 4 tables are there');
});

it('asks before it writes the first migration alone, and says all that a config needs that is changed by hand', async () => {
  await runAsOwner(database.url, ['CREATE SCHEMA auth']);
  await init('--yes');
  await rm(join(folder.path, 'drizzle'), { recursive: true });
  expect(await init()).toMatchObject({ code: 2, stderr: expect.stringContaining('pass --yes') });
  await writeFile(
    join(folder.path, 'drizzle.config.ts'),
    `const config = { dialect: 'postgresql' as const, schema: './schema.ts', out: './drizzle' };\nexport default config;\n`,
  );
  const byHand = await init('--yes');
  expect(byHand.code).toBe(1);
  expect(byHand.stdout).toContain(
    `export default withAuthorize(…, { authSchema: 'authorize', keepDefaultPrivileges: true });`,
  );
});

it('takes the usual name and closes defaults, if asked to, where nobody is in the way', async () => {
  await runAsOwner(database.url, [
    'CREATE TABLE old (id integer)',
    'GRANT SELECT ON old TO PUBLIC',
    'ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO PUBLIC',
  ]);
  const { stdout } = await init('--harden', '--dry-run', '--json');
  expect(JSON.parse(stdout)).toMatchObject({
    written: expect.arrayContaining(['drizzle.config.ts']),
    database: { authSchema: 'auth', keepDefaultPrivileges: false, takenRoles: [] },
  });
  await expect(config()).rejects.toThrow();
  await init('--harden', '--yes');
  expect(await config()).not.toContain('keepDefaultPrivileges');
  await kit('generate');
  await kit('migrate');
  const left = await withClient(database.url, async (client) => {
    const { rows } = await client.query<{ defaults: string; old: boolean }>(
      `SELECT (SELECT count(*)::int FROM pg_default_acl, aclexplode(defaclacl) WHERE grantee = 0) AS defaults,
        has_table_privilege('anonymous', 'old', 'SELECT') AS old`,
    );
    return rows[0];
  });
  // What is there stays as it is, also then.
  expect(left).toEqual({ defaults: 0, old: true });
});

it('refuses a database where both names are taken, one that is not there, and options without one', async () => {
  await runAsOwner(database.url, ['CREATE SCHEMA auth', 'CREATE SCHEMA authorize']);
  expect((await init('--yes')).stderr).toContain('(ERR_SCHEMA_TAKEN)');
  expect((await command('init', '--url', 'postgres://nobody@127.0.0.1:1/x')).stderr).toContain(
    '(ERR_DATABASE_UNREACHABLE)',
  );
  expect(await command('init', '--harden')).toMatchObject({ code: 2 });
  await expect(config()).rejects.toThrow();
});

it('refuses a config that says another name', async () => {
  await runAsOwner(database.url, ['CREATE SCHEMA auth']);
  await init('--yes');
  await runAsOwner(database.url, ['DROP SCHEMA auth']);
  const refused = await init('--yes');
  expect(refused.stderr).toContain('(ERR_AUTH_SCHEMA)');
});
