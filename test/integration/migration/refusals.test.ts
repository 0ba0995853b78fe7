import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';

import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { createProject, type Project } from './project.ts';

let project: Project;

beforeEach(async () => {
  project = await createProject();
});

afterEach(() => project?.remove());

const table = (policy: string): string =>
  `export const todos = pgTable('todos', { id: text() }, () => [${policy}]);`;

describe('generate refuses, before it writes anything,', () => {
  it.each([
    [
      'two policies of one name',
      table(`pgPolicy('a', { using: sql\`true\` }), pgPolicy('a', { using: sql\`false\` })`),
      'the policy "a" on public.todos has the same name as another policy of the table. (ERR_POLICY_INVALID)',
    ],
    [
      'policies that lead in a circle',
      table(
        `selectPolicy('a', { to: authenticatedRole, using: sql\`exists (select from \${todos} as other)\` })`,
      ),
      'infinite recursion: public.todos "a" → public.todos. Read one of the tables through memberOf()',
    ],
    [
      'a view that passes policies by',
      `${table(`selectPolicy('a', { to: authenticatedRole, using: sql\`true\` })`)}
       export const all = pg.pgView('all').as((qb) => qb.select().from(todos));`,
      "the view public.all reads public.todos with its owner's rights, past the policies. Add .with(",
    ],
    [
      'a schema that does not load',
      'export const x = missing();',
      'could not be loaded: missing is not defined. (ERR_SCHEMA_UNREADABLE)',
    ],
    ['a schema that does not parse', 'export const = 1;', '(ERR_SCHEMA_UNREADABLE)'],
    [
      'a helper that is called wrongly',
      table(`selectPolicy('a', { using: sql\`true\` })`),
      "selectPolicy 'a': to is missing",
    ],
  ])('%s', async (_name, schema, message) => {
    await project.schema(schema);
    const { code, stderr } = await project.kit(['generate']);
    expect(code).toBe(1);
    expect(stderr).toContain(message);
    expect(stderr.trim().split('\n')).toHaveLength(1);
    expect(await readdir(project.folder)).not.toContain('drizzle');
  });

  it('a schema file that is not there', async () => {
    const { code, stderr } = await project.kit(['generate']);
    expect(code).toBe(1);
    expect(stderr).toContain("no schema file matches './schema.ts'");
  });

  it('another database than PostgreSQL', async () => {
    await project.schema('');
    const config = await readFile(join(project.folder, 'drizzle.config.ts'), 'utf8');
    await project.write('drizzle.config.ts', config.replace("'postgresql'", "'mysql'"));
    const { code, stderr } = await project.kit(['generate']);
    expect(code).toBe(1);
    expect(stderr).toContain('row level security needs PostgreSQL, not mysql');
  });

  it('an edited header', async () => {
    await project.schema(table(`pgPolicy('a', { using: sql\`true\` })`));
    await project.generate();
    const [newest = ''] = (await project.migrations()).slice(-1);
    await project.write(`drizzle/${newest}`, (await project.newest()).replace('"version":1', '"version":'));
    const { code, stderr } = await project.kit(['generate']);
    expect(code).toBe(1);
    expect(stderr).toContain(
      `in drizzle/${newest} cannot be read. Restore the file from version control. (ERR_MIGRATION_INCOMPLETE)`,
    );
  });
});

it('push is refused, with what to use in its place', async () => {
  await project.schema(table(''));
  const { code, stderr } = await project.kit(['push']);
  expect(code).toBe(1);
  expect(stderr).toBe(
    '[✗] drizzle-authorize: drizzle-kit push creates policies without their expressions. ' +
      'Use `npx drizzle-authorize push`. (ERR_KIT_UNSUPPORTED)\n',
  );
});

it('when drizzle-kit fails with exit code 0, as it does, generate writes nothing and exits with 1', async () => {
  await project.schema(table(`pgPolicy('a', { using: sql\`true\` })`));
  await project.generate();
  // Two snapshots with one parent, as a merge leaves them behind: drizzle-kit complains and exits with 0.
  const snapshot = await readFile(join(project.folder, 'drizzle/meta/0001_snapshot.json'), 'utf8');
  await project.write('drizzle/meta/0002_snapshot.json', snapshot);
  const before = await project.files();
  await project.schema(`export const other = pgTable('other', { id: text() });`);
  const { code, stdout, stderr } = await project.kit(['generate']);
  expect(stdout).toContain('collision');
  expect(stderr).toContain('drizzle-kit stopped before it had written its migration');
  expect(code).toBe(1);
  expect(await project.files()).toEqual(before);
});

it('where drizzle-kit has a question and no terminal to ask it in, generate writes nothing and exits with 1', async () => {
  const schema = (name: Readonly<Record<string, string>>, using: string): string => `
    export const app = pgSchema('${name['schema'] ?? 'app'}');
    export const state = pgEnum('${name['enum'] ?? 'state'}', ['a']);
    export const count = pg.pgSequence('${name['sequence'] ?? 'count'}');
    export const worker = pgRole('${name['role'] ?? 'test_asked'}');
    export const lens = pg.pgView('${name['view'] ?? 'lens'}', { id: text() }).existing();
    const objects = pgSchema('storage').table('objects', { id: text() });
    export const look = pgPolicy('${name['linked policy'] ?? 'look'}', { using: sql\`true\` }).link(objects);
    export const todos = pgTable('${name['table'] ?? 'todos'}', { id: text('${name['column'] ?? 'id'}') }, () => [
      pgPolicy('${name['policy'] ?? 'view'}', { using: sql\`${using}\` })]);`;
  await project.schema(schema({}, 'true'));
  await project.generate();
  const before = await project.files();
  const kinds = ['schema', 'enum', 'sequence', 'role', 'view', 'linked policy', 'table', 'column', 'policy'];
  for (const kind of kinds) {
    await project.schema(schema({ [kind]: 'other' }, 'false'));
    const { code, stderr } = await project.kit(['generate']);
    expect(stderr, kind).toContain('drizzle-kit stopped before it had written its migration');
    expect(code, kind).toBe(1);
    expect(await project.files(), kind).toEqual(before);
  }
}, 120_000);

it('other commands run as without the wrapper', async () => {
  await project.remove();
  project = await createProject(`out: './drizzle',`);
  await project.schema(table(`pgPolicy('a', { using: sql\`true\` })`));
  await project.generate();
  const { code, stderr, stdout } = await project.kit(['check']);
  expect([code, stderr]).toEqual([0, '']);
  expect(stdout).not.toContain('drizzle-authorize');
});

it('schema files may be given as globs, share tables, and use paths of tsconfig.json', async () => {
  await project.remove();
  project = await createProject(`schema: ['./src/**/*.schema.ts', './extra'], casing: 'snake_case',`);
  const { mkdir } = await import('node:fs/promises');
  await mkdir(join(project.folder, 'src/deep'), { recursive: true });
  await mkdir(join(project.folder, 'extra'));
  await project.write(
    'tsconfig.json',
    '{ "compilerOptions": { "baseUrl": ".", "paths": { "@/*": ["src/*"] } } }',
  );
  await project.write(
    'src/deep/a.schema.ts',
    `import { pgTable, text } from 'drizzle-orm/pg-core'; import { authUid, authenticatedRole, updatePolicy } from 'drizzle-authorize';
     export const a = pgTable('a', { userId: text(), isDone: text() }, (t) => [
       updatePolicy('p', { to: authenticatedRole, using: authUid(t.userId), columns: [t.isDone] })]);`,
  );
  await project.write('extra/b.ts', `export { a } from '@/deep/a.schema';`);
  await project.generate();
  const sql = await project.newest();
  expect(sql).toContain('USING ((select auth.user_id()) = "a"."user_id")');
  expect(sql).toContain('GRANT UPDATE ("is_done") ON "public"."a"');
  const before = await project.files();
  await project.generate();
  expect(await project.files()).toEqual(before);
});
