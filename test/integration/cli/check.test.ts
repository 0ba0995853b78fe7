import { join } from 'node:path';

import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import type { AccessModel } from '../../../src/migration/access-model.ts';
import { compareWithDatabase } from '../../../src/migration/comparison/compare.ts';
import { preludeVersion } from '../../../src/database/prelude-version.ts';
import { createDatabase, type TestDatabase } from '../../support/cluster.ts';
import { runCommand, type CommandResult } from '../../support/command.ts';
import { runAsOwner } from '../../support/sealed-database.ts';
import { readAccessCatalog } from '../migration/access-catalog.ts';
import { applyMigrations, loadAccessModel } from '../migration/catalog-equals-schema.ts';
import { createProject, type Project } from '../migration/project.ts';

// Every way in which an expression is written out otherwise than it was written.
const schema = `
export const staff = pgSchema('c_Staff');
export const level = pgEnum('c_level', ['low', 'high']);
export const worker = pgRole('test_c_worker');
export const notes = staff.table('c_Notes', { id: serial().primaryKey(), userId: text('user_id'), text: text() }, (t) => [
  allPolicy('own', { to: authenticatedRole, using: authUid(t.userId) }),
  selectPolicy('its words', { to: 'public', using: sql\`\${t.text} = '"c_Staff"."c_Notes"."text"'\` }),
]);
export const todos = pgTable('c_todos', {
  id: integer().primaryKey(), userId: text('user_id'), title: text(), level: level(), done: boolean(),
}, (t) => [
  selectPolicy('own', { to: [authenticatedRole, worker], using: sql\`\${authUid(t.userId)} or (\${t.level} = 'low' and \${t.id} in (1, 2))\` }),
  updatePolicy('edit', { to: authenticatedRole, using: authUid(t.userId), columns: [t.title, t.done] }),
  pgPolicy('deep', { as: 'restrictive', for: 'select', to: authenticatedRole,
    using: sql\`exists (select from \${notes} where \${notes.userId} = c_todos.user_id and \${notes.text} like 'a%') or true\` }),
  insertPolicy('add', { to: worker, withCheck: sql\`public.c_todos.title <> 'public.c_todos.title'\` }),
]);
export const members = pgTable('c_members', { userId: text('user_id'), orgId: integer('org_id') });
export const rows = pgTable('c_rows', { orgId: integer('org_id') }, (t) => [
  selectPolicy('org', { to: [authenticatedRole, worker], using: memberOf(t.orgId, { user: members.userId, group: members.orgId }) }),
]);
export const closed = pgTable('c_closed', { id: integer().primaryKey() }).enableRLS();
export const bound = forceRLS(pgTable('c_bound', { id: integer().primaryKey() }));`;

let project: Project;
let model: AccessModel;
const databases: TestDatabase[] = [];

beforeAll(async () => {
  project = await createProject();
  await project.schema(schema);
  await project.generate();
  model = await loadAccessModel(project);
});

afterAll(async () => {
  await Promise.all(databases.map((database) => database.drop()));
  await project.remove();
});

async function migrated(): Promise<TestDatabase> {
  const database = await createDatabase('check', { owner: 'ordinary' });
  databases.push(database);
  await applyMigrations(project, database.url);
  return database;
}

function check(args: readonly string[], url = ''): Promise<CommandResult> {
  return runCommand(['check', ...args], { cwd: project.folder, env: { DATABASE_URL: url } });
}

it('finds nothing in what the migrations lead to, replayed or live, and leaves nothing behind', async () => {
  const replayed = await check([]);
  expect(replayed).toMatchObject({ code: 0, stdout: '✓ what is enforced is what the schema declares\n' });
  expect(replayed.stderr).toContain('· applying migrations');
  const { url } = await migrated();
  const before = await readAccessCatalog(url);
  expect(await check(['--live', '--json'], url)).toEqual({
    code: 0,
    stdout: '{"differences":[]}\n',
    stderr: '',
  });
  expect(await readAccessCatalog(url)).toEqual(before);
});

it('groups what it finds by table, and exits with 1', async () => {
  const { url } = await migrated();
  await runAsOwner(url, ['GRANT UPDATE ON c_todos TO anonymous', 'DROP POLICY "own" ON c_todos']);
  const { code, stdout } = await check(['--url', url]);
  expect(code).toBe(1);
  expect(stdout).toContain(`! public.c_todos
  the policy "own" is in the schema alone
  anonymous may UPDATE in the database; the schema says no

2 differences.`);
});

