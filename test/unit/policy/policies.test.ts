import { eq, inArray, sql, type SQL } from 'drizzle-orm';
import { boolean, getTableConfig, integer, PgDialect, pgRole, pgTable, text } from 'drizzle-orm/pg-core';
import { describe, expect, it } from 'vitest';

import {
  allPolicy,
  anonymousRole,
  auth,
  authenticatedRole,
  authUid,
  crudPolicy,
  deletePolicy,
  identityRole,
  insertPolicy,
  memberOf,
  selectPolicy,
  updatePolicy,
} from '../../../src/index.ts';
import { isIdentityRole, policyMetadata } from '../../../src/policy/metadata.ts';

const todos = pgTable('todos', {
  id: integer(),
  userId: text('user_id').default(auth.userId()),
  orgId: text('org_id'),
  state: text(),
  shown: boolean(),
});

function textOf(expression: SQL | undefined): string | undefined {
  if (expression === undefined) return undefined;
  const { sql: written, params } = new PgDialect().sqlToQuery(expression);
  // drizzle-kit would write $1 and lose the value.
  expect(params).toEqual([]);
  return written;
}

const own = `(select auth.user_id()) = "todos"."user_id"`;

describe('authUid and auth', () => {
  it('call the function once a statement, and never put a column into the sub-select', () => {
    expect(textOf(authUid(todos.userId))).toBe(own);
  });

  it('are bare calls as a column default, where Postgres takes no sub-select', () => {
    const [, userId] = getTableConfig(todos).columns;
    expect(textOf(userId?.default as SQL)).toBe('auth.user_id()');
    expect(textOf(auth.claim('org_id'))).toBe(`auth.claim('org_id')`);
    expect(textOf(auth.uid())).toBe('auth.uid()');
    expect(textOf(auth.session())).toBe('auth.session()');
  });

  it('quote the name of a claim', () => {
    expect(textOf(auth.claim(`it's`))).toBe(`auth.claim('it''s')`);
    expect(textOf(auth.claim('a\\b'))).toBe(`auth.claim( E'a\\\\b')`);
    expect(() => auth.claim('')).toThrow(TypeError);
  });
});

describe('the policy helpers', () => {
  it('write the command, the roles and the expressions that it has', () => {
    const to = authenticatedRole;
    const using = authUid(todos.userId);
    const policies = [
      selectPolicy('a', { to, using }),
      insertPolicy('b', { to, withCheck: using }),
      updatePolicy('c', { to: [to, anonymousRole], using, withCheck: using }),
      deletePolicy('d', { to: 'reporter', using }),
      allPolicy('e', { to: 'public', using }),
    ];
    expect(
      policies.map((policy) => [
        policy.for,
        policy.as,
        policy.to,
        textOf(policy.using),
        textOf(policy.withCheck),
      ]),
    ).toEqual([
      ['select', 'permissive', to, own, undefined],
      ['insert', 'permissive', to, undefined, own],
      ['update', 'permissive', [to, anonymousRole], own, own],
      ['delete', 'permissive', 'reporter', own, undefined],
      ['all', 'permissive', 'public', own, undefined],
    ]);
  });

  it('inline values and hoist identity calls, at any depth, and leave the given expression alone', () => {
    const given = sql`${eq(todos.state, `it's`)} and (${inArray(todos.id, [1, 2])} or ${todos.orgId} = ${auth.claim('org_id')})`;
    const policy = selectPolicy('a', { to: 'public', using: given });
    expect(textOf(policy.using)).toBe(
      `"todos"."state" = 'it''s' and ("todos"."id" in (1, 2) or "todos"."org_id" = (select auth.claim('org_id')))`,
    );
    expect(new PgDialect().sqlToQuery(given).params).toEqual([`it's`, 1, 2]);
    expect(textOf(selectPolicy('a', { to: 'public', using: sql`${auth.userId()} is not null` }).using)).toBe(
      '(select auth.user_id()) is not null',
    );
  });

  it('take NULL for false in a restrictive policy', () => {
    const policy = selectPolicy('a', { to: 'public', as: 'restrictive', using: sql`${todos.shown}` });
    expect([policy.as, textOf(policy.using)]).toEqual(['restrictive', 'coalesce("todos"."shown", false)']);
  });

  it('note the columns that a write is limited to', () => {
    const policy = updatePolicy('a', { to: 'public', using: sql`true`, columns: [todos.state] });
    expect(policyMetadata(policy).columns).toEqual([todos.state]);
    expect(policyMetadata(selectPolicy('a', { to: 'public', using: sql`true` })).columns).toBeUndefined();
  });

  it.each([
    ['an empty name', () => selectPolicy('', { to: 'public', using: sql`true` }), /1 to 63 bytes/u],
    [
      'a name that Postgres would cut',
      () => selectPolicy('ü'.repeat(32), { to: 'public', using: sql`true` }),
      /1 to 63 bytes/u,
    ],
    ['no roles', () => selectPolicy('a', { to: [], using: sql`true` }), /to is missing/u],
    [
      'an undefined role',
      () => selectPolicy('a', { to: undefined as never, using: sql`true` }),
      /to is missing/u,
    ],
    ['current_user', () => selectPolicy('a', { to: 'current_user', using: sql`true` }), /current_user/u],
    [
      'no expression',
      () => selectPolicy('a', { to: 'public', using: undefined as never }),
      /using is missing/u,
    ],
    [
      'no check',
      () => insertPolicy('a', { to: 'public', withCheck: undefined as never }),
      /withCheck is missing/u,
    ],
  ])('refuse %s', (_, make, message) => {
    expect(make).toThrow(TypeError);
    expect(make).toThrow(message);
  });
});

