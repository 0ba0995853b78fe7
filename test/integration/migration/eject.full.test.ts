import { mkdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';

import type pg from 'pg';
import { afterEach, beforeEach, expect, it } from 'vitest';

import { clusterUrl, createDatabase, type TestDatabase } from '../../support/cluster.ts';
import { runAsOwner, withClient } from '../../support/sealed-database.ts';
import { readAccessCatalog } from './access-catalog.ts';
import { createProject, type Project, type RunResult } from './project.ts';

const schema = `
export const members = pgTable('e_members', { userId: text('user_id'), orgId: integer('org_id') });
export const notes = pgTable('e_notes', {
  id: integer().primaryKey(), userId: text('user_id').default(auth.userId()), orgId: integer('org_id'), body: text(),
}, (t) => [
  crudPolicy({ role: authenticatedRole, read: authUid(t.userId), modify: authUid(t.userId) }),
  selectPolicy('of the organisation', { to: authenticatedRole, using: memberOf(t.orgId, { user: members.userId, group: members.orgId }) }),
  pgPolicy('awake', { as: 'restrictive', to: authenticatedRole, using: sql\`(select auth.claim('asleep')) is distinct from 'true'\` }),
]);
export const news = forceRLS(pgTable('e_news', { body: text() }, () => [selectPolicy('all', { to: anonymousRole, using: sql\`true\` })]));`;

let project: Project;
let database: TestDatabase;

beforeEach(async () => {
  project = await createProject();
  await project.schema(schema);
  await project.generate('--name=start');
  database = await createDatabase('eject', { owner: 'ordinary' });
});

afterEach(async () => {
  await database?.drop();
  await project?.remove();
});

const eject = (...args: readonly string[]): Promise<RunResult> => project.authorize(['eject', ...args]);

const text = (file: string): Promise<string> => readFile(join(project.folder, file), 'utf8');

it('leaves policies, grants and functions that need nothing of ours, and a project for plain drizzle-kit', async () => {
  await project.migrate(database.url);
  await runAsOwner(database.url, [
    `INSERT INTO e_members VALUES ('alice', 1)`,
    `INSERT INTO e_notes VALUES (1, 'alice', 2, 'hers'), (2, 'bob', 1, 'of hers'), (3, 'bob', 2, 'his')`,
  ]);
  const { identityRoles: _, ...before } = await readAccessCatalog(database.url);

  const { code, stdout } = await eject('--yes');
  expect(stdout).toContain('✓ drizzle.config.ts changed');
  expect(stdout).toContain('! schema.ts: a new or changed memberOf() needs a function');
  expect(code).toBe(1);
  expect(await text('drizzle.config.ts')).not.toMatch(/authorize/i);
  expect(await text('schema.ts')).not.toContain(`'drizzle-authorize'`);

  await project.migrate(database.url);
  const left = await withClient(database.url, async (client) => {
    const { rows } = await client.query<{ name: string }>(
      `SELECT oid::regprocedure::text AS name FROM pg_proc WHERE pronamespace = 'auth'::regnamespace
       UNION ALL SELECT oid::regclass::text FROM pg_class WHERE relnamespace = 'auth'::regnamespace ORDER BY 1`,
    );
    return rows.map(({ name }) => name.replace(/\w{12}\(/, '…('));
  });
  expect(left).toEqual([
    'auth.claim(text)',
    'auth.jwt()',
    'auth.member_of_e_members_…()',
    'auth.session()',
    'auth.uid()',
    'auth.user_id()',
  ]);
  await runAsOwner(database.url, ['CREATE TABLE auth.identity_roles AS SELECT NULL::text AS name']);
  const { identityRoles: __, ...after } = await readAccessCatalog(database.url);
  await runAsOwner(database.url, ['DROP TABLE auth.identity_roles']);
  expect(after).toEqual(before);

  expect(await seenAs({ sub: 'alice' })).toEqual(['hers', 'of hers']);
  expect(await seenAs({ sub: 'bob' })).toEqual(['his', 'of hers']);
  expect(await seenAs({ sub: 'bob', asleep: true })).toEqual([]);
  expect(await seenAs(undefined)).toEqual([]);

  // And drizzle-kit, on its own, finds nothing to do.
  const files = await project.files();
  await project.generate();
  expect(await project.files()).toEqual(files);
});

/** The notes of whoever the setting names, in a transaction of the identity role. */
async function seenAs(claims: Record<string, unknown> | undefined): Promise<readonly string[]> {
  // Whoever has made the role in this cluster: the superuser may take it.
  const superuser = new URL(await clusterUrl());
  superuser.pathname = `/${database.name}`;
  return withClient(superuser.href, async (client: pg.Client) => {
    await client.query('BEGIN');
    await client.query('SET LOCAL ROLE authenticated');
    if (claims)
      await client.query(`SELECT set_config('request.jwt.claims', $1, true)`, [JSON.stringify(claims)]);
    const { rows } = await client.query<{ body: string }>('SELECT body FROM e_notes ORDER BY body');
    await client.query('ROLLBACK');
    return rows.map(({ body }) => body);
  });
}

it('leaves a project alone that has files where it would write, and finds every schema file', async () => {
  await mkdir(join(project.folder, 'authorize'));
  await project.write('authorize/index.js', '// mine');
  const refused = await eject('--yes');
  expect(refused.code).toBe(2);
  expect(refused.stderr).toContain('authorize/index.js is there already');
  expect(await text('authorize/index.js')).toBe('// mine');
  expect(await text('drizzle.config.ts')).toContain('withAuthorize');

  await rm(join(project.folder, 'authorize'), { recursive: true });
  await mkdir(join(project.folder, 'db'));
  const body = await text('schema.ts');
  for (const name of ['a', 'b', 'c'])
    await project.write(
      `db/${name}.ts`,
      `import { auth } from 'drizzle-authorize'; export const ${name} = auth;`,
    );
  await project.write('db/schema.ts', body);
  await project.write(
    'drizzle.config.ts',
    (await text('drizzle.config.ts')).replace('./schema.ts', './db/*.ts'),
  );
  expect(JSON.parse((await eject('--dry-run', '--json')).stdout).changed).toEqual(
    expect.arrayContaining(['db/a.ts', 'db/b.ts', 'db/c.ts', 'db/schema.ts']),
  );
});

it('says what it would do, asks, and refuses a project that is not at rest', async () => {
  const [files, config] = [await project.files(), await text('drizzle.config.ts')];
  const dry = await eject('--dry-run', '--json');
  expect(JSON.parse(dry.stdout)).toMatchObject({
    changed: ['drizzle.config.ts', 'schema.ts'],
    written: expect.arrayContaining(['authorize/index.js', 'authorize/policy/auth.js']),
  });
  const asked = await eject();
  expect(asked).toMatchObject({ code: 2, stdout: '' });
  expect(asked.stderr).toContain('pass --yes');

  await project.schema(
    `${schema} export const late = pgTable('e_late', {}, () => [selectPolicy('p', { to: 'public', using: sql\`true\` })]);`,
  );
  const moved = await eject('--yes');
  expect(moved.code).toBe(1);
  expect(moved.stderr).toContain('Run `npx drizzle-kit generate` first.');

  await project.write('schema.ts', 'export {};');
  await project.schema(schema);
  await project.write(
    'drizzle.config.ts',
    config.replace('export default ', 'const config = ') + '\nexport default config;',
  );
  const own = await eject('--dry-run');
  expect(own.stdout).toContain('! drizzle.config.ts: take withAuthorize() away from around the config');
  expect(await project.files()).toEqual(files);
});
