import { eq, inArray } from 'drizzle-orm';
import { index, integer, pgTable, primaryKey, text, uuid } from 'drizzle-orm/pg-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { findExposures } from '../../../src/database/exposure.ts';
import { preludeStatements } from '../../../src/database/prelude.ts';
import { allPolicy, authenticatedRole, memberOf, selectPolicy, updatePolicy } from '../../../src/index.ts';
import { readAccessModel } from '../../../src/migration/access-model.ts';
import { checkAccess } from '../../../src/migration/check-access.ts';
import { rewriteMigration } from '../../../src/migration/rewrite.ts';
import { emptySnapshot } from '../../../src/migration/snapshot.ts';
import { preludeState } from '../../../src/migration/migration-state.ts';
import { createDatabase, type TestDatabase } from '../../support/cluster.ts';
import { runAsOwner } from '../../support/sealed-database.ts';
import { createPeople, type People } from './people.ts';
import { snapshotOf } from './snapshot-of.ts';

const members = pgTable(
  'members',
  {
    userId: text('user_id').notNull(),
    orgId: integer('org_id').notNull(),
    role: text().notNull(),
  },
  (t) => [
    primaryKey({ columns: [t.userId, t.orgId] }),
    selectPolicy('view colleagues', {
      to: authenticatedRole,
      using: memberOf(t.orgId, { user: t.userId, group: t.orgId }),
    }),
  ],
);
const inOrg = { user: members.userId, group: members.orgId };

const projects = pgTable(
  'projects',
  { id: integer().primaryKey(), orgId: integer('org_id').notNull(), title: text() },
  (t) => [
    index().on(t.orgId),
    selectPolicy('view', { to: authenticatedRole, using: memberOf(t.orgId, inOrg) }),
    updatePolicy('change', {
      to: authenticatedRole,
      using: memberOf(t.orgId, { ...inOrg, where: inArray(members.role, ['admin', "the owner's"]) }),
    }),
  ],
);

const tasks = pgTable('tasks', { id: integer().primaryKey(), projectId: integer('project_id') }, (t) => [
  index().on(t.projectId),
  selectPolicy('view', {
    to: authenticatedRole,
    using: memberOf(t.projectId, {
      user: members.userId,
      group: projects.id,
      on: eq(projects.orgId, members.orgId),
    }),
  }),
]);

const devices = pgTable('devices', { owner: uuid(), number: integer() });
const seats = pgTable('seats', { person: integer(), seat: text() });
const things = pgTable('things', { id: integer(), device: integer(), seat: text() }, (t) => [
  allPolicy('device', {
    to: authenticatedRole,
    using: memberOf(t.device, { user: devices.owner, group: devices.number }),
  }),
  allPolicy('seat', {
    to: authenticatedRole,
    using: memberOf(t.seat, { user: seats.person, group: seats.seat }),
  }),
]);

let database: TestDatabase;
let people: People;

beforeAll(async () => {
  const model = readAccessModel([members, projects, tasks, devices, seats, things]);
  checkAccess(model, []);
  const { sql } = rewriteMigration({
    statements: [],
    before: emptySnapshot,
    after: snapshotOf(model),
    previous: preludeState(model.identityRoles),
    model,
  });
  database = await createDatabase('members', { owner: 'ordinary' });
  await runAsOwner(database.url, [
    ...preludeStatements(['authenticated', 'anonymous']),
    'CREATE TABLE members (user_id text, org_id integer, role text, PRIMARY KEY (user_id, org_id))',
    'CREATE TABLE projects (id integer PRIMARY KEY, org_id integer, title text)',
    'CREATE INDEX ON projects (org_id)',
    'CREATE TABLE tasks (id integer PRIMARY KEY, project_id integer)',
    'CREATE INDEX ON tasks (project_id)',
    'CREATE TABLE devices (owner uuid, number integer)',
    'CREATE TABLE seats (person integer, seat text)',
    'CREATE TABLE things (id integer, device integer, seat text)',
    ...sql.split('--> statement-breakpoint'),
    `INSERT INTO members SELECT 'user ' || i % 20000, i % 9973, 'member' FROM generate_series(1, 50000) AS i`,
    `INSERT INTO members VALUES ('alice', 17, 'admin'), ('alice', 4711, 'member'), ('bob', 17, 'member')`,
    `INSERT INTO projects SELECT i, i % 10000, '' FROM generate_series(1, 100000) AS i`,
    'INSERT INTO tasks SELECT i, i FROM generate_series(1, 100000) AS i',
    `INSERT INTO devices VALUES ('11111111-1111-1111-1111-111111111111', 1)`,
    `INSERT INTO seats VALUES (42, 'a'), (43, 'b')`,
    `INSERT INTO things VALUES (1, 1, NULL), (2, 2, 'a'), (3, NULL, 'b')`,
    'ANALYZE',
  ]);
  people = await createPeople(database);
});