it('says what the schema has that no migration has written', async () => {
  const ahead = await createProject();
  await ahead.schema(schema);
  await ahead.addMigrations(await project.files());
  await ahead.schema(`${schema} export const late = pgTable('c_late', { id: integer() });`);
  const { code, stdout } = await runCommand(['check'], { cwd: ahead.folder });
  expect(code).toBe(1);
  expect(stdout).toContain('! public.c_late\n  is in the schema alone\n');
  await ahead.remove();
});

it('names the migration that cannot be applied, and where it fails', async () => {
  const broken = await project.copy();
  const files = await project.files();
  const last = join('drizzle', (await project.migrations()).at(-1) ?? '');
  await broken.addMigrations({
    ...files,
    [last]: `${files[last]}\n--> statement-breakpoint\nALTER TABLE nowhere\n  ADD COLUMN id integer;\n`,
  });
  const { code, stderr } = await runCommand(['check'], { cwd: broken.folder });
  expect(code).toBe(1);
  expect(stderr).toMatch(
    /error: drizzle.\S+\.sql cannot be applied: relation "nowhere" does not exist \(ERR_MIGRATION_FAILED\)\n +It fails at: ALTER TABLE nowhere\n$/,
  );
  await broken.remove();
});

it('has one sentence for a database that has no auth schema, and for one that is not there', async () => {
  const empty = await createDatabase('check');
  expect((await check(['--live'], empty.url)).stderr).toContain('(ERR_MIGRATIONS_MISSING)');
  await empty.drop();
  expect((await check(['--live'], empty.url)).stderr).toContain('(ERR_DATABASE_UNREACHABLE)');
  expect(await check(['--live'])).toMatchObject({ code: 2 });
});

