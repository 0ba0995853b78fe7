import { sql } from 'drizzle-orm';
import { pgPolicy, pgSchema, pgTable, serial, text } from 'drizzle-orm/pg-core';
import { describe, expect, it } from 'vitest';

import {
  allPolicy,
  anonymousRole,
  authenticatedRole,
  identityRole,
  selectPolicy,
} from '../../../src/index.ts';
import { readAccessModel, type AccessModel } from '../../../src/migration/access-model.ts';
import { parseHeader, preludeState, type MigrationState } from '../../../src/migration/migration-state.ts';
import { accessChanged, rewriteMigration, type Migration } from '../../../src/migration/rewrite.ts';
import { parseSnapshot } from '../../../src/migration/kit-0.31/snapshot.ts';
import type { Snapshot } from '../../../src/migration/snapshot.ts';
import { splitStatements } from '../../../src/migration/statements.ts';

const prelude = preludeState(['authenticated', 'anonymous']);

// A snapshot as drizzle-kit would note it for the model; `mark` stands for anything else about the tables.
function snapshotOf(model: AccessModel, mark = ''): Snapshot {
  const tables = model.tables
    .filter((table) => table.declared)
    .map((table) => [
      `${table.schema}.${table.name}`,
      {
        name: table.name,
        schema: table.schema === 'public' ? '' : table.schema,
        columns: Object.fromEntries(table.columns.map((column) => [column, { mark }])),
        policies: Object.fromEntries(
          table.policies.map((policy) => [policy.name, { as: policy.as.toUpperCase() }]),
        ),
      },
    ]);
  return parseSnapshot(JSON.stringify({ id: 'x', prevId: 'y', tables: Object.fromEntries(tables) }));
}

const none = readAccessModel([]);

function step(
  before: AccessModel,
  model: AccessModel,
  statements: readonly string[],
  previous: MigrationState,
): Migration {
  return rewriteMigration({
    statements,
    before: snapshotOf(before),
    after: snapshotOf(model),
    previous,
    model,
  });
}

function statementsOf(migration: Migration): readonly string[] {
  return splitStatements(migration.sql.replace(/^-- .*\n/gm, '')).filter(
    (statement) => !closesDefaults(statement),
  );
}

function closesDefaults(statement: string): boolean {
  return statement.includes('ALTER DEFAULT PRIVILEGES');
}

const view = selectPolicy('view', { to: authenticatedRole, using: sql`true` });
const todos = pgTable('todos', { id: text() }, () => [view]);

describe('the state', () => {
  it('comes back from the header, and asks for nothing more', () => {
    const model = readAccessModel([todos]);
    const { sql: file, state } = step(none, model, ['CREATE TABLE "todos" ()'], prelude);
    expect(parseHeader(file, 'x.sql')).toEqual(state);
    expect(accessChanged(model, state)).toBe(false);
    expect(accessChanged(readAccessModel([todos, identityRole('editor')]), state)).toBe(true);
  });

  it('is refused when it was edited, or written by a newer release', () => {
    const line = (json: string): string => `-- drizzle-authorize:state ${json}\nSELECT 1;`;
    expect(parseHeader('SELECT 1;', 'x.sql')).toBeUndefined();
    expect(() => parseHeader(line('{"version":1'), 'x.sql')).toThrow(
      expect.objectContaining({ code: 'ERR_MIGRATION_INCOMPLETE' }),
    );
    expect(() => parseHeader(line('{"version":2}'), 'x.sql')).toThrow('x.sql was written by a newer release');
    expect(() => parseHeader(line(JSON.stringify({ ...prelude, prelude: 99 })), 'x.sql')).toThrow(
      expect.objectContaining({ code: 'ERR_KIT_UNSUPPORTED' }),
    );
  });
});

