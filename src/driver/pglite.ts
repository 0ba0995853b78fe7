import type { IdentitySource } from './bearer.ts';
import { sessionOf } from './drizzle-session.ts';
import { withHandles, type WithAuth } from './handle.ts';
import { personalClient } from './pglite-client.ts';
import { PgliteDatabase, type PgliteClient } from './pglite-database.ts';
import { refusePooler } from './pooler-options.ts';
import { cloneWithClient, type DrizzleDatabase } from './session-clone.ts';
import { parseWithAuthOptions, type VerifyingOptions } from './with-auth-options.ts';

export { setup, type SetupClient, type SetupOptions } from './pglite-setup.ts';
export type { TokenInput } from './bearer.ts';
export type { WithAuth } from './handle.ts';
export type { AuthorizeEvent, Observe, QueryEvent, RefusalEvent } from '../observe.ts';
export type { Identity } from '../session/identity.ts';

/** What `withAuth()` takes on every driver, but for logins: there is one, which is everybody's. */
export type WithAuthOptions = Omit<VerifyingOptions, 'allowPrivilegedLogin' | 'anonymous'>;

/**
 * Gives a PGlite Drizzle database `$withAuth(token)`, `$withAnonymous()` and `$withIdentity(identity)`, for tests and for
 * applications that keep their database with them. The type stays that of the database. Runs in browsers as well.
 *
 * **This is no wall against hostile SQL.** The only login of a PGlite is a superuser, and the prologue takes its rights away
 * for a transaction: `set_config('role', …)`. What holds, as on a server, is whatever the application asks: each query of
 * a handle runs under the policies of the person's role, two people never mix, a seal cannot be forged by who has not the key,
 * and statements go one at a time by the extended protocol. What does not hold is the rest: SQL that gets into a query can
 * take the role off, and is a superuser then. And the database itself, as opposed to its handles, is bound by nothing.
 *
 * There is one connection. A person has it from before the transaction begins until what it left has been cleared away,
 * inside of PGlite's own lock, so that nobody comes in between. Cleared away are settings, also those that the
 * application made with SET, locks, temporary tables of the person's role, what a sequence gave last and the state of
 * `random()`. The application's live queries and listeners stay; with `statements: 'any'` they do not. A handle that is used
 * inside the callback of another's transaction waits for ever, as the database itself would.
 *
 * Emits, ahead of each query: `select set_config('role', $2, true), auth.check(set_config('authorize.seal', $1, true))`,
 * without `auth.check` where the same seal was found genuine less than half a minute ago.
 *
 * @throws TypeError when the database is not one of drizzle-orm/pglite, or an option is wrong
 * @throws AuthorizeError `ERR_KEY_MISSING`, `ERR_KEY_INVALID`; from a query `ERR_MIGRATIONS_MISSING`,
 *   `ERR_SERVER_UNSUPPORTED`, `ERR_STATEMENT_REFUSED`, `ERR_CONNECTION_IN_DOUBT` and the errors of the verifier. Errors of
 *   PostgreSQL pass as Drizzle gives them.
 * @example
 * import { jwks } from 'drizzle-authorize/jwt';
 * import { setup, withAuth } from 'drizzle-authorize/pglite';
 * import { drizzle } from 'drizzle-orm/pglite';
 *
 * const plain = drizzle('idb://todos');
 * const db = withAuth(plain, {
 *   key: await setup(plain.$client),
 *   providers: [jwks({ url: 'https://id.example/.well-known/jwks.json', issuer: 'https://id.example' })],
 * });
 * await db.$withAuth(token).select().from(todos);
 */
export function withAuth<Database extends object>(
  database: Database,
  options: WithAuthOptions,
): WithAuth<Database> {
  for (const name of ['allowPrivilegedLogin', 'anonymous']) {
    if (Reflect.get(options, name) !== undefined) {
      throw new TypeError(`withAuth: ${name}: PGlite has one login, which is everybody's; leave it out`);
    }
  }
  refusePooler(options, 'PGlite runs in this process');
  const { role, verifier, statements, key, authSchema, observe } = parseWithAuthOptions(options);
  const client = clientOf(database);
  const shared = new PgliteDatabase({ client, key, authSchema, anyStatement: statements === 'any' });
  const base = database as Database & DrizzleDatabase;
  const handleOf = new Map<string, (identity: IdentitySource) => Database>();
  for (const served of [role, 'anonymous']) {
    handleOf.set(served, (identity) =>
      cloneWithClient(
        base,
        personalClient({ client, database: shared, identity, role: served, statements, observe }),
      ),
    );
  }
  return withHandles(database, { role, verifier, handleOf });
}

const pglite = { session: 'PgliteSession', module: 'drizzle-orm/pglite' };

function clientOf(database: object): PgliteClient {
  const { client } = sessionOf(database, 'withAuth', pglite);
  if (!isClient(client)) throw new TypeError('withAuth: the database has no client made by new PGlite()');
  return client;
}

function isClient(client: unknown): client is PgliteClient {
  return (
    typeof client === 'object' &&
    client !== null &&
    ['query', 'exec', 'transaction'].every((member) => typeof Reflect.get(client, member) === 'function')
  );
}
