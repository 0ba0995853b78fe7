import { readFile } from 'node:fs/promises';
import { join } from 'node:path';

import { afterEach, beforeEach, expect, it } from 'vitest';

import { preludeVersion } from '../../../src/database/prelude-version.ts';
import { createDatabase, type TestDatabase } from '../../support/cluster.ts';
import { applyMigrations, expectCatalogsEqualSchema } from './catalog-equals-schema.ts';
import { query } from './catalog.ts';
import { createProject, type Project } from './project.ts';

let project: Project;
let database: TestDatabase;

beforeEach(async () => {
  project = await createProject();
  database = await createDatabase('upgrade', { owner: 'ordinary' });
});

afterEach(async () => {
  await database?.drop();
  await project?.remove();
});

const table = (name: string): string =>
  `export const ${name} = pgTable('${name}', { userId: text() }, (t) => [
    selectPolicy('view', { to: authenticatedRole, using: authUid(t.userId) }),
  ]);`;

const olderVersions = Array.from({ length: preludeVersion - 1 }, (_, index) => index + 1);

/** The migrations as an older release has left them: it writes another prelude, and says so in each header. */
async function ageMigrations(old = preludeVersion - 1): Promise<void> {
  const prelude = await readFile(
    join(import.meta.dirname, '../../support/fixtures', `prelude-${old}.sql`),
    'utf8',
  );
  const files = await project.files();
  const first = await project.migration('authorize_prelude');
  await project.addMigrations(
    Object.fromEntries(
      Object.entries(files).map(([file, text]) => [
        file,
        file === first ? prelude : text.replace(`"prelude":${preludeVersion}`, `"prelude":${old}`),
      ]),
    ),
  );
}

it.each(olderVersions)(
  'generate writes an upgrade from version %i before what has changed, and only once',
  async (old) => {
    await project.schema(table('todos'));
    await project.generate('--name=todos');
    await ageMigrations(old);
    await project.migrate(database.url);
    const whole = await createDatabase('upgrade', { owner: 'ordinary' });
    try {
      await project.schema(table('todos') + table('notes'));
      const diff = await project.authorize(['diff']);
      expect(diff.stdout).toMatch(
        new RegExp(
          `the auth schema becomes version ${preludeVersion}: .*\nauthenticated: SELECT on public.notes granted`,
        ),
      );
      await project.generate('--name=notes');
      expect(await project.names()).toEqual(['authorize_prelude', 'todos', 'authorize_upgrade', 'notes']);
      const upgrade = await readFile(
        join(project.folder, await project.migration('authorize_upgrade')),
        'utf8',
      );
      expect(upgrade).toContain(`-- the auth schema becomes version ${preludeVersion}: `);
      const files = await project.files();
      await project.generate();
      expect(await project.files()).toEqual(files);

      await query(database.url, `COMMENT ON SCHEMA public IS 'theirs'`);
      await project.migrate(database.url);
      await applyMigrations(project, whole.url);
      await expectCatalogsEqualSchema(project, [database, whole]);
    } finally {
      await whole.drop();
    }
  },
);

it('an interrupted run is completed first, and the auth schema upgraded by the next', async () => {
  await project.schema(table('todos'));
  await project.generate('--name=todos');
  await ageMigrations();
  await project.schema(table('todos') + table('notes'));
  // What drizzle-kit leaves behind when we are killed before our part.
  await project.kit(['generate', '--name=notes'], { DRIZZLE_AUTHORIZE_CHILD: '1' });
  await project.generate();
  expect(await project.names()).toEqual(['authorize_prelude', 'todos', 'notes']);
  await project.generate();
  expect((await project.names()).at(-1)).toBe('authorize_upgrade');
  await project.migrate(database.url);
  await expectCatalogsEqualSchema(project, [database]);
});

it('an upgrade that was interrupted is written by the next run, and not applied before', async () => {
  await project.schema(table('todos'));
  await project.generate('--name=todos');
  await ageMigrations();
  await project.kit(['generate', '--custom', '--name=authorize_upgrade'], { DRIZZLE_AUTHORIZE_CHILD: '1' });
  const refused = await project.kit(['migrate'], { DATABASE_URL: database.url });
  expect(refused.stderr).toContain('(ERR_MIGRATION_INCOMPLETE)');
  await project.generate();
  expect(await project.names()).toEqual(['authorize_prelude', 'todos', 'authorize_upgrade']);
  await project.migrate(database.url);
  await expectCatalogsEqualSchema(project, [database]);
});