describe('the migration', () => {
  it("replaces drizzle-kit's policy statements and switches", () => {
    const statements = [
      'CREATE TABLE "todos" ()',
      'ALTER TABLE "todos" ENABLE ROW LEVEL SECURITY',
      'ALTER TABLE "todos" DISABLE ROW LEVEL SECURITY',
      'CREATE POLICY "view" ON "todos" AS PERMISSIVE FOR SELECT TO "authenticated" USING ($1)',
      'ALTER POLICY "old" ON "todos" TO authenticated USING ($1)',
      'DROP POLICY "gone" ON "todos" CASCADE',
    ];
    const written = statementsOf(step(none, readAccessModel([todos]), statements, prelude));
    expect(written.slice(0, -1)).toEqual([
      'CREATE TABLE "todos" ()',
      'REVOKE ALL ON "public"."todos" FROM PUBLIC, "authenticated", "anonymous" CASCADE',
      'ALTER TABLE "public"."todos" ENABLE ROW LEVEL SECURITY',
      'CREATE POLICY "view" ON "public"."todos" AS PERMISSIVE FOR SELECT TO "authenticated" USING (true)',
      'GRANT SELECT ON "public"."todos" TO "authenticated"',
    ]);
  });

  it('takes away before drizzle-kit changes a table, and gives afterwards', () => {
    const before = readAccessModel([todos]);
    const { state } = step(none, before, ['CREATE TABLE "todos" ()'], prelude);
    const model = readAccessModel([
      pgTable('todos', { id: text(), more: text() }, () => [
        selectPolicy('view', { to: anonymousRole, using: sql`true` }),
      ]),
    ]);
    const migration = step(before, model, ['ALTER TABLE "todos" ADD COLUMN "more" text'], state);
    expect(statementsOf(migration).slice(0, -1)).toEqual([
      'REVOKE ALL ON "public"."todos" FROM PUBLIC, "authenticated", "anonymous" CASCADE',
      'DROP POLICY IF EXISTS "view" ON "public"."todos"',
      'ALTER TABLE "todos" ADD COLUMN "more" text',
      'ALTER TABLE "public"."todos" ENABLE ROW LEVEL SECURITY',
      'CREATE POLICY "view" ON "public"."todos" AS PERMISSIVE FOR SELECT TO "anonymous" USING (true)',
      'GRANT SELECT ON "public"."todos" TO "anonymous"',
    ]);
    expect(migration.sql).toContain('-- anonymous: SELECT on public.todos granted by "view"\n');
    expect(migration.sql).toContain('-- authenticated: SELECT on public.todos revoked\n');
  });

  it.each([
    ['CREATE TABLE "x" ()', true],
    ['CREATE MATERIALIZED VIEW "x" AS (select 1)', true],
    ['ALTER TABLE "x" ADD COLUMN "n" bigserial NOT NULL', true],
    ['ALTER TABLE "x" ALTER COLUMN "n" ADD GENERATED ALWAYS AS IDENTITY (sequence name "s")', true],
    ['ALTER TABLE "x" ADD COLUMN "more" text', false],
    ['ALTER TABLE "x" RENAME TO "y"', false],
  ])('closes default privileges before it creates something: %s', (statement, expected) => {
    const { sql: file } = step(none, none, [statement], prelude);
    expect(file.indexOf('ALTER DEFAULT PRIVILEGES') >= 0).toBe(expected);
    expect(file.indexOf('ALTER DEFAULT PRIVILEGES')).toBeLessThan(file.indexOf(statement));
  });

  it('leaves other tables alone', () => {
    const before = readAccessModel([todos]);
    const { state } = step(none, before, ['CREATE TABLE "todos" ()'], prelude);
    const model = readAccessModel([todos, pgTable('notes', { id: text() })]);
    const written = statementsOf(step(before, model, ['CREATE TABLE "notes" ()'], state));
    expect(written.slice(0, -1)).toEqual([
      'CREATE TABLE "notes" ()',
      'REVOKE ALL ON "public"."notes" FROM PUBLIC, "authenticated", "anonymous" CASCADE',
    ]);
  });

  it.each([
    'ALTER TABLE "x" DROP COLUMN "c"',
    'ALTER TABLE "x" ALTER COLUMN "c" SET DATA TYPE text',
    'DROP TABLE "x" CASCADE',
  ])('writes every policy anew around %s', (statement) => {
    const model = readAccessModel([todos]);
    const { state } = step(none, model, ['CREATE TABLE "todos" ()'], prelude);
    const written = statementsOf(step(model, model, [statement], state));
    const order = ['DROP POLICY IF EXISTS "view" ON "public"."todos"', statement].map((s) =>
      written.indexOf(s),
    );
    expect(order).toEqual([1, 2]);
    expect(written.some((s) => s.startsWith('CREATE POLICY "view"'))).toBe(true);
  });

  it('drops a policy that holds rows back after all others of its table, and creates it before them', () => {
    const held = (using: string): AccessModel =>
      readAccessModel([
        pgTable('todos', { id: text() }, () => [
          view,
          selectPolicy('a hold', { as: 'restrictive', to: authenticatedRole, using: sql.raw(using) }),
        ]),
      ]);
    const { state } = step(none, held('true'), ['CREATE TABLE "todos" ()'], prelude);
    const written = statementsOf(step(held('true'), held('false'), [], state));
    const policies = written.map(
      (statement) => /^(?:DROP|CREATE) POLICY (?:IF EXISTS )?"[^"]*"/.exec(statement)?.[0],
    );
    expect(policies.filter(Boolean)).toEqual([
      'DROP POLICY IF EXISTS "view"',
      'DROP POLICY IF EXISTS "a hold"',
      'CREATE POLICY "a hold"',
      'CREATE POLICY "view"',
    ]);
  });

  it('names a table that goes only before it goes', () => {
    const before = readAccessModel([todos]);
    const { state } = step(none, before, ['CREATE TABLE "todos" ()'], prelude);
    const written = statementsOf(step(before, none, ['DROP TABLE "todos" CASCADE'], state));
    expect(written).toEqual([
      'REVOKE ALL ON "public"."todos" FROM PUBLIC, "authenticated", "anonymous" CASCADE',
      'DROP POLICY IF EXISTS "view" ON "public"."todos"',
      'DROP TABLE "todos" CASCADE',
    ]);
  });

  it('keeps row level security on and remembers it', () => {
    const before = readAccessModel([todos]);
    const { state } = step(none, before, ['CREATE TABLE "todos" ()'], prelude);
    const bare = readAccessModel([pgTable('todos', { id: text() })]);
    const migration = step(before, bare, ['ALTER TABLE "todos" DISABLE ROW LEVEL SECURITY'], state);
    expect(migration.sql).not.toContain('DISABLE');
    expect(migration.state.tables[0]).toMatchObject({ rowSecurity: true, policies: {}, grants: {} });
    expect(accessChanged(bare, migration.state)).toBe(false);
  });

  it('guards roles, which belong to the whole cluster', () => {
    const statements = ['CREATE ROLE "a" WITH CREATEDB', 'DROP ROLE "b"', 'DROP ROLE "authenticated"'];
    const written = statementsOf(step(none, none, statements, prelude));
    expect(written).toHaveLength(2);
    expect(written[0]).toContain(`IF to_regrole('"a"') IS NULL THEN\n    CREATE ROLE "a" WITH CREATEDB;`);
    expect(written[1]).toContain('DROP ROLE IF EXISTS "b"');
    expect(written[1]).toContain('EXCEPTION WHEN dependent_objects_still_exist');
  });

  it('says nothing at the top that Postgres would take for a statement', () => {
    const before = readAccessModel([
      pgTable('todos', { id: text() }, () => [
        selectPolicy('a\rb\nc', { to: anonymousRole, using: sql`true` }),
      ]),
    ]);
    const { sql: file } = step(none, before, ['CREATE TABLE "todos" ()'], prelude);
    expect(file).toContain('-- anonymous: SELECT on public.todos granted by "a b c"\n');
  });

  it('lets a new identity role in, and the old ones keep theirs', () => {
    const { sql: file } = step(none, readAccessModel([identityRole('editor')]), [], prelude);
    expect(file).toContain('CREATE ROLE "editor" NOLOGIN');
    expect(file).toContain('GRANT USAGE ON SCHEMA auth TO "editor"');
    expect(file).toContain(`INSERT INTO auth.identity_roles (name) VALUES ('editor') ON CONFLICT DO NOTHING`);
  });

  it('quotes what can be a name, and no keyword', () => {
    const table = pgSchema('My"App').table('To do', { id: serial('My id') }, () => [
      allPolicy('it"s', { to: ['Mixed-Role', 'public'], using: sql`true` }),
      pgPolicy('mine', { to: 'current_user', using: sql`true` }),
    ]);
    const { sql: file } = step(none, readAccessModel([table]), ['CREATE TABLE x ()'], prelude);
    expect(file).toContain(
      'CREATE POLICY "it""s" ON "My""App"."To do" AS PERMISSIVE FOR ALL TO "Mixed-Role", PUBLIC',
    );
    expect(file).toContain('CREATE POLICY "mine" ON "My""App"."To do" AS PERMISSIVE FOR ALL TO CURRENT_USER');
    expect(file).toContain('GRANT USAGE ON SCHEMA "My""App" TO "Mixed-Role", PUBLIC');
    expect(file).toContain(`pg_get_serial_sequence('"My""App"."To do"', 'My id')`);
    expect(file).toContain('GRANT SELECT, INSERT, UPDATE, DELETE ON "My""App"."To do" TO PUBLIC');
  });
});
