import { sql } from 'drizzle-orm';
import { pgPolicy, pgTable, text, type PgPolicy } from 'drizzle-orm/pg-core';
import { expect, it } from 'vitest';

import { readAccessModel } from '../../../src/migration/access-model.ts';
import { changeWords } from '../../../src/migration/change-words.ts';
import { preludeState, stateOf } from '../../../src/migration/migration-state.ts';
import {
  anonymousRole,
  authenticatedRole,
  memberOf,
  selectPolicy,
  updatePolicy,
} from '../../../src/index.ts';

const todos = pgTable('todos', { a: text(), b: text(), c: text() });
const none = preludeState(['authenticated', 'anonymous']);

function words(before: readonly PgPolicy[] | undefined, after: readonly PgPolicy[]): readonly string[] {
  const stateWith = (policies: readonly PgPolicy[], previous = none) =>
    stateOf(
      readAccessModel([pgTable('todos', { a: text(), b: text(), c: text() }, () => [...policies])]),
      previous,
    );
  const previous = before === undefined ? none : stateWith(before);
  return changeWords(previous, stateWith(after, previous), new Set());
}

const view = (using = 'true'): PgPolicy =>
  selectPolicy('view', { to: authenticatedRole, using: sql.raw(using) });
const shared = selectPolicy('shared', { to: [authenticatedRole, anonymousRole], using: sql`true` });
const hold = selectPolicy('hold', { as: 'restrictive', to: 'public', using: sql`true` });
const edit = (first: 'a' | 'b' | 'c', ...others: readonly ('a' | 'b' | 'c')[]): PgPolicy =>
  updatePolicy('edit', {
    to: authenticatedRole,
    using: sql`true`,
    columns: [todos[first], ...others.map((column) => todos[column])],
  });

it.each<[string, readonly PgPolicy[] | undefined, readonly PgPolicy[], readonly string[]]>([
  ['nothing', [view()], [view()], ['nobody gains or loses access']],
  [
    'a table that is new',
    undefined,
    [view(), hold, edit('a', 'b')],
    [
      'authenticated: SELECT on public.todos granted by "view", held back by "hold"',
      'authenticated: UPDATE (a, b) on public.todos granted by "edit"',
    ],
  ],
  [
    'a policy more',
    [view()],
    [view(), shared],
    [
      'anonymous: SELECT on public.todos granted by "shared"',
      'authenticated: SELECT on public.todos widened: with "shared"',
    ],
  ],
  [
    'a policy less',
    [view(), shared],
    [view()],
    [
      'anonymous: SELECT on public.todos revoked',
      'authenticated: SELECT on public.todos narrowed: without "shared"',
    ],
  ],
  [
    'a restriction more',
    [view()],
    [view(), hold],
    ['authenticated: SELECT on public.todos narrowed: held back by "hold"'],
  ],
  [
    'a restriction less',
    [view(), hold],
    [view()],
    ['authenticated: SELECT on public.todos widened: without "hold"'],
  ],
  ['an expression', [view()], [view('false')], ['authenticated: SELECT on public.todos rewritten: "view"']],
  [
    'both directions at once',
    [view(), shared],
    [view('false'), hold],
    [
      'anonymous: SELECT on public.todos revoked',
      'authenticated: SELECT on public.todos changed: held back by "hold", without "shared", "view"',
    ],
  ],
  [
    'columns more',
    [edit('a')],
    [edit('a', 'b')],
    ['authenticated: UPDATE on public.todos widened: a, b instead of a'],
  ],
  [
    'columns less',
    [updatePolicy('edit', { to: authenticatedRole, using: sql`true` })],
    [edit('c')],
    ['authenticated: UPDATE on public.todos narrowed: c instead of every column'],
  ],
  [
    'other columns',
    [edit('a')],
    [edit('b')],
    ['authenticated: UPDATE on public.todos rewritten: b instead of a'],
  ],
  [
    'several commands at once',
    [pgPolicy('all', { to: authenticatedRole, using: sql`true` })],
    [],
    [
      'authenticated: SELECT, INSERT, UPDATE, DELETE on public.todos revoked',
      'public.todos: keeps row level security, so that without a policy only its owner sees a row',
    ],
  ],
])('says what changes for whom: %s', (_what, before, after, expected) => {
  expect(words(before, after)).toEqual(expected);
});

it('says what becomes of a table that was there before us', () => {
  const [before, there] = [none, new Set(['"public"."todos"'])];
  const after = stateOf(readAccessModel([todos]), before);
  expect(changeWords(before, after, there)).toEqual([
    'public.todos: what everybody and the identity roles were given on it before is taken back',
  ]);
  expect(changeWords(after, after, there)).toEqual(['nobody gains or loses access']);
});

it('names the functions that say what somebody belongs to', () => {
  const members = pgTable('members', { userId: text(), team: text() });
  const projects = pgTable('projects', { team: text() }, (table) => [
    selectPolicy('members', {
      to: authenticatedRole,
      using: memberOf(table.team, { user: members.userId, group: members.team }),
    }),
  ]);
  const state = stateOf(readAccessModel([members, projects]), none);
  const [name] = Object.keys(state.functions ?? {});
  expect(changeWords(none, state, new Set())).toContain(
    `authenticated: EXECUTE on the function auth.${name}() granted`,
  );
  expect(changeWords(state, none, new Set())).toContain(
    `authenticated: EXECUTE on the function auth.${name}() revoked`,
  );
});
