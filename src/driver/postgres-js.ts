import type { IdentitySource } from './bearer.ts';
import { sessionOf } from './drizzle-session.ts';
import { withHandles, type WithAuth } from './handle.ts';
import { parsePooler, type PoolerOptions } from './pooler-options.ts';
import { personalClient } from './postgres-js-client.ts';
import type { PostgresClient } from './postgres-js-connection.ts';
import { SealedClient } from './postgres-js-sealed.ts';
import { sendWithoutDelay } from './postgres-js-socket.ts';
import { refuseRawQuery } from './refuse-raw-query.ts';
import { cloneWithClient, type DrizzleDatabase } from './session-clone.ts';
import { parseWithAuthOptions, type VerifyingOptions } from './with-auth-options.ts';

export type { TokenInput } from './bearer.ts';
export type { WithAuth } from './handle.ts';
export type { AuthorizeEvent, Observe, QueryEvent, RefusalEvent } from '../observe.ts';
export type { Identity } from '../session/identity.ts';

/** What `withAuth()` takes on every driver, and what this one can do besides. */
export interface WithAuthOptions extends VerifyingOptions, PoolerOptions {
  /**
   * Prepare statements that come again, from the fifth time on, a hundred at most, so that each connection plans them
   * once. Default: true. `false` where something between here and Postgres cannot keep prepared statements; so does
   * `prepare: false` of the client, which `pooler` asks for.
   */
  readonly prepare?: boolean;
}

/**
 * Gives a postgres.js Drizzle database `$withAuth(token)`, `$withAnonymous()` and `$withIdentity(identity)`. The type stays
 * that of the database.
 *
 * The client must log in as the identity role itself, with the URL that `drizzle-authorize setup` wrote. A query costs one
 * round trip. What goes on the wire, at once:
 *
 *     begin
 *     select auth.check(set_config('authorize.seal', $1, true))
 *     the query, by the extended protocol
 *     commit
 *     what resets the connection
 *
 * The seal is only set where the connection has found it genuine less than half a minute ago.
 *
 * Each has a Sync of its own, as postgres.js knows no other way, and the caller has its answer when the commit has succeeded.
 * The query does not run when the prologue fails: Postgres refuses every statement of a transaction that has failed, and
 * makes a rollback of its commit. The pool has the connection back when it has been reset; one that cannot be is closed.
 *
 * What else is to be known:
 * - The first query on a new connection costs one round trip more, which looks at the login.
 * - A statement with an array, an object, or with drizzle-orm 1.0 a string among its values costs one more when it comes for
 *   the first time: Postgres has to say by what types they are to be written. Drizzle alone asks each time, or once a connection.
 *   With drizzle-orm 0.45 strings go as they are, where postgres.js would make `false` of one for a boolean, and text that
 *   has yet to become bytes of one for a bytea.
 * - With `allowPrivilegedLogin` a query costs one more: were it the BEGIN that failed, because a cancellation or a time limit
 *   hits just that, the query behind it would run without a transaction, and without the role that the prologue sets. As
 *   the identity role itself it then runs as nobody: what needs an identity raises 28000, and what needs none may be done
 *   although the caller is told that it failed.
 * - A transaction costs one a statement, of which the first begins it, and one to end. As with Drizzle alone, the error of a statement is the
 *   error of the transaction or savepoint around it, also where it was caught.
 * - `$client` of a handle is the person as well: templates, `unsafe`, `begin`, `savepoint`. Templates are sent step by step,
 *   since postgres.js alone knows what is in one. What could outlive the identity (`reserve`, `cursor`, `listen` and others)
 *   is refused with the reason.
 * - Connections that the client makes from now on send without delay (TCP_NODELAY), unless it has a `socket` of its own.
 *
 * Why not otherwise? One Sync for prologue and query would save BEGIN and COMMIT, some 40 µs; but postgres.js takes each
 * answer for that of the query whose turn it is, and would have to be deceived about their number: where that goes wrong, a
 * person gets the rows of another. Its `begin()` waits for each step, which are four round trips. Its `reserve()` does not
 * tell which connection it gives, while a seal is for one.
 *
 * @throws TypeError when the database is not one of drizzle-orm/postgres-js, or an option is wrong
 * @throws AuthorizeError `ERR_KEY_MISSING`, `ERR_KEY_INVALID`; from a query `ERR_CONNECTION_POOLED`,
 *   `ERR_DATABASE_UNREACHABLE`, `ERR_LOGIN_PRIVILEGED`, `ERR_LOGIN_ROLE`, `ERR_MIGRATIONS_MISSING`,
 *   `ERR_STATEMENT_REFUSED` and the errors of the verifier. Errors of PostgreSQL pass as Drizzle gives them.
 * @example
 * import { jwks } from 'drizzle-authorize/jwt';
 * import { withAuth } from 'drizzle-authorize/postgres-js';
 * import { drizzle } from 'drizzle-orm/postgres-js';
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
  const { role, verifier, anonymous, statements, key, authSchema, allowPrivilegedLogin, observe } =
    parseWithAuthOptions(options);
  const shared = {
    key,
    authSchema,
    allowPrivilegedLogin,
    anyStatement: statements === 'any',
    prepare: options.prepare !== false,
    pooled: parsePooler(options),
  };
  const handleOf = new Map<string, (identity: IdentitySource) => Database>();
  const serve = (servedRole: string, served: object, option: string): void => {
    const client = clientOf(served, option);
    if (shared.pooled) assertPreparesNothing(client, option);
    sendWithoutDelay(client.options);
    const sealed = new SealedClient({ ...shared, client, role: servedRole });
    // The same structure, with another client: the type of the main database describes it.
    const base = served as Database & DrizzleDatabase;
    handleOf.set(servedRole, (identity) =>
      cloneWithClient(
        base,
        personalClient({ client, sealed, identity, statements, observe, role: servedRole }),
        {
          session: { query: refuseRawQuery, queryObjects: refuseRawQuery },
        },
      ),
    );
  };
  serve(role, database, 'withAuth');
  if (anonymous !== undefined) serve('anonymous', anonymous, 'withAuth: anonymous');

  return withHandles(database, { role, verifier, handleOf });
}

const postgresJs = { session: 'PostgresJsSession', module: 'drizzle-orm/postgres-js' };

function clientOf(database: object, option: string): PostgresClient {
  const { client } = sessionOf(database, option, postgresJs);
  if (!isClient(client)) {
    throw new TypeError(
      `${option}: the database has no client made by postgres() of postgres.js 3.4.8 or newer`,
    );
  }
  return client;
}

// By itself it prepares what it asks on a new connection, under a name that means nothing on another backend.
function assertPreparesNothing({ options }: PostgresClient, option: string): void {
  if (!options.prepare) return;
  throw new TypeError(`${option}: behind a pooler the client has to be made with prepare: false`);
}

function isClient(client: unknown): client is PostgresClient {
  return (
    typeof client === 'function' &&
    'options' in client &&
    typeof client.options === 'object' &&
    ['unsafe', 'begin', 'reserve'].every((member) => typeof Reflect.get(client, member) === 'function')
  );
}
