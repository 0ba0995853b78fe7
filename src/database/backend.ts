import { AuthorizeError } from '../errors.ts';

/** No connection for a role could be had. `reason` is a code of the network: Postgres' own words say enough. */
export function databaseUnreachable(role: string, reason: string, cause: unknown): AuthorizeError {
  return new AuthorizeError(
    'ERR_DATABASE_UNREACHABLE',
    `the database of the role '${role}' cannot be reached (${reason})`,
    { cause, hint: 'check the connection URL of the role and that PostgreSQL runs there' },
  );
}

/** The hosts at which Neon runs PgBouncer in transaction mode. */
const neonPooler = /^[^.]+-pooler\.(?:[^.]+\.)*neon\.tech$/iu;

/**
 * Refuses a host behind which each transaction may have another backend: there the reset would reach another one than the
 * statements, and theirs would serve the next person as it is.
 *
 * @throws AuthorizeError `ERR_CONNECTION_POOLED`
 */
export function assertOwnBackend(host: string | undefined, role: string): void {
  if (host === undefined || !neonPooler.test(host)) return;
  throw new AuthorizeError(
    'ERR_CONNECTION_POOLED',
    `the connection of the role '${role}' goes through Neon's pooler, which hands it on between statements`,
    {
      hint: `take the connection URL whose host has no -pooler; withAuth() also has the option pooler: 'transaction'`,
    },
  );
}
