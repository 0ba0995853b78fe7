import { eq, sql } from 'drizzle-orm';
import {
  bigserial,
  boolean,
  integer,
  pgPolicy,
  pgRole,
  pgSchema,
  pgTable,
  serial,
  text,
} from 'drizzle-orm/pg-core';
import { describe, expect, it } from 'vitest';

import {
  anonymousRole,
  authenticatedRole,
  authUid,
  forceRLS,
  identityRole,
  insertPolicy,
  memberOf,
  selectPolicy,
  updatePolicy,
} from '../../../src/index.ts';
import { readAccessModel, type TableAccess } from '../../../src/migration/access-model.ts';

function only(...exported: readonly unknown[]): TableAccess {
  const { tables } = readAccessModel(exported);
  expect(tables).toHaveLength(1);
  const [table] = tables;
  if (!table) throw new Error('no table');
  return table;
}

describe('a table', () => {
  it('counts once, however often it is exported', () => {
    const todos = pgTable('todos', { id: serial() });
    expect(only(todos, todos, { other: 'export' }, undefined)).toMatchObject({
      schema: 'public',
      name: 'todos',
      declared: true,
      rowSecurity: false,
      policies: [],
      grants: {},
    });
  });

  it('has the columns that take their values from a sequence', () => {
    const todos = pgTable('todos', {
      id: bigserial({ mode: 'number' }),
      position: serial('pos'),
      amount: integer().generatedAlwaysAsIdentity(),
      note: text(),
    });
    expect(only(todos).serialColumns).toEqual(['id', 'pos']);
  });

  it('names columns as casing writes them', () => {
    const todos = pgTable('todos', { userId: text(), isDone: text() }, (t) => [
      updatePolicy('own', { to: authenticatedRole, using: authUid(t.userId), columns: [t.isDone] }),
    ]);
    const [table] = readAccessModel([todos], { casing: 'snake_case' }).tables;
    expect(table?.columns).toEqual(['user_id', 'is_done']);
    expect(table?.policies[0]?.using).toBe('(select auth.user_id()) = "todos"."user_id"');
    expect(table?.grants).toEqual({ authenticated: { UPDATE: ['is_done'] } });
  });

  it('takes the policies that are linked to it, and stands undeclared when only they name it', () => {
    const objects = pgSchema('storage').table('objects', { id: text() });
    const view = pgPolicy('view', { for: 'select', to: 'bob', using: sql`true` }).link(objects);
    expect(only(view)).toMatchObject({ schema: 'storage', declared: false, rowSecurity: true });
    expect(only(view, objects)).toMatchObject({ declared: true, grants: { bob: { SELECT: true } } });
    expect(readAccessModel([pgPolicy('linked to nothing', { using: sql`true` })]).tables).toEqual([]);
  });
});

