import { rm } from 'node:fs/promises';
import { join } from 'node:path';

import { afterEach, beforeEach, expect, it } from 'vitest';

import { createDatabase, type TestDatabase } from '../../support/cluster.ts';
import { expectCatalogsEqualSchema } from './catalog-equals-schema.ts';
import { createProject, type Project } from './project.ts';

// What drizzle-kit 0.31 keeps in meta/, and 1.0 has no more.

let project: Project;
let database: TestDatabase;

beforeEach(async () => {
  project = await createProject();
  database = await createDatabase('journal', { owner: 'ordinary' });
});

afterEach(async () => {
  await database?.drop();
  await project?.remove();
});

const table = (name: string): string =>
  `export const ${name} = pgTable('${name}', { userId: text(), title: text() }, (t) => [
    selectPolicy('view', { to: authenticatedRole, using: sql\`\${t.userId} = auth.user_id() and \${t.title} is not null\` }),
  ]);`;

it('what people write stays as it is also when the snapshot before it is gone', async () => {
  await project.schema(table('todos'));
  await project.generate();
  await project.generate('--custom', '--name=mine');
  const mine = 'ALTER POLICY view ON todos USING (true);';
  await project.write('drizzle/0002_mine.sql', mine);
  await rm(join(project.folder, 'drizzle/meta/0001_snapshot.json'));
  const before = await project.files();
  await project.generate();
  expect(await project.files()).toEqual(before);
});

it('two migrations of one number, as a merge leaves them, are refused until one of them is made anew', async () => {
  await project.schema(table('base'));
  await project.generate('--name=base');
  const before = await project.files();
  await project.schema(table('base') + table('theirs'));
  await project.generate('--name=theirs');
  const theirs = await project.files();
  await rm(join(project.folder, 'drizzle'), { recursive: true });
  await project.addMigrations(before);
  await project.schema(table('base') + table('ours'));
  await project.generate('--name=ours');
  const ours = await project.files();

  const journal = 'drizzle/meta/_journal.json';
  const entriesOf = (text = '{}'): readonly unknown[] => JSON.parse(text).entries;
  const merged = {
    ...JSON.parse(ours[journal] ?? ''),
    entries: [...entriesOf(ours[journal]), entriesOf(theirs[journal]).at(-1)],
  };
  await project.addMigrations({ ...ours, ...theirs, [journal]: JSON.stringify(merged) });
  await project.schema(table('base') + table('ours') + table('theirs'));
  for (const command of ['generate', 'migrate']) {
    const { code, stderr } = await project.kit([command], { DATABASE_URL: database.url });
    expect(code).toBe(1);
    expect(stderr).toMatch(
      /drizzle\/0002_theirs\.sql was not made on top of drizzle\/0002_ours\.sql\. After a merge, .* \(ERR_KIT_UNSUPPORTED\)\n$/,
    );
  }

  await rm(join(project.folder, 'drizzle/0002_ours.sql'));
  await project.addMigrations(theirs);
  await project.generate('--name=both');
  await project.migrate(database.url);
  await expectCatalogsEqualSchema(project, [database]);
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
