import { parseAuthSchema } from '../auth-schema.ts';
import { authIn, authUidIn, type Auth, type authUid } from './auth.ts';
import { claimPredicates, type ClaimPredicates } from './claims.ts';
import { memberOfIn, type memberOf } from './member-of.ts';

export interface CreateAuthOptions {
  /**
   * The schema of what turns a seal into an identity: 1 to 32 of `a-z`, `0-9` and `_`. Default: `auth`, which the helpers
   * have that are imported.
   */
  readonly schema?: string;
}

/** The helpers that call functions of the auth schema; all others are the same for any. */
export interface AuthHelpers extends ClaimPredicates {
  readonly auth: Auth;
  readonly authUid: typeof authUid;
  readonly memberOf: typeof memberOf;
}

/**
 * The helpers for a database in which the schema `auth` is somebody else's, as on Supabase or beside another library. The
 * same name goes to `withAuthorize(config, { authSchema })`, and to `withAuth()`, the gateway and the commands, as the
 * option `authSchema` or as `AUTHORIZE_SCHEMA` in the environment. A helper of another schema in the schema files is an
 * error of `generate`.
 *
 * @throws AuthorizeError `ERR_AUTH_SCHEMA` for a name that cannot be used
 * @example
 * import { authenticatedRole, createAuth, crudPolicy } from 'drizzle-authorize';
 * import { pgTable, text } from 'drizzle-orm/pg-core';
 *
 * const { auth, authUid } = createAuth({ schema: 'authorize' });
 *
 * // USING ((select authorize.user_id()) = "todos"."user_id")
 * export const todos = pgTable('todos', { userId: text('user_id').notNull().default(auth.userId()) }, (t) => [
 *   crudPolicy({ role: authenticatedRole, read: authUid(t.userId), modify: authUid(t.userId) }),
 * ]);
 */
export function createAuth(options: CreateAuthOptions = {}): AuthHelpers {
  const authSchema = parseAuthSchema(options.schema, 'createAuth: schema');
  const auth = authIn(authSchema);
  return {
    ...claimPredicates(auth),
    auth,
    authUid: (column) => authUidIn(authSchema, column),
    memberOf: (column, membership) => memberOfIn(authSchema, column, membership),
  };
}
