import type { PgTable } from 'drizzle-orm/pg-core';

import { markForced } from './metadata.ts';

/**
 * Binds the owner of the table to its policies, too, as drizzle's `.enableRLS()` does everybody else. For all tables at
 * once there is `withAuthorize(config, { force: true })`.
 *
 * Emits `ALTER TABLE … ENABLE ROW LEVEL SECURITY` and `ALTER TABLE … FORCE ROW LEVEL SECURITY`, and `NO FORCE` when it is
 * taken away. Superusers and roles with BYPASSRLS are not bound, foreign keys work as before. Seeds and data migrations
 * that the owner runs see and write no row unless a policy lets them: give one to `current_user`, which Postgres fixes to
 * the migrating role.
 *
 * @returns the table itself
 * @example
 * import { allPolicy, authenticatedRole, authUid, forceRLS } from 'drizzle-authorize';
 * import { pgTable, text } from 'drizzle-orm/pg-core';
 *
 * export const todos = forceRLS(
 *   pgTable('todos', { userId: text('user_id') }, (t) => [
 *     allPolicy('own todos', { to: authenticatedRole, using: authUid(t.userId) }),
 *   ]),
 * );
 * @see https://www.postgresql.org/docs/current/ddl-rowsecurity.html
 */
export function forceRLS<T extends PgTable>(table: T): T {
  markForced(table);
  return table;
}
