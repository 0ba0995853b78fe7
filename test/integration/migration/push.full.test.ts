import { spawn } from 'node:child_process';
import { once } from 'node:events';

import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { preludeVersion } from '../../../src/database/prelude-version.ts';
import { compareWithDatabase } from '../../../src/migration/comparison/compare.ts';
import { createDatabase, type TestDatabase } from '../../support/cluster.ts';
import { runAsOwner, withClient } from '../../support/sealed-database.ts';
import { readAccessCatalog } from './access-catalog.ts';
import { expectCatalogsEqualSchema, loadAccessModel } from './catalog-equals-schema.ts';
import { query } from './catalog.ts';
import { createProject, type Project, type RunResult } from './project.ts';

let project: Project;
let database: TestDatabase;

beforeEach(async () => {
  project = await createProject();
  database = await createDatabase('push', { owner: 'ordinary' });
});

afterEach(async () => {
  await database?.drop();
  await project?.remove();
});

const push = (...args: readonly string[]): Promise<RunResult> =>
  project.authorize(['push', '--url', database.url, ...args]);

const todos = (policies = '', columns = ''): string =>
  `export const todos = pgTable('todos', { id: serial().primaryKey(), userId: text('user_id'), ${columns} }, (t) => [${policies}]);`;
const own = `selectPolicy('own', { to: authenticatedRole, using: authUid(t.userId) }),`;

async function pushed(schema: string, ...args: readonly string[]): Promise<RunResult> {
  await project.schema(schema);
  const result = await push(...args);
  expect(result, result.stderr).toMatchObject({ code: 0 });
  return result;
}

/** Everything about tables and access, to find out whether anything at all has changed. */
async function everything(): Promise<readonly unknown[]> {
  return withClient(database.url, async (client) => {
    const { rows } = await client.query(`
      SELECT c.oid, nspname, relname, relkind, relrowsecurity, relforcerowsecurity, relacl::text,
        (SELECT jsonb_agg(jsonb_build_array(attname, atttypid, attnotnull, attacl::text) ORDER BY attnum) FROM pg_attribute WHERE attrelid = c.oid AND NOT attisdropped) AS columns,
        (SELECT jsonb_agg(to_jsonb(p) ORDER BY polname) FROM pg_policy p WHERE polrelid = c.oid) AS policies
      FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace WHERE nspname NOT LIKE 'pg\\_%' AND nspname <> 'information_schema'
      UNION ALL SELECT oid, pronamespace::regnamespace::text, pg_get_functiondef(oid), 'f', NULL, NULL, proacl::text, NULL, NULL
      FROM pg_proc WHERE pronamespace::regnamespace::text NOT IN ('pg_catalog', 'information_schema')
      ORDER BY 2, 3`);
    return rows;
  });
}

it('takes a database from nothing through changes of tables and access, and then has nothing to do', async () => {
  const kind = `export const kind = pgEnum('kind', ['a', 'b']); export const app = pgSchema('app');
    export const members = app.table('members', { userId: text(), teamId: integer() });`;
  await pushed(kind + todos(own));
  await pushed(
    kind +
      todos(
        `${own} insertPolicy('add', { to: authenticatedRole, withCheck: authUid(t.userId), columns: [t.userId, t.title] }),
         pgPolicy('linked to a value', { for: 'select', to: anonymousRole, using: sql\`\${t.kind} = \${'a'}\` }),
         selectPolicy('team', { to: authenticatedRole, using: memberOf(t.teamId, { user: members.userId, group: members.teamId }) }),`,
        `title: text(), kind: kind(), teamId: integer(),`,
      ) +
      `export const seen = pg.pgView('seen').with({ securityInvoker: true }).as((qb) => qb.select({ id: todos.id }).from(todos));
       export const forced = forceRLS(app.table('Forced', { id: integer() }));`,
  );
  await expectCatalogsEqualSchema(project, [database]);
  const before = await everything();
  const again = await push();
  expect(again.stdout).toBe('✓ the database is what the schema declares; nothing to do\n');
  expect(await everything()).toEqual(before);

  await pushed(
    kind +
      todos(
        `pgPolicy('linked to a value', { for: 'select', to: 'public', using: sql\`true\` }),`,
        'title: text(),',
      ),
    '--force',
  );
  await expectCatalogsEqualSchema(project, [database]);
});

it('heals what somebody has changed by hand', async () => {
  await pushed(todos(own));
  await runAsOwner(database.url, [
    'ALTER POLICY own ON todos USING (true)',
    'GRANT ALL ON todos TO anonymous',
    'ALTER TABLE todos DISABLE ROW LEVEL SECURITY',
    `CREATE OR REPLACE FUNCTION auth.user_id() RETURNS text LANGUAGE sql AS $$ SELECT 'alice' $$`,
    'CREATE POLICY more ON todos USING (true)',
  ]);
  const dry = await push('--dry-run');
  expect(dry.stdout).toContain('anonymous may SELECT');
  expect(dry.stdout).toContain('nothing was changed');
  expect(await compareWithDatabase(await loadAccessModel(project), database.url)).not.toEqual([]);
  await pushed(todos(own));
  await expectCatalogsEqualSchema(project, [database]);
});