afterAll(async () => {
  await people?.close();
  await database?.drop();
});

async function count(sub: string, from: string): Promise<number> {
  const [row] = await people.as<{ count: number }>(sub, `SELECT count(*)::int AS count FROM ${from}`);
  return row?.count ?? -1;
}

it('rows are those of the groups that the caller belongs to, and of nobody else', async () => {
  expect(await count('alice', 'projects')).toBe(20);
  expect(await count('alice', 'projects WHERE org_id NOT IN (17, 4711)')).toBe(0);
  expect(await count('bob', 'projects')).toBe(10);
  expect(await count('mallory', 'projects')).toBe(0);
});

it('a membership counts where its role does', async () => {
  const changed = await people.as('alice', `UPDATE projects SET title = 'x' RETURNING org_id`);
  expect(new Set(changed.map((row) => row['org_id']))).toEqual(new Set([17]));
  expect(await people.as('bob', `UPDATE projects SET title = 'x' RETURNING id`)).toEqual([]);
});

it('two hops lead as far', async () => {
  expect(await count('alice', 'tasks')).toBe(20);
  expect(await count('bob', 'tasks JOIN projects ON projects.id = project_id WHERE org_id = 17')).toBe(10);
  expect(await count('mallory', 'tasks')).toBe(0);
});

it('the membership table is under a policy of the same kind, which does not lead in a circle', async () => {
  const seen = await people.as('bob', `SELECT user_id FROM members WHERE role = 'admin'`);
  expect(seen).toEqual([{ user_id: 'alice' }]);
  expect(await count('mallory', 'members')).toBe(0);
});

it('a `sub` is a uuid or a number where the column is one, and else nobody', async () => {
  expect(await people.as('11111111-1111-1111-1111-111111111111', 'SELECT id FROM things')).toEqual([
    { id: 1 },
  ]);
  expect(await people.as('42', 'SELECT id FROM things')).toEqual([{ id: 2 }]);
  for (const sub of ['alice', '42 or true', '99999999999999999999']) {
    expect(await people.as(sub, 'SELECT id FROM things'), sub).toEqual([]);
  }
});

describe('at 100,000 rows', () => {
  it.each(['projects', 'tasks'])(
    '%s are found by the index, and the function is asked once',
    async (table) => {
      const [row] = await people.as<{ 'QUERY PLAN': readonly [{ readonly Plan: Plan }] }>(
        'alice',
        `EXPLAIN (ANALYZE, FORMAT JSON) SELECT * FROM ${table}`,
      );
      const plan = row?.['QUERY PLAN'][0].Plan;
      const nodes = plan ? allNodes(plan) : [];
      expect(nodes.map((node) => node['Node Type'])).not.toContain('Seq Scan');
      expect(nodes.find((node) => node['Index Cond'] !== undefined)).toMatchObject({
        'Index Cond': expect.stringMatching(/ = ANY \(\(InitPlan \d+\)\.col1\)\)$/),
      });
      const asked = nodes.filter((node) => node['Node Type'] === 'ProjectSet');
      expect(asked.map((node) => node['Actual Loops'])).toEqual([1]);
      expect(nodes.find((node) => node['Parent Relationship'] === 'InitPlan')).toBeDefined();
    },
  );
});

it('nobody else may call the functions, and setup --check has nothing to say of them', async () => {
  await expect(
    runAsOwner(database.url, [
      'SET ROLE anonymous',
      `DO $$ DECLARE f text; BEGIN FOR f IN SELECT proname FROM pg_proc WHERE proname ~ '^member_of_'
         LOOP EXECUTE format('SELECT auth.%I()', f); END LOOP; END $$`,
    ]),
  ).rejects.toThrow(/permission denied/);
  const found = await findExposures(database.url, undefined);
  expect(found.map(({ what }) => what).filter((what) => what.includes('member_of'))).toEqual([]);
});

it('a membership table that binds its owner needs a policy for the owner', async () => {
  await runAsOwner(database.url, ['ALTER TABLE members FORCE ROW LEVEL SECURITY']);
  try {
    expect(await count('alice', 'projects')).toBe(0);
    await runAsOwner(database.url, [
      'CREATE POLICY owner ON members FOR SELECT TO current_user USING (true)',
    ]);
    expect(await count('alice', 'projects')).toBe(20);
    expect(await count('mallory', 'projects')).toBe(0);
  } finally {
    await runAsOwner(database.url, ['ALTER TABLE members NO FORCE ROW LEVEL SECURITY']);
  }
});

interface Plan extends Readonly<Record<string, unknown>> {
  readonly Plans?: readonly Plan[];
}

function allNodes(plan: Plan): readonly Plan[] {
  return [plan, ...(plan.Plans ?? []).flatMap(allNodes)];
}