describe('a policy', () => {
  it('has its values written out, and the schema object keeps them', () => {
    const todos = pgTable('todos', { state: text() }, (t) => [pgPolicy('p', { using: eq(t.state, "it's") })]);
    expect(only(todos).policies[0]?.using).toBe(`"todos"."state" = 'it''s'`);
    expect(only(todos).policies[0]?.using).toBe(`"todos"."state" = 'it''s'`);
  });

  it("has drizzle's defaults filled in, and grants to identity roles where it names nobody", () => {
    const editor = identityRole('editor');
    const todos = pgTable('todos', { id: text() }, () => [pgPolicy('p', { using: sql`true` })]);
    expect(only(todos, editor)).toMatchObject({
      policies: [{ as: 'permissive', for: 'all', to: ['public'] }],
      grants: {
        anonymous: { SELECT: true, INSERT: true, UPDATE: true, DELETE: true },
        authenticated: { SELECT: true, INSERT: true, UPDATE: true, DELETE: true },
        editor: { SELECT: true, INSERT: true, UPDATE: true, DELETE: true },
      },
    });
  });

  it.each([
    [
      'a name twice',
      [pgPolicy('p', { using: sql`true` }), pgPolicy('p', { using: sql`false` })],
      'same name',
    ],
    ['a name that Postgres would cut', [pgPolicy('ü'.repeat(32), { using: sql`true` })], '64 bytes'],
    [
      'select with withCheck',
      [pgPolicy('p', { for: 'select', using: sql`true`, withCheck: sql`true` })],
      'no withCheck',
    ],
    [
      'delete with withCheck',
      [pgPolicy('p', { for: 'delete', using: sql`true`, withCheck: sql`true` })],
      'no withCheck',
    ],
    ['insert with using', [pgPolicy('p', { for: 'insert', using: sql`true` })], 'no using'],
    ['no expression', [pgPolicy('p', { to: 'bob' })], 'neither using nor withCheck'],
    ['nobody', [pgPolicy('p', { to: [], using: sql`true` })], 'empty list of roles'],
    [
      'a role whose name Postgres would cut',
      [pgPolicy('p', { to: 'r'.repeat(64), using: sql`true` })],
      '63 bytes',
    ],
    ['a placeholder', [pgPolicy('p', { using: sql`${sql.placeholder('x')}` })], 'placeholder'],
    ['a breakpoint', [pgPolicy('p', { using: sql`true --> statement-breakpoint` })], 'statement-breakpoint'],
  ])('with %s is refused, by name', (_case, policies, reason) => {
    const table = pgTable('todos', { id: text() }, () => policies);
    expect(() => readAccessModel([table])).toThrow(
      expect.objectContaining({ code: 'ERR_POLICY_INVALID', message: expect.stringContaining(reason) }),
    );
    expect(() => readAccessModel([table])).toThrow('on public.todos');
  });

  it('cannot grant a column of another table', () => {
    const other = pgTable('other', { secret: text() });
    const todos = pgTable('todos', { id: text() }, () => [
      updatePolicy('p', { to: 'bob', using: sql`true`, columns: [other.secret] }),
    ]);
    expect(() => readAccessModel([todos])).toThrow(
      'names the column "secret", which the table does not have',
    );
  });
});

describe('grants', () => {
  const grants = (...policies: ReturnType<typeof pgPolicy>[]): unknown =>
    only(pgTable('todos', { id: text(), title: text(), done: text() }, () => policies)).grants;
  const columns = pgTable('todos', { id: text(), title: text(), done: text() });

  it('follow the command', () => {
    const to = 'bob';
    expect(grants(pgPolicy('p', { for: 'select', to, using: sql`true` }))).toEqual({ bob: { SELECT: true } });
    expect(grants(pgPolicy('p', { for: 'insert', to, withCheck: sql`true` }))).toEqual({
      bob: { INSERT: true },
    });
    expect(grants(pgPolicy('p', { for: 'update', to, using: sql`true` }))).toEqual({ bob: { UPDATE: true } });
    expect(grants(pgPolicy('p', { for: 'delete', to, using: sql`true` }))).toEqual({ bob: { DELETE: true } });
  });

  it('go to everybody only where public is written', () => {
    expect(grants(selectPolicy('p', { to: 'public', using: sql`true` }))).toEqual({
      public: { SELECT: true },
    });
    expect(grants(selectPolicy('p', { to: [authenticatedRole, anonymousRole], using: sql`true` }))).toEqual({
      anonymous: { SELECT: true },
      authenticated: { SELECT: true },
    });
  });

  it('are not given for restrictive policies, nor to whoever migrates', () => {
    expect(grants(pgPolicy('p', { as: 'restrictive', to: 'bob', using: sql`true` }))).toEqual({});
    expect(
      grants(pgPolicy('p', { to: ['current_user', 'session_user', 'current_role'], using: sql`true` })),
    ).toEqual({});
  });

  it('join columns, and the whole table wins over columns', () => {
    const title = insertPolicy('a', { to: 'bob', withCheck: sql`true`, columns: [columns.title] });
    const done = insertPolicy('b', {
      to: 'bob',
      withCheck: sql`true`,
      columns: [columns.done, columns.title],
    });
    const all = insertPolicy('c', { to: 'bob', withCheck: sql`true` });
    expect(grants(title, done)).toEqual({ bob: { INSERT: ['done', 'title'] } });
    expect(grants(title, all, done)).toEqual({ bob: { INSERT: true } });
  });
});

