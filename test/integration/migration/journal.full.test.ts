import { rm } from 'node:fs/promises';
import { join } from 'node:path';

import { afterEach, beforeEach, expect, it } from 'vitest';

import { createDatabase, type TestDatabase } from '../../support/cluster.ts';
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
