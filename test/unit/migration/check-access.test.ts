import { createRequire } from 'node:module';

import { eq, sql } from 'drizzle-orm';
import {
  boolean,
  integer,
  pgMaterializedView,
  pgPolicy,
  pgSchema,
  pgTable,
  pgView,
  text,
  type PgPolicy,
} from 'drizzle-orm/pg-core';
import { beforeAll, describe, expect, it } from 'vitest';

import {
  anonymousRole,
  authenticatedRole,
  authUid,
  forceRLS,
  insertPolicy,
  memberOf,
  selectPolicy,
  updatePolicy,
} from '../../../src/index.ts';
import { readAccessModel } from '../../../src/migration/access-model.ts';
import { checkAccess } from '../../../src/migration/check-access.ts';
import { readViews } from '../../../src/migration/view-definitions.ts';

// With it in this process, a check need not start another one.
beforeAll(() => createRequire(import.meta.url)('libpg-query').loadModule());

function check(exported: readonly unknown[], ownerViews?: readonly string[]): () => void {
  return () => checkAccess(readAccessModel(exported), readViews(exported), { ownerViews });
}

function todos(...policies: readonly PgPolicy[]) {
  return pgTable('todos', { id: integer(), userId: text('user_id') }, () => [...policies]);
}

function members(...policies: readonly PgPolicy[]) {
  return pgTable('members', { userId: text('user_id') }, () => [...policies]);
}

const open = selectPolicy('open', { to: authenticatedRole, using: sql`true` });
const inMembers = sql`user_id in (select user_id from members)`;

describe('a policy that reads another table', () => {
  it('needs SELECT on it for its role, and says for which one', () => {
    const view = selectPolicy('view', { to: [authenticatedRole, anonymousRole], using: inMembers });
    expect(check([todos(view), members(open)])).toThrow(
      expect.objectContaining({
        code: 'ERR_POLICY_INVALID',
        message: 'the policy "view" on public.todos reads public.members, on which anonymous has no SELECT',
        hint: 'Give public.members a select policy for anonymous.',
      }),
    );
    const everybody = selectPolicy('everybody', { to: 'public', using: sql`true` });
    expect(check([todos(view), members(everybody)])).not.toThrow();
  });

  it('is asked of each role that the grants reach, of a role that gets it as everybody, too', () => {
    const view = selectPolicy('view', { to: 'public', using: inMembers });
    expect(check([todos(view), members(open)])).toThrow('on which anonymous has no SELECT');
  });

  it('also needs it when it holds rows back, but not where there is no row to hold back', () => {
    const hold = (to: 'authenticated' | 'anonymous') =>
      pgPolicy('hold', { as: 'restrictive', for: 'select', to, using: inMembers });
    const view = selectPolicy('view', { to: authenticatedRole, using: authUid(todos().userId) });
    expect(check([todos(view, hold('authenticated')), members()])).toThrow('the policy "hold"');
    expect(check([todos(view, hold('anonymous')), members()])).not.toThrow();
  });

  it('may read what is not in the schema, of which nothing is known', () => {
    const view = (using: string) => todos(selectPolicy('view', { to: 'bob', using: sql.raw(using) }));
    expect(check([view('exists (select from elsewhere)'), members()])).not.toThrow();
    expect(check([view('exists (select from other.members)'), members()])).not.toThrow();
    expect(check([view('exists (select from public.members)'), members()])).toThrow('reads public.members');
    expect(check([view('exists (table members)'), members()])).toThrow('reads public.members');
  });

  it('reads no table by a name that WITH has given to something else', () => {
    const view = (using: string) => todos(selectPolicy('view', { to: 'bob', using: sql.raw(using) }));
    expect(check([view('exists (with members as (select 1) select from members)'), members()])).not.toThrow();
    expect(
      check([view('exists (with members as (select from members) select from members)'), members()]),
    ).toThrow('reads public.members');
    expect(check([view('exists (with m as (select from members) select from m)'), members()])).toThrow(
      'reads public.members',
    );
  });

  it('reads through a view whatever that reads as the caller', () => {
    const view = selectPolicy('view', { to: authenticatedRole, using: sql`exists (select from lens)` });
    const base = members();
    const lens = pgView('lens')
      .with({ securityInvoker: true })
      .as((qb) => qb.select().from(base));
    expect(check([todos(view), base, lens])).toThrow('reads public.members');
  });
});

