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
    `[✗] drizzle-authorize: ${await project.migration('posts')} is half-made: its access rules are missing. ` +
      'Run `npx drizzle-kit generate`, which completes it. (ERR_MIGRATION_INCOMPLETE)\n',
  );

  // Nor is it applied to a database that check or dev makes, as it is.
  for (const command of ['check', 'dev']) {
    expect(await project.authorize([command])).toMatchObject({
      code: 1,
      stderr: expect.stringContaining(
        'is half-made: its access rules are missing (ERR_MIGRATION_INCOMPLETE)',
      ),
    });
  }

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
  expect(refused.stderr).toContain(`${await project.migration('first')} is half-made`);

  const { stdout } = await project.generate();
  expect(stdout).toContain(`written into ${await project.migration('first')}`);
  expect(stdout).toContain(`written into ${await project.migration('second')}`);
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
  expect(refused.stderr).toContain(`${await project.migration('authorize')} is half-made`);
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
  const file = await project.migration('mine');
  await project.write(file, 'CREATE INDEX mine ON posts (title);');
  await project.generate();
  expect((await project.files())[file]).toBe('CREATE INDEX mine ON posts (title);');
  await project.migrate(database.url);
  await expectCatalogsEqualSchema(project, [database]);
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
  await project.write(await project.migration('mine'), 'CREATE TABLE mine ();');
  const before = await project.files();
  await project.generate();
  expect(await project.files()).toEqual(before);
  await project.migrate(database.url);
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
  expect(await project.names()).toEqual(['plain', 'authorize_prelude', 'first']);
  expect(Object.values(await project.files())[0]).toBe(before);
  await project.migrate(database.url);
  expect(await readCatalog(database.url)).toMatchObject({
    policies: { 'public.todos': ['view: SELECT TO public USING true'] },
    grants: { 'public.todos': { anonymous: 'SELECT', authenticated: 'SELECT', test_visitor: 'SELECT' } },
  });
  await query(database.url, 'REVOKE ALL ON todos FROM test_visitor');
  await query(database.url, 'DROP ROLE test_visitor');
});
