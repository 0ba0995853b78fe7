import type { AnyPgColumn } from 'drizzle-orm/pg-core';
import { sql, type SQL, type SQLWrapper } from 'drizzle-orm/sql/sql';

import { defaultAuthSchema } from '../auth-schema.ts';
import { markMembership, rawOfAuth, type Membership } from './metadata.ts';

export interface MemberOfOptions {
  /**
   * The column of the membership table that holds a person's `sub`: of a type of text, `uuid`, or an integer. Give it an
   * index.
   */
  readonly user: AnyPgColumn;
  /** The column that holds what the person belongs to: of the same table, or of one that `on` joins to it. */
  readonly group: AnyPgColumn;
  /** How the table of `group` is joined to that of `user`, for two hops. Required if they are two tables. */
  readonly on?: SQL | undefined;
  /** Which memberships count, such as those of a role. Default: all. */
  readonly where?: SQL | undefined;
}

/**
 * The row belongs to something that the caller is a member of.
 *
 * Usable in policies, also in those of the membership table itself: there take its columns from the callback. The
 * migration makes a function that says what the caller belongs to, and lets the policy's roles call it:
 *
 * ```sql
 * CREATE OR REPLACE FUNCTION auth.member_of_members_6d3e… () RETURNS SETOF … STABLE SECURITY DEFINER …
 *   BEGIN ATOMIC SELECT "members"."org_id" FROM "public"."members" WHERE "members"."user_id" = (SELECT auth.user_id()); END
 * ```
 *
 * It reads with the owner's rights, so that no policy leads in a circle and nobody needs SELECT on the membership table.
 * The policy gets `"todos"."org_id" = any(array(select auth.member_of_members_6d3e…()))`, which Postgres evaluates once a
 * query, and for which it uses an index on the column.
 *
 * @param column the column of the row, such as the organisation that it belongs to; give it an index
 * @throws TypeError when `user`, `group` or a needed `on` is missing
 * @example
 * import { authenticatedRole, memberOf, selectPolicy, updatePolicy } from 'drizzle-authorize';
 * import { eq } from 'drizzle-orm';
 * import { index, integer, pgTable, primaryKey, text } from 'drizzle-orm/pg-core';
 *
 * export const members = pgTable('members', {
 *   userId: text('user_id').notNull(), orgId: integer('org_id').notNull(), role: text().notNull(),
 * }, (t) => [
 *   primaryKey({ columns: [t.userId, t.orgId] }),
 *   selectPolicy('view colleagues', { to: authenticatedRole, using: memberOf(t.orgId, { user: t.userId, group: t.orgId }) }),
 * ]);
 * const inOrg = { user: members.userId, group: members.orgId };
 *
 * export const projects = pgTable('projects', { id: integer().primaryKey(), orgId: integer('org_id') }, (t) => [
 *   index().on(t.orgId),
 *   selectPolicy('view', { to: authenticatedRole, using: memberOf(t.orgId, inOrg) }),
 *   updatePolicy('change', {
 *     to: authenticatedRole,
 *     using: memberOf(t.orgId, { ...inOrg, where: eq(members.role, 'admin') }),
 *   }),
 * ]);
 *
 * // Two hops: a task belongs to a project, the project to an organisation.
 * export const tasks = pgTable('tasks', { projectId: integer('project_id') }, (t) => [
 *   index().on(t.projectId),
 *   selectPolicy('view', {
 *     to: authenticatedRole,
 *     using: memberOf(t.projectId, {
 *       user: members.userId, group: projects.id, on: eq(projects.orgId, members.orgId),
 *     }),
 *   }),
 * ]);
 */
export function memberOf(column: SQLWrapper, options: MemberOfOptions): SQL<boolean> {
  return memberOfIn(defaultAuthSchema, column, options);
}

/** {@link memberOf} of another auth schema. */
export function memberOfIn(authSchema: string, column: SQLWrapper, options: MemberOfOptions): SQL<boolean> {
  const { user, group, on, where } = options;
  if (column === undefined) throw new TypeError('memberOf: the column is missing');
  if (user === undefined) throw new TypeError('memberOf: user is missing');
  if (group === undefined) throw new TypeError('memberOf: group is missing');
  if (user.table !== group.table && on === undefined) {
    throw new TypeError('memberOf: on is missing, and user and group are columns of two tables');
  }
  const membership: Membership = { user, group, on, where };
  // The migration puts in the function, once it knows the names of everything.
  const call = rawOfAuth(`${authSchema}.member_of()`, authSchema);
  for (const chunk of call.queryChunks) markMembership(chunk, membership);
  return sql`${column} = any(array(select ${call}))`;
}
