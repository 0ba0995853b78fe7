import { pgRole, type PgRole } from 'drizzle-orm/pg-core/roles';

import { markIdentityRole } from './metadata.ts';

/**
 * Declares an identity role: a Postgres role that people's SQL runs as, beside `authenticated` and `anonymous`.
 *
 * Export it from the schema file. The first generated migration creates it unless it exists, it may read the
 * identity functions, and `drizzle-authorize setup` lets it log in. drizzle-kit itself leaves it alone, because
 * the role belongs to the whole cluster.
 *
 * @param name the role's name, at most 63 bytes
 * @throws TypeError when the name is empty or too long for Postgres
 * @example
 * export const editorRole = identityRole('editor');
 * @see https://www.postgresql.org/docs/current/user-manag.html
 */
export function identityRole(name: string): PgRole {
  if (typeof name !== 'string' || name === '' || new TextEncoder().encode(name).length > 63) {
    throw new TypeError('identityRole: the name must have 1 to 63 bytes');
  }
  const role = pgRole(name).existing();
  markIdentityRole(role);
  return role;
}

/** The role of everybody who has shown a valid token. */
export const authenticatedRole: PgRole = identityRole('authenticated');

/** The role of a visitor without a token. */
export const anonymousRole: PgRole = identityRole('anonymous');
