import { readFile } from 'node:fs/promises';
import { join } from 'node:path';

import { afterEach, beforeEach, expect, it } from 'vitest';

import { createDatabase, type TestDatabase } from '../../support/cluster.ts';
import { runAsOwner, withClient } from '../../support/sealed-database.ts';
import { createProject, type Project, type RunResult } from '../migration/project.ts';

let project: Project;
let database: TestDatabase;

beforeEach(async () => {
  project = await createProject();
  database = await createDatabase('pull', { owner: 'ordinary' });
  await runAsOwner(database.url, [
    `CREATE TYPE pl_mood AS ENUM ('calm', 'it''s $1')`,
    `CREATE TABLE pl_people (id serial PRIMARY KEY, user_id text NOT NULL, mood pl_mood DEFAULT 'calm')`,
    `CREATE TABLE "pl Letters" (id integer PRIMARY KEY, person integer REFERENCES pl_people, found text DEFAULT '--> $$ */ ;',
       CHECK (found <> 'x'))`,
    `INSERT INTO pl_people (user_id) VALUES ('alice'), ('bob')`,
    'GRANT SELECT ON pl_people TO PUBLIC',
  ]);
  await project.write(
    'drizzle.config.ts',
    `import { defineConfig } from 'drizzle-kit';
export default defineConfig({
  dialect: 'postgresql', schema: './drizzle/schema.ts', dbCredentials: { url: process.env['DATABASE_URL'] ?? '' },
});`,
  );
});

afterEach(async () => {
  await database.drop();
  await project.remove();
});

const command = (...args: readonly string[]): Promise<RunResult> =>
  project.authorize(args, { DATABASE_URL: database.url });

it('makes of what drizzle-kit pull has written a migration for the database that is there, and for a new one', async () => {
  const pulled = await project.kit(['pull'], { DATABASE_URL: database.url });
  expect(pulled.code, pulled.stdout + pulled.stderr).toBe(0);

  const { code, stdout } = await command('init', '--url', database.url, '--yes');
  expect(stdout).toMatch(/✓ drizzle\/\d+_.*\.sql changed: makes what drizzle-kit pull found/);
  expect(code).toBe(0);
  expect((await command('init', '--url', database.url)).stdout).toContain('nothing to do');

  const file = join(project.folder, 'drizzle/schema.ts');
  const schema = (await readFile(file, 'utf8')).replace(
    /(export const plPeople = pgTable\("pl_people", \{[^]*?\n\})(?:, \(\w+\) => \[[^]*?\])?\);/,
    `$1, (t) => [selectPolicy('own', { to: authenticatedRole, using: authUid(t.userId) })]);`,
  );
  await project.write(
    'drizzle/schema.ts',
    `import { authenticatedRole, authUid, selectPolicy } from 'drizzle-authorize';\n${schema}`,
  );
  expect((await command('diff')).stdout.split('\n')).toEqual([
    'public.pl Letters: what everybody and the identity roles were given on it before is taken back',
    'public.pl_people: what everybody and the identity roles were given on it before is taken back',
    'authenticated: SELECT on public.pl_people granted by "own"',
    '',
  ]);
  await project.generate();
  await project.migrate(database.url);
  const rows = await withClient(database.url, (client) => client.query('TABLE pl_people'));
  expect(rows.rows).toHaveLength(2);
  // Against this database, and against an empty one that gets all migrations.
  expect(await command('check', '--url', database.url)).toMatchObject({ code: 0 });
  expect(await command('check')).toMatchObject({ code: 0 });
});