describe('changes nothing at all', () => {
  it('when rows would be lost and nobody can be asked', async () => {
    await pushed(todos(own, 'title: text(),'));
    await runAsOwner(database.url, [`INSERT INTO todos (user_id, title) VALUES ('alice', 'x')`]);
    await project.schema(todos(own));
    const before = await everything();
    const asked = await push();
    expect(asked).toMatchObject({ code: 2 });
    expect(asked.stderr).toContain('pass --force');
    expect(await everything()).toEqual(before);
    await pushed(todos(own), '--force');
    expect((await query(database.url, 'TABLE todos')).rows).toEqual([{ id: 1, user_id: 'alice' }]);
  });

  it('when PostgreSQL refuses one of the statements', async () => {
    await pushed(todos(own));
    await runAsOwner(database.url, [`INSERT INTO todos (user_id) VALUES ('alice'), ('alice')`]);
    const before = await everything();
    await project.schema(
      `${todos(`${own} pg.check('positive', sql\`\${t.id} < 2\`), selectPolicy('more', { to: anonymousRole, using: sql\`true\` }),`)}
       export const others = pgTable('others', { id: integer() }, () => [selectPolicy('p', { to: 'public', using: sql\`true\` })]);`,
    );
    const refused = await push();
    expect(refused.code).toBe(1);
    expect(refused.stderr).toMatch(
      /is violated by some row \(ERR_MIGRATION_FAILED\)\n +Nothing was changed\. It fails at: ALTER TABLE/,
    );
    expect(await everything()).toEqual(before);
  });

  it('when the schema auth belongs to somebody else', async () => {
    await runAsOwner(database.url, ['CREATE SCHEMA auth', 'CREATE TABLE auth.users (id text)']);
    await project.schema(todos(own));
    const before = await everything();
    const refused = await push();
    expect(refused.stderr).toContain('(ERR_SCHEMA_TAKEN)');
    expect(await everything()).toEqual(before);
  });

  it('when a newer release has made the auth schema', async () => {
    await pushed(todos(own));
    await runAsOwner(database.url, [
      `COMMENT ON SCHEMA auth IS 'drizzle-authorize prelude ${preludeVersion + 1}'`,
    ]);
    await project.schema(todos(own, 'title: text(),'));
    const before = await everything();
    expect((await push()).stderr).toContain('(ERR_PRELUDE_VERSION)');
    expect(await everything()).toEqual(before);
  });

  it('when generate would refuse the schema', async () => {
    await project.schema(
      todos(`updatePolicy('p', { to: authenticatedRole, using: sql\`exists (select from closed)\` }),`) +
        `export const closed = pgTable('closed', { id: integer() });`,
    );
    const refused = await push();
    expect(refused.stderr).toContain('(ERR_POLICY_INVALID)');
    expect(await everything()).toEqual([]);
  });
});

it('leaves tables alone that the filters leave out, and everything of theirs', async () => {
  await project.remove();
  project = await createProject(`tablesFilter: ['!their_*'],`);
  await runAsOwner(database.url, [
    'CREATE TABLE their_notes (id integer)',
    'ALTER TABLE their_notes ENABLE ROW LEVEL SECURITY',
    'CREATE POLICY theirs ON their_notes USING (id > 0)',
    'GRANT SELECT ON their_notes TO pg_monitor',
  ]);
  const theirs = async (): Promise<readonly unknown[]> =>
    (await everything()).filter((row) => JSON.stringify(row).includes('their_notes'));
  const before = await theirs();
  await pushed(todos(own));
  expect(await theirs()).toEqual(before);
});

it('takes the connection of the config in parts, speaks JSON, and warns of migrations', async () => {
  const { hostname, port, username, password, pathname } = new URL(database.url);
  const parts = {
    host: hostname,
    port: Number(port),
    user: username,
    password,
    database: pathname.slice(1),
    ssl: false,
  };
  await project.schema(todos(own));
  await project.generate();
  await project.migrate(database.url);
  await project.write(
    'drizzle.config.ts',
    `import { withAuthorize } from 'drizzle-authorize/kit';
export default withAuthorize({ dialect: 'postgresql', schema: './schema.ts', dbCredentials: ${JSON.stringify(parts)} });`,
  );
  await project.schema(todos(own, 'title: text(),'));
  const main = (...args: readonly string[]): Promise<RunResult> =>
    project.authorize(['push', '--json', ...args]);
  const refused = await main();
  expect(JSON.parse(refused.stderr)).toMatchObject({ error: { code: 'ERR_USAGE', hint: 'pass --force' } });
  const { code, stdout } = await main('--force');
  expect(code).toBe(0);
  expect(JSON.parse(stdout)).toEqual({
    applied: true,
    auth: 'kept',
    structure: ['ALTER TABLE "todos" ADD COLUMN "title" text'],
    access: [],
    warnings: [expect.stringContaining('migrations were applied here')],
  });
  await expectCatalogsEqualSchema(project, [database]);
});

it('asks in a terminal', async () => {
  await pushed(todos(own, 'title: text(),'));
  await runAsOwner(database.url, [`INSERT INTO todos (user_id, title) VALUES ('alice', 'x')`]);
  await project.schema(todos(own));
  const line = [process.execPath, project.authorizePath, 'push', '--url', database.url]
    .map((word) => `'${word}'`)
    .join(' ');
  const child = spawn('script', ['--quiet', '--return', '--command', line, '/dev/null'], {
    cwd: project.folder,
  });
  let stdout = '';
  child.stdout.setEncoding('utf8').on('data', (shown: string) => {
    stdout += shown;
    if (shown.includes('[y/N]')) child.stdin.write('y\r');
  });
  await once(child, 'close');
  expect(stdout).toContain('the database is what the schema declares');
  expect((await readAccessCatalog(database.url)).policies).toHaveLength(1);
});