// By hand, and what has to be said.
describe('says what was changed by hand:', () => {
  it.each<[string, string, readonly (string | RegExp)[]]>([
    [
      'a privilege on a table',
      'GRANT UPDATE, TRUNCATE ON c_todos TO anonymous',
      [
        'public.c_todos: privilege unknown: anonymous may UPDATE, TRUNCATE in the database; the schema says no',
      ],
    ],
    [
      'a privilege on columns',
      'GRANT SELECT (title) ON c_todos TO anonymous; REVOKE UPDATE (done) ON c_todos FROM authenticated',
      [
        'public.c_todos: privilege unknown: anonymous may SELECT (title) in the database; the schema says no',
        'public.c_todos: privilege missing: authenticated may not UPDATE (done) in the database; the schema says yes',
      ],
    ],
    [
      'a privilege that may be passed on',
      'GRANT SELECT ON c_todos TO test_c_worker WITH GRANT OPTION',
      [
        'public.c_todos: privilege unknown: test_c_worker may give others SELECT in the database; the schema says no',
      ],
    ],
    [
      'sequences and schemas',
      `REVOKE USAGE ON SEQUENCE "c_Staff"."c_Notes_id_seq" FROM authenticated; GRANT SELECT ON SEQUENCE "c_Staff"."c_Notes_id_seq" TO PUBLIC;
        REVOKE USAGE ON SCHEMA "c_Staff" FROM PUBLIC, authenticated; REVOKE USAGE ON SCHEMA auth FROM anonymous`,
      [
        'c_Staff.c_Notes: privilege missing: authenticated may not use the sequence of id in the database; the schema says yes',
        'c_Staff.c_Notes: privilege unknown: everybody has SELECT on the sequence of id in the database; the schema says no',
        'schema auth: privilege missing: anonymous may not enter it in the database; the schema says yes',
        'schema c_Staff: privilege missing: authenticated may not enter it in the database; the schema says yes',
        'schema c_Staff: privilege missing: everybody may not enter it in the database; the schema says yes',
      ],
    ],
    [
      'an expression, a role and a command of policies',
      `ALTER POLICY own ON c_todos USING (true); ALTER POLICY edit ON c_todos TO authenticated, anonymous;
        DROP POLICY deep ON c_todos; CREATE POLICY deep ON c_todos FOR SELECT TO authenticated USING (true)`,
      [
        'public.c_todos: policy changed: the policy "deep" is permissive in the database; the schema says restrictive',
        /^public\.c_todos: policy changed: the policy "deep" has USING true in the database; the schema says /,
        'public.c_todos: policy changed: the policy "edit" is for anonymous, authenticated in the database; the schema says authenticated',
        /^public\.c_todos: policy changed: the policy "own" has USING true in the database; the schema says \(\(\( SELECT auth\.user_id\(\)/,
      ],
    ],
    [
      'policies that are gone, and others',
      `DROP POLICY "its words" ON "c_Staff"."c_Notes"; CREATE POLICY extra ON c_closed TO authenticated USING (true);
        CREATE TABLE c_other (id int); ALTER TABLE c_other ENABLE ROW LEVEL SECURITY; CREATE POLICY wide ON c_other FOR SELECT USING (true)`,
      [
        'c_Staff.c_Notes: policy missing: the policy "its words" is in the schema alone',
        'public.c_closed: policy unknown: the policy "extra", which permits everything for authenticated, is in the database alone',
        'public.c_other: policy unknown: the policy "wide", which permits select for everybody, is in the database alone',
      ],
    ],
    [
      'row level security that is off, and tables that the schema does not know',
      `ALTER TABLE c_todos DISABLE ROW LEVEL SECURITY; CREATE TABLE c_open (id int); GRANT SELECT, INSERT ON c_open TO PUBLIC`,
      [
        'public.c_open: open without a policy: everybody may SELECT, INSERT every row: row level security is off',
        'public.c_todos: row level security off: no policy is enforced: row level security is off',
        'public.c_todos: open without a policy: authenticated may SELECT, UPDATE (title, done) every row: row level security is off',
        'public.c_todos: open without a policy: test_c_worker may SELECT, INSERT every row: row level security is off',
      ],
    ],
    [
      'whom policies bind',
      'ALTER TABLE c_bound NO FORCE ROW LEVEL SECURITY; ALTER TABLE c_closed FORCE ROW LEVEL SECURITY',
      [
        'public.c_bound: owner: its owner passes the policies by in the database; the schema says that it is bound',
        'public.c_closed: owner: its owner is bound by the policies in the database; the schema does not ask for it',
      ],
    ],
    [
      'the auth schema',
      `ALTER FUNCTION auth.user_id() SECURITY DEFINER; DROP FUNCTION auth.uid(); GRANT SELECT ON auth.seal_keys TO authenticated;
        DELETE FROM auth.identity_roles WHERE name = 'anonymous'`,
      [
        'auth.seal_keys: privilege unknown: authenticated may SELECT in the database; the schema says no',
        'auth.uid(): function: is missing',
        'auth.user_id(): function: is not as it should be',
        'roles: role: anonymous is an identity role in the schema alone: it gets no error without a seal',
      ],
    ],
    [
      'an auth schema of another release',
      `COMMENT ON SCHEMA auth IS 'drizzle-authorize prelude ${preludeVersion + 1}'`,
      [
        `schema auth: version: is of version ${preludeVersion + 1} in the database; this release of drizzle-authorize writes version ${preludeVersion}`,
      ],
    ],
    [
      'an auth schema that nobody signed',
      'COMMENT ON SCHEMA auth IS NULL',
      ['schema auth: version: does not say which release of drizzle-authorize wrote it'],
    ],
    [
      'a function that tells of memberships',
      `DO $$ DECLARE f text := (SELECT oid::regprocedure FROM pg_proc WHERE proname ~ '^member_of_'); BEGIN
         EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO PUBLIC; ALTER FUNCTION %s SECURITY INVOKER', f, f); END $$;
        CREATE FUNCTION auth.member_of_old() RETURNS SETOF int LANGUAGE sql AS 'SELECT 1'`,
      [
        /^auth\.member_of_c_members_\w+\(\): function: is not as it should be; may be called by authenticated, everybody, test_c_worker in the database; the schema says authenticated, test_c_worker$/,
        'auth.member_of_old(): function: is in the database alone',
      ],
    ],
    [
      'default privileges, and a table that is gone',
      'ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO authenticated; DROP TABLE c_closed',
      [
        'default privileges: privilege unknown: authenticated will have SELECT on tables that are yet to be made',
        'public.c_closed: table missing: is in the schema alone',
      ],
    ],
  ])('%s', async (_what, byHand, expected) => {
    const { url } = await migrated();
    await runAsOwner(url, [byHand]);
    const found = (await compareWithDatabase(model, url)).map(
      ({ place, kind, what }) => `${place}: ${kind}: ${what}`,
    );
    expect(found).toEqual(
      expected.map((line): unknown => (typeof line === 'string' ? line : expect.stringMatching(line))),
    );
  });
});