describe('a cycle of policies', () => {
  const viewMembers = selectPolicy('view members', {
    to: authenticatedRole,
    using: sql`exists (select from todos where todos.user_id = members.user_id)`,
  });

  it('is printed', () => {
    const view = selectPolicy('view', { to: authenticatedRole, using: inMembers });
    expect(check([todos(view), members(viewMembers)])).toThrow(
      expect.objectContaining({
        code: 'ERR_POLICY_INVALID',
        message:
          'Postgres would refuse every select of authenticated on public.members as infinite recursion: ' +
          'public.members "view members" → public.todos "view" → public.members',
      }),
    );
  });

  it('may be one table alone', () => {
    const self = selectPolicy('self', {
      to: authenticatedRole,
      using: sql`user_id in (select user_id from members where true)`,
    });
    expect(check([members(self)])).toThrow('public.members "self" → public.members');
  });

  it('is none when a role never comes to one of the policies', () => {
    const view = selectPolicy('view', { to: anonymousRole, using: inMembers });
    const others = [open, selectPolicy('all', { to: anonymousRole, using: sql`true` })];
    expect(check([todos(view, open), members(viewMembers, others[1] ?? open)])).not.toThrow();
  });

  it('is none for a check on the own table, if what reads it needs no sub-select', () => {
    const add = insertPolicy('add', {
      to: authenticatedRole,
      withCheck: sql`not exists (select from todos where id = 1)`,
    });
    expect(check([todos(add, open)])).not.toThrow();
    const own = selectPolicy('own', { to: authenticatedRole, using: authUid(todos().userId) });
    expect(check([todos(add, own)])).toThrow('every insert of authenticated on public.todos');
  });
});

describe('a view', () => {
  const base = todos(open);
  const plain = pgTable('plain', { id: integer() });

  it('that reads a protected table with the rights of its owner is refused', () => {
    expect(check([base, pgView('all').as((qb) => qb.select({ id: base.id }).from(base))])).toThrow(
      expect.objectContaining({
        code: 'ERR_VIEW_UNPROTECTED',
        message: "the view public.all reads public.todos with its owner's rights, past the policies",
      }),
    );
    expect(
      check([
        base,
        pgView('all')
          .with({ securityInvoker: true })
          .as((qb) => qb.select().from(base)),
      ]),
    ).not.toThrow();
    expect(check([plain, pgView('all').as((qb) => qb.select().from(plain))])).not.toThrow();
    expect(check([base, pgView('all', { id: integer() }).existing()])).not.toThrow();
  });

  it('that keeps its rows is refused, whatever it reads them through', () => {
    const lens = pgView('lens')
      .with({ securityInvoker: true })
      .as((qb) => qb.select().from(base));
    const copy = pgMaterializedView('copy').as((qb) => qb.select().from(lens));
    expect(check([base, lens, copy])).toThrow(
      'the materialized view public.copy keeps rows of public.todos past the policies',
    );
  });

  it('may be named as one that is meant to, as long as there is one', () => {
    const app = pgSchema('app');
    const counted = app
      .view('counted')
      .as((qb) => qb.select({ id: base.id }).from(base).where(eq(base.id, 1)));
    expect(check([base, counted])).toThrow('the view app.counted');
    expect(check([base, counted], ['app.counted'])).not.toThrow();
    expect(check([base], ['app.counted'])).toThrow(
      new TypeError(
        "withAuthorize: ownerViews names 'app.counted', and the schema has no such view that passes policies by",
      ),
    );
  });
});

describe('a policy that nobody can use', () => {
  it('is one for update that says what a row becomes and not which', () => {
    const become = pgPolicy('check', { for: 'update', to: 'bob', withCheck: sql`true` });
    expect(check([todos(become)])).toThrow('the policy "check" on public.todos lets nobody update a row');
    const rows = updatePolicy('rows', { to: 'bob', using: sql`true` });
    expect(check([todos(become, rows)])).not.toThrow();
    expect(check([todos(become, updatePolicy('rows', { to: 'eve', using: sql`true` }))])).toThrow('for bob');
  });

  it('is one for an empty list of columns', () => {
    const columns: readonly unknown[] = [];
    const table = pgTable('todos', { done: boolean() }, () => [
      updatePolicy('tick', Object.assign({ to: 'bob', using: sql`true` }, { columns }) as never),
    ]);
    expect(check([table])).toThrow('has an empty list of columns');
  });
});

it('memberOf of a table that binds its owner needs a policy for the owner', () => {
  const bound = (...policies: readonly PgPolicy[]) => {
    const table = forceRLS(members(...policies));
    const { userId } = table;
    return [
      table,
      pgTable('todos', { userId: text() }, (t) => [
        selectPolicy('view', { to: 'bob', using: memberOf(t.userId, { user: userId, group: userId }) }),
      ]),
    ];
  };
  expect(check(bound())).toThrow(
    'the policy "view" on public.todos asks memberOf() of public.members, which binds its owner and shows it no row',
  );
  const owner = pgPolicy('owner', { for: 'select', to: 'current_user', using: sql`true` });
  expect(check(bound(owner))).not.toThrow();
});