it('identity roles are the two standard ones, then the exported ones by name', () => {
  const model = readAccessModel([
    identityRole('zoe'),
    identityRole('editor'),
    anonymousRole,
    pgRole('plain'),
  ]);
  expect(model.identityRoles).toEqual(['authenticated', 'anonymous', 'editor', 'zoe']);
  expect(model.declaredRoles).toEqual(['anonymous', 'editor', 'plain', 'zoe']);
});

describe('FORCE', () => {
  const own = pgTable('own', { id: text() }, () => [selectPolicy('p', { to: 'bob', using: sql`true` })]);
  const bare = pgTable('bare', { id: text() });
  const linked = pgPolicy('p', { using: sql`true` }).link(
    pgSchema('storage').table('objects', { id: text() }),
  );
  const forced = (exported: readonly unknown[], force?: boolean): readonly string[] =>
    readAccessModel(exported, { force }).tables.flatMap((table) => (table.forced ? [table.name] : []));

  it('is for no table, for one, or for all of the schema that have row level security', () => {
    expect(forced([own, bare, linked])).toEqual([]);
    expect(forced([own, bare, linked], true)).toEqual(['own']);
    const one = forceRLS(pgTable('one', { id: text() }));
    expect(forced([own, one])).toEqual(['one']);
    expect(readAccessModel([one]).tables[0]?.rowSecurity).toBe(true);
  });
});

describe('memberOf', () => {
  const members = pgTable('members', { userId: text(), orgId: integer(), role: text(), on: boolean() });
  const todos = (...wheres: readonly string[]) =>
    pgTable('todos', { orgId: integer() }, (t) =>
      wheres.map((where, index) =>
        selectPolicy(`p${index}`, {
          to: index === 0 ? authenticatedRole : 'public',
          using: memberOf(t.orgId, {
            user: members.userId,
            group: members.orgId,
            where: eq(members.role, where),
          }),
        }),
      ),
    );

  it('is one function for all policies that ask the same, for the roles of all of them', () => {
    const { functions, tables } = readAccessModel([todos('a', 'a'), members], { casing: 'snake_case' });
    const [made] = functions;
    expect(functions).toHaveLength(1);
    expect(made?.grantees).toEqual(['authenticated', 'public']);
    expect(made?.create).toContain('RETURNS SETOF "public"."members"."org_id"%TYPE');
    expect(made?.create).toContain(
      `"members"."user_id" = (SELECT auth.user_id()) AND ("members"."role" = 'a'\n)`,
    );
    expect(tables.find(({ name }) => name === 'todos')?.policies[0]?.using).toBe(
      `"todos"."org_id" = any(array(select auth.${made?.name}()))`,
    );
  });

  it('is another function when it asks something else', () => {
    const names = readAccessModel([todos('a', 'b')]).functions.map(({ name }) => name);
    expect(new Set(names).size).toBe(2);
    for (const name of names) expect(name).toMatch(/^member_of_members_[0-9a-f]{12}$/);
  });

  it('needs a column in which a sub can be', () => {
    const table = pgTable('todos', { orgId: integer() }, (t) => [
      selectPolicy('p', {
        to: 'bob',
        using: memberOf(t.orgId, { user: members.on, group: members.orgId }),
      }),
    ]);
    expect(() => readAccessModel([table])).toThrow(
      'the policy "p" on public.todos asks memberOf() for the column "on", which is no text, uuid or integer',
    );
  });
});
