import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import { afterEach, beforeEach, expect, it } from 'vitest';

import { createDatabase, type TestDatabase } from '../../support/cluster.ts';
import { expectCatalogsEqualSchema } from './catalog-equals-schema.ts';
import { query, readCatalog } from './catalog.ts';
import { createProject, type Project } from './project.ts';

let project: Project;
let database: TestDatabase;

beforeEach(async () => {
  project = await createProject();
  database = await createDatabase('interrupted', { owner: 'ordinary' });
});

afterEach(async () => {
  await database?.drop();
  await project?.remove();
});

// What drizzle-kit leaves behind when we are killed before our part: the wrapper is inert in our own children.
const killed = { DRIZZLE_AUTHORIZE_CHILD: '1' };

const table = (name: string, column = 'title', more = ''): string =>
  `export const ${name} = pgTable('${name}', { userId: text(), ${column}: text(), ${more} }, (t) => [
    selectPolicy('view', { to: authenticatedRole, using: sql\`\${t.userId} = auth.user_id() and \${t.${column}} is not null\` }),
  ]);`;

it('migrate refuses a half-made migration, and generate completes it', async () => {
  await project.schema(table('todos'));
  await project.generate();
  await project.schema(table('todos') + table('posts'));
  await project.kit(['generate', '--name=posts'], killed);

  const refused = await project.kit(['migrate'], { DATABASE_URL: database.url });
  expect(refused.code).toBe(1);
  expect(refused.stderr).toBe(
    '[✗] drizzle-authorize: drizzle/0002_posts.sql is half-made: its access rules are missing. ' +
      'Run `npx drizzle-kit generate`, which completes it. (ERR_MIGRATION_INCOMPLETE)\n',
  );

  await project.generate();
  expect(await project.migrations()).toHaveLength(3);
  await project.migrate(database.url);
  expect((await readCatalog(database.url)).grants).toEqual({
    'public.posts': { authenticated: 'SELECT' },
    'public.todos': { authenticated: 'SELECT' },
  });
});

it('a half-made migration is completed also when the schema has moved on', async () => {
  await project.schema(table('todos'));
  await project.generate();
  await project.schema(table('todos', 'title', 'label: text()') + table('posts'));
  await project.kit(['generate', '--name=posts'], killed);
  await project.schema(table('todos', 'label') + table('notes') + table('posts'));
  await project.generate('--name=notes');
  expect(await project.migrations()).toHaveLength(4);
  await project.migrate(database.url);
  const { policies, grants } = await readCatalog(database.url);
  expect(Object.keys(policies)).toEqual(['public.notes', 'public.posts', 'public.todos']);
  expect(Object.keys(grants)).toEqual(['public.notes', 'public.posts', 'public.todos']);
});

it('two half-made migrations are completed by one run', async () => {
  const role = `export const worker = pgRole('test_interrupted')`;
  const rule = `selectPolicy('work', { to: worker, using: sql\`true\` })`;
  const tasks = (policies: string): string =>
    `export const tasks = pgTable('tasks', { id: serial() }, () => [${policies}]);`;
  await project.schema(`${role}; ${table('todos')} ${tasks(rule)}`);
  await project.generate();
  await project.migrate(database.url);

  // The role becomes somebody else's, which drizzle-kit takes for its end, and is needed again at the end.
  await project.schema(`${table('todos', 'title', 'label: text()')} ${tasks('')}`);
  await project.kit(['generate', '--name=first'], killed);
  await project.schema(
    `${role}.existing(); ${table('todos', 'title', 'label: text()')} ${table('posts')} ${tasks(rule)}`,
  );
  await project.kit(['generate', '--name=second'], killed);
  const refused = await project.kit(['migrate'], { DATABASE_URL: database.url });
  expect(refused.stderr).toContain('drizzle/0002_first.sql is half-made');

  const { stdout } = await project.generate();
  expect(stdout).toContain('written into drizzle/0002_first.sql');
  expect(stdout).toContain('written into drizzle/0003_second.sql');
  expect(await project.migrations()).toHaveLength(4);
  await project.migrate(database.url);
  await expectCatalogsEqualSchema(project, [database]);
}, 120_000);

it('a migration of ours that is still empty is filled by the next run', async () => {
  await project.schema(table('todos'));
  await project.generate();
  const narrower = table('todos').replace('is not null', '= $1');
  await project.schema(narrower.replace('$1', "'a'"));
  await project.kit(['generate', '--custom', '--name=authorize'], killed);
  const refused = await project.kit(['migrate'], { DATABASE_URL: database.url });
  expect(refused.stderr).toContain('drizzle/0002_authorize.sql is half-made');
  await project.generate();
  await project.migrate(database.url);
  await expectCatalogsEqualSchema(project, [database]);
});

