import { loadStatementJudge } from '../database/statement-judge.ts';
import type { WithAuth } from './handle.ts';
import { withAuthOverPools, type PoolDriver } from './pool-driver.ts';
import type { PoolerOptions } from './pooler-options.ts';
import type { VerifyingOptions } from './with-auth-options.ts';

export type { TokenInput } from './bearer.ts';
export type { WithAuth } from './handle.ts';
export type { AuthorizeEvent, Observe, QueryEvent, RefusalEvent } from '../observe.ts';
export type { Identity } from '../session/identity.ts';

/** What `withAuth()` takes on every driver, and what this one can do besides. */
export interface WithAuthOptions extends VerifyingOptions, PoolerOptions {
  /**
   * Prepare statements that come again, from the fifth time on, a hundred at most, so that each connection plans them
   * once. Default: true. `false` where something between here and Postgres cannot keep prepared statements.
   */
  readonly prepare?: boolean;
}

/**
 * Gives a node-postgres Drizzle database `$withAuth(token)`, `$withAnonymous()` and `$withIdentity(identity)`. The type
 * stays that of the database.
 *
 * The pool must log in as the identity role itself, with the URL that `drizzle-authorize setup` wrote. A query costs one
 * round trip: prologue and query share one flush and one implicit transaction, and the query does not run when the
 * prologue fails. The first query on a new connection costs one more, which looks at the login. A transaction costs one a
 * statement, of which the first begins it, and one to end. After each use the connection is reset before the pool has it
 * back.
 *
 * Emits, ahead of each query: `select auth.check(set_config('authorize.seal', $1, true))`, without `auth.check` where the
 * connection has found the same seal genuine less than half a minute ago.
 *
 * @throws TypeError when the database is not one of drizzle-orm/node-postgres over a pool, or an option is wrong
 * @throws AuthorizeError `ERR_KEY_MISSING`, `ERR_KEY_INVALID`; from a query `ERR_CONNECTION_POOLED`,
 *   `ERR_DATABASE_UNREACHABLE`, `ERR_LOGIN_PRIVILEGED`, `ERR_LOGIN_ROLE`, `ERR_MIGRATIONS_MISSING`,
 *   `ERR_STATEMENT_REFUSED` and the errors of the verifier. Errors of PostgreSQL pass as Drizzle gives them.
 * @example
 * import { jwks } from 'drizzle-authorize/jwt';
 * import { withAuth } from 'drizzle-authorize/node-postgres';
 * import { drizzle } from 'drizzle-orm/node-postgres';
 *
 * const db = withAuth(drizzle(process.env.DATABASE_AUTHENTICATED_URL!), {
 *   providers: [jwks({ url: 'https://id.example/.well-known/jwks.json', issuer: 'https://id.example' })],
 * });
 * await db.$withAuth(token).select().from(todos);
 */
export function withAuth<Database extends object>(
  database: Database,
  options: WithAuthOptions,
): WithAuth<Database> {
  return withAuthOverPools(database, options, nodePostgres);
}

const nodePostgres: PoolDriver = {
  entry: 'node-postgres',
  session: 'NodePgSession',
  module: 'drizzle-orm/node-postgres',
  loadJudge: loadStatementJudge,
};