describe('crudPolicy', () => {
  it('has the names and the four policies of drizzle-orm/neon', () => {
    const policies = crudPolicy({
      role: [authenticatedRole, 'editor'],
      read: true,
      modify: authUid(todos.userId),
    });
    expect(
      policies.map((policy) => [policy.name, policy.for, textOf(policy.using), textOf(policy.withCheck)]),
    ).toEqual([
      ['crud-authenticated-editor-policy-select', 'select', 'true', undefined],
      ['crud-authenticated-editor-policy-insert', 'insert', undefined, own],
      ['crud-authenticated-editor-policy-update', 'update', own, own],
      ['crud-authenticated-editor-policy-delete', 'delete', own, undefined],
    ]);
  });

  it('leaves out what is null, and writes false where it is false', () => {
    expect(crudPolicy({ role: 'a', read: null, modify: null })).toEqual([]);
    expect(crudPolicy({ role: 'a', read: true, modify: null }).map((policy) => policy.for)).toEqual([
      'select',
    ]);
    expect(
      crudPolicy({ role: 'a', read: false, modify: null }).map((policy) => textOf(policy.using)),
    ).toEqual(['false']);
    expect(() => crudPolicy({ role: 'a', read: true, modify: undefined as never })).toThrow(
      /modify is missing/u,
    );
    expect(() => crudPolicy({ role: 'a', read: undefined as never, modify: true })).toThrow(
      /read is missing/u,
    );
    expect(() => crudPolicy({ role: undefined as never, read: true, modify: true })).toThrow(
      /role is missing/u,
    );
  });

  it('takes long names of roles without two policies meeting in one name', () => {
    const names = (last: string): string[] =>
      crudPolicy({ role: ['ä'.repeat(28), `role-${last}`], read: true, modify: true }).map(
        ({ name }) => name,
      );
    const all = [...names('a'), ...names('b')];
    expect(new Set(all).size).toBe(8);
    for (const name of all) expect(new TextEncoder().encode(name).length).toBeLessThanOrEqual(63);
    expect(names('a')).toEqual(names('a'));
  });

  it('works in the third argument of a table, spread or not', () => {
    const table = pgTable('t', { userId: text('user_id') }, (t) => [
      crudPolicy({ role: authenticatedRole, read: authUid(t.userId), modify: null }),
      ...crudPolicy({ role: anonymousRole, read: true, modify: null }),
    ]);
    expect(getTableConfig(table).policies.map(({ name }) => name)).toEqual([
      'crud-authenticated-policy-select',
      'crud-anonymous-policy-select',
    ]);
  });
});

describe('identity roles', () => {
  it('are left to the prelude by drizzle-kit, and known as identity roles', () => {
    for (const role of [authenticatedRole, anonymousRole, identityRole('editor')]) {
      expect(Reflect.get(role, '_existing')).toBe(true);
      expect(isIdentityRole(role)).toBe(true);
    }
    expect(isIdentityRole(pgRole('reporter'))).toBe(false);
    expect(() => identityRole('')).toThrow(TypeError);
    expect(() => identityRole('x'.repeat(64))).toThrow(TypeError);
  });
});

describe('memberOf', () => {
  const members = pgTable('members', { userId: text('user_id'), orgId: text('org_id') });
  const teams = pgTable('teams', { id: text(), orgId: text('org_id') });

  it('compares the column with an array that is made once a query', () => {
    expect(textOf(memberOf(todos.orgId, { user: members.userId, group: members.orgId }))).toBe(
      '"todos"."org_id" = any(array(select auth.member_of()))',
    );
  });

  it('needs to be told how two tables are joined', () => {
    const options = { user: members.userId, group: teams.id };
    expect(() => memberOf(todos.orgId, options)).toThrow(
      new TypeError('memberOf: on is missing, and user and group are columns of two tables'),
    );
    expect(() => memberOf(todos.orgId, { ...options, on: eq(teams.orgId, members.orgId) })).not.toThrow();
  });

  it.each([
    ['user', { group: members.orgId }],
    ['group', { user: members.userId }],
  ])('needs %s', (name, options) => {
    expect(() => memberOf(todos.orgId, options as never)).toThrow(
      new TypeError(`memberOf: ${name} is missing`),
    );
  });
});
