/** For drivers whose connections can go through a pooler. */
export interface PoolerOptions {
  /** Prepare what comes again. Each driver says how. */
  readonly prepare?: boolean;
  /**
   * `'transaction'`: between here and Postgres is PgBouncer with `pool_mode = transaction`, or another pooler that gives
   * each transaction a backend of its own, such as Neon's hosts with `-pooler`. Without it such a pooler is refused where it
   * can be recognised, and elsewhere queries fail as soon as another backend answers.
   *
   * A query is one round trip all the same, to the pooler, and one transaction. One that is proved to leave nothing goes as it
   * would without a pooler. Any other goes in one flush as
   *
   *     BEGIN
   *     select auth.check(set_config('authorize.seal', $1, true))
   *     the query
   *     SET CONSTRAINTS ALL IMMEDIATE, and what resets a connection: RESET ALL, DISCARD TEMP and the like
   *     COMMIT
   *
   * since a reset that came later could reach a backend of somebody else's. When the query fails, the transaction is rolled
   * back and the same backend reset, before the pooler has it back. So settings, temporary tables, session-level advisory
   * locks, the values of sequences and the seed of `random()` do not meet the next person here either.
   *
   * What it gives up:
   * - A seal is not bound to a backend: it is good for its role on every connection to its database, for a minute.
   * - Nothing is kept prepared, neither by itself nor under the name that a query was prepared with. `prepare: true` is refused.
   * - The caller waits for the reset of a statement that writes, which is work for Postgres and no round trip.
   * - Startup settings that the pooler refuses, such as `options` and `statement_timeout`: `ALTER ROLE … SET` them instead. What
   *   the client asked for of `client_encoding`, `DateStyle`, `TimeZone`, `standard_conforming_strings` and `application_name`
   *   is kept; a setting that the pooler was told to keep besides (`track_extra_parameters`) is reset.
   * - What the plain database, without a handle, leaves on a backend meets whoever has that next, also handles.
   *   `server_reset_query_always = 1` in pgbouncer.ini, or not to use it so, helps.
   *
   * Default: none; each connection is one backend.
   */
  readonly pooler?: 'transaction';
}

/**
 * Whether each transaction may have another backend.
 *
 * @throws TypeError
 */
export function parsePooler({ pooler, prepare }: PoolerOptions): boolean {
  if (pooler === undefined) return false;
  if (pooler !== 'transaction') throw new TypeError(`withAuth: pooler must be 'transaction'`);
  if (prepare === true) {
    throw new TypeError(
      'withAuth: prepare: nothing stays prepared where each transaction may have another backend; leave it out',
    );
  }
  return true;
}

/**
 * For drivers that no pooler is in front of.
 *
 * @throws TypeError when somebody believes that there is one
 */
export function refusePooler(options: object, reason: string): void {
  if (!('pooler' in options) || options.pooler === undefined) return;
  throw new TypeError(`withAuth: pooler: ${reason}; leave it out`);
}
