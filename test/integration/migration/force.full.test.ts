import { afterAll, beforeAll, expect, it } from 'vitest';

import { createDatabase, type TestDatabase } from '../../support/cluster.ts';
import { applyMigrations } from './catalog-equals-schema.ts';
import { query } from './catalog.ts';
import { createPeople } from './people.ts';
import { createProject, type Project } from './project.ts';

// The tests of this file are one history: each changes the project that the one before has left.
let project: Project;
let database: TestDatabase;

beforeAll(async () => {
  project = await createProject('', '{ force: true }');
  database = await createDatabase('force', { owner: 'ordinary' });
  await project.schema(`export const todos = pgTable('todos', { id: integer(), userId: text('user_id') }, (t) => [
    selectPolicy('view', { to: authenticatedRole, using: authUid(t.userId) }),
    pgPolicy('seed', { for: 'insert', to: 'current_user', withCheck: sql\`true\` })]);
  export const notes = pgTable('notes', { id: integer() });`);
  await project.generate();
  await project.migrate(database.url);
});

afterAll(async () => {
  await database?.drop();
  await project?.remove();
});

async function forcedTables(): Promise<readonly string[]> {
  const { rows } = await query(
    database.url,
    `SELECT oid::regclass::text AS name FROM pg_class WHERE relforcerowsecurity`,
  );
  return rows.map((row) => String(row.name));
}

it('binds the owner of every table that has policies, and says so', async () => {
  expect(await forcedTables()).toEqual(['todos']);
  expect(await project.newest()).toContain('-- public.todos: binds its owner, too');
  await query(database.url, `INSERT INTO todos VALUES (1, 'alice')`); // the policy `seed` lets it
  expect((await query(database.url, 'SELECT FROM todos')).rowCount).toBe(0);
});

it('does not stand between the functions of the auth schema and the keys', async () => {
  const people = await createPeople(database);
  try {
    expect(await people.as('alice', 'SELECT id FROM todos')).toEqual([{ id: 1 }]);
    expect(await people.as('bob', 'SELECT id FROM todos')).toEqual([]);
  } finally {
    await people.close();
  }
});

it('fails a migration where somebody has let go of the owner by hand', async () => {
  await query(database.url, 'ALTER TABLE todos NO FORCE ROW LEVEL SECURITY');
  await project.schema(`export const todos = pgTable('todos', { id: integer(), userId: text('user_id') }, (t) => [
    selectPolicy('view', { to: authenticatedRole, using: authUid(t.userId) }),
    pgPolicy('seed', { for: 'insert', to: 'current_user', withCheck: sql\`true\` })]);
  export const notes = pgTable('notes', { id: integer(), note: text() });`);
  await project.generate();
  await expect(applyMigrations(project, database.url)).rejects.toHaveProperty(
    'cause.message',
    'row level security does not bind the owner of todos',
  );
  await query(database.url, 'ALTER TABLE todos FORCE ROW LEVEL SECURITY');
  await project.migrate(database.url);
});

it('lets go of the owners when it is not asked for any more', async () => {
  await project.configure('{}');
  await project.generate();
  expect(await project.newest()).toContain('-- public.todos: binds its owner no more');
  await project.migrate(database.url);
  expect(await forcedTables()).toEqual([]);
  expect((await query(database.url, 'SELECT FROM todos')).rowCount).toBe(1);
  const before = await project.files();
  await project.generate();
  expect(await project.files()).toEqual(before);
});
