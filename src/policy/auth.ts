import type { AnyPgColumn } from 'drizzle-orm/pg-core';
import { sql, type SQL } from 'drizzle-orm/sql/sql';

import { defaultAuthSchema } from '../auth-schema.ts';
import { callOfAuth } from './expression.ts';
import { quoteLiteral } from './literals.ts';
import { rawOfAuth } from './metadata.ts';

/** The identity of the caller, as SQL: see {@link auth}. */
export interface Auth {
  /** The claim `sub`. Emits `auth.user_id()`; `text`, NULL without one. */
  userId(this: void): SQL<string>;

  /** The claim `sub` as `uuid`. Emits `auth.uid()`; NULL when it is not one. */
  uid(this: void): SQL<string>;

  /** All claims. Emits `auth.session()`; `jsonb`. */
  session(this: void): SQL<Readonly<Record<string, unknown>>>;

  /**
   * One claim at the top level of the token. Emits `auth.claim('name')`; `text` as by `->>`, NULL without one.
   *
   * @param name the claim's name, such as `org_id` or `https://app.example/roles`
   * @throws TypeError when the name is empty
   */
  claim(this: void, name: string): SQL<string>;
}

/** {@link auth} of another auth schema. */
export function authIn(authSchema: string): Auth {
  return {
    userId: () => callOfAuth('user_id()', authSchema),
    uid: () => callOfAuth('uid()', authSchema),
    session: () => callOfAuth('session()', authSchema),
    claim: (name) => {
      if (typeof name !== 'string' || name === '') throw new TypeError('auth.claim: the name is empty');
      // A literal and not a parameter: drizzle-kit can write parameters neither into a default nor into a policy.
      return callOfAuth(`claim(${quoteLiteral(name)})`, authSchema);
    },
  };
}

/**
 * The identity of the caller, as SQL. Each is a call of a function that the first migration puts into the
 * schema `auth`; it reads the claims that were sealed for the transaction and raises 28000 when an identity role
 * asks without a valid seal.
 *
 * Usable as a column default and in policies. The policy helpers of this package turn each call into
 * `(select …)`, which Postgres evaluates once a statement and not once a row.
 *
 * @example
 * import { auth } from 'drizzle-authorize';
 * import { pgTable, text } from 'drizzle-orm/pg-core';
 *
 * export const todos = pgTable('todos', { userId: text('user_id').notNull().default(auth.userId()) });
 */
export const auth: Auth = authIn(defaultAuthSchema);

/**
 * The row belongs to the caller. Emits `(select auth.user_id()) = "table"."column"`.
 *
 * Takes the place of `authUid` of drizzle-orm/neon, whose sub-select contains the column, so that Postgres
 * evaluates it for every row and never uses an index.
 *
 * @param userIdColumn the column that holds the owner's `sub`; give it an index
 * @example
 * selectPolicy('view own todos', { to: authenticatedRole, using: authUid(todos.userId) })
 */
export function authUid(userIdColumn: AnyPgColumn): SQL<boolean> {
  return authUidIn(defaultAuthSchema, userIdColumn);
}

/** {@link authUid} of another auth schema. */
export function authUidIn(authSchema: string, userIdColumn: AnyPgColumn): SQL<boolean> {
  return sql`${rawOfAuth(`(select ${authSchema}.user_id())`, authSchema)} = ${userIdColumn}`;
}
