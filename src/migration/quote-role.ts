import { quoteIdentifier } from '../database/quote-identifier.ts';

const keywords = new Set(['current_role', 'current_user', 'session_user']);

/**
 * True for the words by which Postgres means whoever runs the migration: the owner of the tables, who needs no
 * privilege.
 */
export function isRoleKeyword(role: string): boolean {
  return keywords.has(role);
}

/** A role as GRANT and CREATE POLICY name it: quoted, but for the words that are no names. */
export function quoteRole(role: string): string {
  if (role === 'public') return 'PUBLIC';
  return isRoleKeyword(role) ? role.toUpperCase() : quoteIdentifier(role);
}
