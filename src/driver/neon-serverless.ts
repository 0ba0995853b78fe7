import { loadStatementJudge } from '#statement-judge';

import type { WithAuth } from './handle.ts';
import { withAuthOverPools, type PoolDriver } from './pool-driver.ts';
import type { PoolerOptions } from './pooler-options.ts';
import { refuseRawQuery } from './refuse-raw-query.ts';
import type { VerifyingOptions } from './with-auth-options.ts';

export type { TokenInput } from './bearer.ts';
export type { WithAuth } from './handle.ts';
export type { AuthorizeEvent, Observe, QueryEvent, RefusalEvent } from '../observe.ts';
export type { Identity } from '../session/identity.ts';

/** What `withAuth()` takes on every driver, and what this one can do besides. */
export interface WithAuthOptions extends VerifyingOptions, PoolerOptions {
  /**
   * Prepare the statements that come with each query and, on Node, those that come again, from the fifth time on, a hundred
   * at most, so that each connection plans them once. Default: true. `false` where something between here and Postgres
   * cannot keep prepared statements.
   */
  readonly prepare?: boolean;
}

/**
 * Gives a neon-serverless Drizzle database `$withAuth(token)`, `$withAnonymous()` and `$withIdentity(identity)`. The type
 * stays that of the database. Runs on edge runtimes.
 *
 * The pool must log in as the identity role itself, with the URL that `drizzle-authorize setup` wrote. A query costs one
 * round trip over the WebSocket: prologue and query share one flush and one implicit transaction, and the query does not
 * run when the prologue fails. The first query on a new connection costs one more, which looks at the login. A transaction
 * costs one a statement, of which the first begins it, and one to end. After each use the connection is reset before the
 * pool has it back. Queries of a handle take this way also where `neonConfig.poolQueryViaFetch` sends those of the pool
 * over HTTP.
 *
 * Behind a WebSocket is one backend, so that seals are bound to its process id. It is asked for in SQL: the one in the
 * protocol is the proxy's. Neon's hosts with `-pooler` are refused without `pooler: 'transaction'`, because their pooler hands a
 * connection on after each transaction: the reset would reach another backend, and what a statement has left would meet the
 * next person. Behind a pooler that does not show, a seal is of no use on any other backend than its own, and the query fails.
 *
 * Emits, ahead of each query: `select auth.check(set_config('authorize.seal', $1, true))`, without `auth.check` where the
 * connection has found the same seal genuine less than half a minute ago.
 *
 * @throws TypeError when the database is not one of drizzle-orm/neon-serverless over a pool, or an option is wrong
 * @throws AuthorizeError `ERR_KEY_MISSING`, `ERR_KEY_INVALID`; from a query `ERR_CONNECTION_POOLED`,
 *   `ERR_DATABASE_UNREACHABLE`, `ERR_LOGIN_PRIVILEGED`, `ERR_LOGIN_ROLE`, `ERR_MIGRATIONS_MISSING`,
 *   `ERR_STATEMENT_REFUSED` and the errors of the verifier. Errors of PostgreSQL pass as Drizzle gives them.
 * @example
 * import { Pool } from '@neondatabase/serverless';
 * import { jwks } from 'drizzle-authorize/jwt';
 * import { withAuth } from 'drizzle-authorize/neon-serverless';
 * import { drizzle } from 'drizzle-orm/neon-serverless';
 *
 * const client = new Pool({ connectionString: process.env.DATABASE_AUTHENTICATED_URL });
 * const db = withAuth(drizzle({ client, schema }), {
 *   providers: [jwks({ url: 'https://id.example/.well-known/jwks.json', issuer: 'https://id.example' })],
 * });
 * await db.$withAuth(token).transaction(async (tx) => tx.select().from(todos));
 */
export function withAuth<Database extends object>(
  database: Database,
  options: WithAuthOptions,
): WithAuth<Database> {
  return withAuthOverPools(database, options, neonServerless);
}

const neonServerless: PoolDriver = {
  entry: 'neon-serverless',
  session: 'NeonSession',
  module: 'drizzle-orm/neon-serverless',
  loadJudge: loadStatementJudge,
  ownMembers: { session: { query: refuseRawQuery, queryObjects: refuseRawQuery } },
};
