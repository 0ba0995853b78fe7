import type { AnyPgColumn } from 'drizzle-orm/pg-core';
import { sql, type SQL } from 'drizzle-orm/sql/sql';

import { auth, type Auth } from './auth.ts';
import { quoteLiteral } from './literals.ts';

/** Where a claim is: its name, or names from the outside inwards, such as `['o', 'id']`. */
export type ClaimName = string | readonly string[];

/** Predicates over claims, each of which is false or NULL when the claim is missing or of another type. */
export interface ClaimPredicates {
  /**
   * The row's column is the claim. Emits
   * `(select c #>> '{}' from jsonb_extract_path((select auth.session()), 'org_id') as c where jsonb_typeof(c) = 'string' and c <> '""') = "table"."column"`,
   * of which Postgres evaluates the left side once a statement, so that an index on the column is used. A list, a number,
   * an object or an empty text never equals anything.
   *
   * @param column of a type for text; give it an index
   * @param claim by the provider's own name, such as `org_id` of Auth0 or `['o', 'id']` of Clerk
   * @throws TypeError when the name is empty
   * @example
   * import { authenticatedRole, claimEquals, selectPolicy } from 'drizzle-authorize';
   * import { pgTable, text } from 'drizzle-orm/pg-core';
   *
   * export const documents = pgTable('documents', { org: text() }, (t) => [
   *   selectPolicy('view of my team', { to: authenticatedRole, using: claimEquals(t.org, 'selected_team_id') }),
   * ]);
   */
  claimEquals(this: void, column: AnyPgColumn, claim: ClaimName): SQL<boolean>;

  /**
   * The claim is a list that has this text in it. Emits
   * `(select c @> '["editor"]' from jsonb_extract_path((select auth.session()), 'roles') as c)`, once a statement.
   *
   * @throws TypeError when the name or the text is empty
   * @example
   * deletePolicy('editors delete', { to: authenticatedRole, using: claimIncludes('permissions', 'todos.delete') })
   */
  claimIncludes(this: void, claim: ClaimName, text: string): SQL<boolean>;

  /**
   * The row belongs to the organisation in which the caller acts, whichever provider the token is from: the verifier puts
   * what Clerk has in `o.id`, Auth0 in `org_id` and others elsewhere into `$organization`. Nobody's row if the token
   * names none. Emits as {@link claimEquals} of `$organization`.
   *
   * Where the token is not verified by this package, as on Neon's own proxy, there is no such claim and no row is seen.
   *
   * @param column of a type for text; give it an index
   * @example
   * import { authenticatedRole, inOrganization, selectPolicy } from 'drizzle-authorize';
   * import { pgTable, text } from 'drizzle-orm/pg-core';
   *
   * export const documents = pgTable('documents', { org: text() }, (t) => [
   *   selectPolicy('view of mine', { to: authenticatedRole, using: inOrganization(t.org) }),
   * ]);
   */
  inOrganization(this: void, column: AnyPgColumn): SQL<boolean>;

  /**
   * The caller has this role in the application, whichever provider the token is from: one of `$roles`. Never the
   * Postgres role. Emits as {@link claimIncludes} of `$roles`.
   *
   * @example
   * deletePolicy('admins delete', { to: authenticatedRole, using: hasRole('admin') })
   */
  hasRole(this: void, role: string): SQL<boolean>;
}

/** The predicates over the claims that `session()` gives. */
export function claimPredicates({ session }: Pick<Auth, 'session'>): ClaimPredicates {
  const at = (caller: string, claim: ClaimName): SQL => {
    const names: readonly unknown[] = Array.isArray(claim) ? claim : [claim];
    if (!names.every(isName) || names.length === 0) throw new TypeError(`${caller}: the claim has no name`);
    const path = names.map((name) => sql`, ${sql.raw(quoteLiteral(name))}`);
    return sql`jsonb_extract_path(${session()}${sql.join(path)}) as c`;
  };
  const claimEquals: ClaimPredicates['claimEquals'] = (column, claim) =>
    sql`(select c #>> '{}' from ${at('claimEquals', claim)} where jsonb_typeof(c) = 'string' and c <> '""') = ${column}`;
  const claimIncludes: ClaimPredicates['claimIncludes'] = (claim, text) => {
    if (!isName(text)) throw new TypeError('claimIncludes: the text is empty');
    return sql`(select c @> ${sql.raw(quoteLiteral(JSON.stringify([text])))} from ${at('claimIncludes', claim)})`;
  };
  return {
    claimEquals,
    claimIncludes,
    inOrganization: (column) => claimEquals(column, '$organization'),
    hasRole: (role) => claimIncludes('$roles', role),
  };
}

function isName(name: unknown): name is string {
  return typeof name === 'string' && name !== '';
}

export const { claimEquals, claimIncludes, inOrganization, hasRole }: ClaimPredicates = claimPredicates(auth);