it('what people write after a half-made migration stays as it is', async () => {
  await project.schema(table('todos'));
  await project.generate();
  await project.schema(table('todos') + table('posts'));
  await project.kit(['generate', '--name=posts'], killed);
  await project.generate('--custom', '--name=mine');
  await writeFile(join(project.folder, 'drizzle/0003_mine.sql'), 'CREATE INDEX mine ON posts (title);');
  await project.generate();
  const { 'drizzle/0003_mine.sql': mine } = await project.files();
  expect(mine).toBe('CREATE INDEX mine ON posts (title);');
  await project.migrate(database.url);
  await expectCatalogsEqualSchema(project, [database]);
});

it('what people write stays as it is also when the snapshot before it is gone', async () => {
  await project.schema(table('todos'));
  await project.generate();
  await project.generate('--custom', '--name=mine');
  const mine = 'ALTER POLICY view ON todos USING (true);';
  await writeFile(join(project.folder, 'drizzle/0002_mine.sql'), mine);
  await rm(join(project.folder, 'drizzle/meta/0001_snapshot.json'));
  const before = await project.files();
  await project.generate();
  expect(await project.files()).toEqual(before);
});

it('an empty prelude is filled by the next run', async () => {
  await project.schema(table('todos'));
  await project.kit(['generate', '--custom', '--name=authorize_prelude'], killed);
  expect((await project.kit(['migrate'], { DATABASE_URL: database.url })).stderr).toContain('half-made');
  await project.generate();
  expect(await project.migrations()).toHaveLength(2);
  await project.migrate(database.url);
});

it('a migration that people write themselves is left as it is', async () => {
  await project.schema(table('todos'));
  await project.generate();
  const { stdout } = await project.generate('--custom', '--name=mine');
  expect(stdout).not.toContain('drizzle-authorize');
  await writeFile(join(project.folder, 'drizzle/0002_mine.sql'), 'CREATE TABLE mine ();');
  const before = await project.files();
  await project.generate();
  expect(await project.files()).toEqual(before);
  await project.migrate(database.url);
});

it('older snapshots may be gone, a migration may not', async () => {
  await project.schema(table('todos'));
  await project.generate('--name=todos');
  await rm(join(project.folder, 'drizzle/meta/0000_snapshot.json'));
  const before = await project.files();
  await project.generate();
  expect(await project.files()).toEqual(before);

  await rm(join(project.folder, 'drizzle/0001_todos.sql'));
  const { code, stderr } = await project.kit(['generate']);
  expect(code).toBe(1);
  expect(stderr).toContain('drizzle/0001_todos.sql is missing or cannot be read. Restore it');
});

it('migrations from before drizzle-authorize stay as they are, and their policies are taken over', async () => {
  const plain = `export const todos = pgTable('todos', { id: text() }, () => [
    pgPolicy('view', { for: 'select', using: sql\`true\` }), pgPolicy('old', { for: 'delete', using: sql\`true\` }),
  ]);`;
  await project.schema(plain);
  await project.kit(['generate', '--name=plain'], killed);
  await project.migrate(database.url);
  const [before] = Object.values(await project.files());
  await query(database.url, 'CREATE ROLE test_visitor');
  await query(database.url, 'GRANT SELECT ON todos TO test_visitor');

  await project.schema(plain.replace(/, pgPolicy\('old'.*\}\),/, ''));
  await project.generate('--name=first');
  expect(await project.migrations()).toEqual([
    '0000_plain.sql',
    '0001_authorize_prelude.sql',
    '0002_first.sql',
  ]);
  expect(Object.values(await project.files())[0]).toBe(before);
  await project.migrate(database.url);
  expect(await readCatalog(database.url)).toMatchObject({
    policies: { 'public.todos': ['view: SELECT TO public USING true'] },
    grants: { 'public.todos': { anonymous: 'SELECT', authenticated: 'SELECT', test_visitor: 'SELECT' } },
  });
  await query(database.url, 'REVOKE ALL ON todos FROM test_visitor');
  await query(database.url, 'DROP ROLE test_visitor');
});

it('two migrations of one run get names of their own when names go by the clock', async () => {
  await project.remove();
  project = await createProject(`migrations: { prefix: 'timestamp' },`);
  await project.schema(table('todos'));
  await project.generate();
  expect(Object.keys(await project.files()).filter((file) => file.endsWith('_snapshot.json'))).toHaveLength(
    2,
  );
  await project.migrate(database.url);
  const before = await project.files();
  await project.generate();
  expect(await project.files()).toEqual(before);
});
