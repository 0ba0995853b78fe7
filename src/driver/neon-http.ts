import type { Observe } from '../observe.ts';
import type { IdentitySource } from './bearer.ts';
import { sessionOf } from './drizzle-session.ts';
import { addHandles, noAnonymousDatabase, withHandles, type WithAuth } from './handle.ts';
import { isNeonClient, personalClient, type NeonClient, type PersonalClientOptions } from './neon-client.ts';
import { SealedEndpoint } from './neon-direct.ts';
import { assertGatewayConnectionString, bearerRunner, clientRunner } from './neon-gateway.ts';
import { refusePooler } from './pooler-options.ts';
import { refuseRawQuery } from './refuse-raw-query.ts';
import { cloneWithClient, type DrizzleDatabase } from './session-clone.ts';
import {
  parseObserve,
  parseStatements,
  parseWithAuthOptions,
  type Statements,
  type VerifyingOptions,
} from './with-auth-options.ts';

export type { TokenInput } from './bearer.ts';
export type { WithAuth } from './handle.ts';
export type { AuthorizeEvent, Observe, QueryEvent, RefusalEvent } from '../observe.ts';
export type { Identity } from '../session/identity.ts';

/** Verify tokens here, and log in to any endpoint of Neon's protocol with a password. */
export interface DirectOptions extends VerifyingOptions {
  /** Default: `direct`. */
  readonly mode?: 'direct';
}

/** Pass tokens on to a gateway of `drizzle-authorize/gateway`, which verifies them. */
export interface GatewayModeOptions {
  readonly mode: 'gateway';
  /**
   * What `neon()` was given, without a password: `postgresql://authenticated@host/app`. A token needs a client of its
   * own, since the driver sends the one of a query with single queries alone, and a client does not tell what it was
   * made with.
   */
  readonly connectionString: string;
  /** Merged into the options of each `fetch`, as in the options of `neon()`. */
  readonly fetchOptions?: Readonly<Record<string, unknown>>;
  /** A Drizzle database that connects as `anonymous`, without a token; without it there is no `$withAnonymous()`. */
  readonly anonymous?: object;
  /** `data`: statements that read and write rows. `any`: whatever the gateway lets pass. Default: `data`. */
  readonly statements?: Statements;
  /** Told of every statement, once it has ended; who asked is known to the gateway alone. */
  readonly observe?: Observe;
}

export type WithAuthOptions = DirectOptions | GatewayModeOptions;

/** The database without Drizzle's own `$withAuth`, which mixes up whose token goes with which query. */
export type WithoutOwnAuth<Database extends object> = Omit<Database, '$withAuth'>;

/**
 * Gives a neon-http Drizzle database `$withAuth(token)`, `$withAnonymous()` and `$withIdentity(identity)`, in place of
 * Drizzle's own `$withAuth`. The type stays that of the database in everything else. Runs on edge runtimes.
 *
 * A query is one HTTP request, and so is a whole `db.batch([…])`, which is as a whole the person's whose handle it is
 * called on. `transaction()` does not exist on this driver; Drizzle's own error says so. Each statement is sent by the
 * extended protocol, so that it is one statement and no more.
 *
 * **`mode: 'direct'`** verifies the token here. The client must log in as the identity role itself, with the password that
 * `drizzle-authorize setup` made. A request is one transaction, in which the query does not run when the prologue fails:
 * `select auth.check(set_config('authorize.seal', $1, true))`, then the query or the batch; without `auth.check` where the
 * database has found the same seal genuine less than half a minute ago. The first query costs one
 * request more, which looks at the login, and so does the one after PostgreSQL refused a seal. What a statement leaves on
 * the connection behind the endpoint is the endpoint's to clear away, as Neon's proxy does after each request; it cannot
 * behind a transaction pooler, so take Neon's host without `-pooler`.
 *
 * **`mode: 'gateway'`** sends the token as `Authorization: Bearer` to a gateway, which verifies it and does the rest;
 * neither provider nor key is needed here. A token that is a function is called for each request.
 *
 * @throws TypeError when the database is not one of drizzle-orm/neon-http, or an option is wrong
 * @throws AuthorizeError `ERR_KEY_MISSING`, `ERR_KEY_INVALID`; from a query `ERR_LOGIN_PRIVILEGED`, `ERR_LOGIN_ROLE`,
 *   `ERR_MIGRATIONS_MISSING`, `ERR_DATABASE_UNREACHABLE`, `ERR_STATEMENT_REFUSED` and the errors of the verifier, in mode
 *   `gateway` as the gateway reports them. Errors of PostgreSQL pass as Drizzle gives them.
 * @example
 * import { neon } from '@neondatabase/serverless';
 * import { jwks } from 'drizzle-authorize/jwt';
 * import { withAuth } from 'drizzle-authorize/neon-http';
 * import { drizzle } from 'drizzle-orm/neon-http';
 *
 * const db = withAuth(drizzle(neon(process.env.DATABASE_AUTHENTICATED_URL!), { schema }), {
 *   providers: [jwks({ url: 'https://id.example/.well-known/jwks.json', issuer: 'https://id.example' })],
 * });
 * const handle = db.$withAuth(token);
 * await handle.batch([handle.insert(todos).values({ title: 'buy milk' }), handle.select().from(todos)]);
 * @example
 * import { neon } from '@neondatabase/serverless';
 * import { withAuth } from 'drizzle-authorize/neon-http';
 * import { drizzle } from 'drizzle-orm/neon-http';
 *
 * const connectionString = 'postgresql://authenticated@gateway.example/app';
 * const db = withAuth(drizzle(neon(connectionString), { schema }), { mode: 'gateway', connectionString });
 * await db.$withAuth(token).select().from(todos);
 */
export function withAuth<Database extends object>(
  database: Database,
  options: WithAuthOptions,
): WithAuth<WithoutOwnAuth<Database>> {
  switch (options.mode) {
    case undefined:
    case 'direct':
      return withSeals(database, options);
    case 'gateway':
      return withTokens(database, options);
    default:
      throw new TypeError(`withAuth: mode must be 'direct' or 'gateway'`);
  }
}

function withSeals<Database extends object>(database: Database, options: DirectOptions): WithAuth<Database> {
  refusePooler(options, 'each request is a transaction anyway, and the endpoint clears up behind it');
  const { role, verifier, anonymous, statements, key, authSchema, allowPrivilegedLogin, observe } =
    parseWithAuthOptions(options);
  const handleOf = new Map<string, (identity: IdentitySource) => Database>();
  const serve = (servedRole: string, served: object, option: string): void => {
    const client = clientOf(served, option);
    const endpoint = new SealedEndpoint({ client, role: servedRole, key, authSchema, allowPrivilegedLogin });
    handleOf.set(servedRole, (identity) =>
      // The type of the main database describes the one of visitors, too.
      handleFor(served as Database, client, {
        runner: endpoint.runner(identity),
        role: servedRole,
        statements,
        observe,
      }),
    );
  };
  serve(role, database, 'withAuth');
  if (anonymous !== undefined) serve('anonymous', anonymous, 'withAuth: anonymous');
  return withHandles(database, { role, verifier, handleOf });
}

const gatewayOptions: ReadonlySet<string> = new Set([
  'mode',
  'connectionString',
  'fetchOptions',
  'anonymous',
  'statements',
  'observe',
]);

function withTokens<Database extends object>(
  database: Database,
  options: GatewayModeOptions,
): WithAuth<Database> {
  // A check that nobody makes is worse than none: whoever gives `providers` believes in it.
  const unused = Object.keys(options).find((name) => !gatewayOptions.has(name));
  if (unused !== undefined) {
    throw new TypeError(`withAuth: mode 'gateway' has no option ${unused}; the gateway decides`);
  }
  const { connectionString, fetchOptions, anonymous } = options;
  assertGatewayConnectionString(connectionString);
  const shared = {
    statements: parseStatements(options.statements),
    observe: parseObserve(options.observe),
  };
  const role = decodeURIComponent(new URL(connectionString).username);
  const client = clientOf(database, 'withAuth');
  const visitors = anonymous && clientOf(anonymous, 'withAuth: anonymous');
  return addHandles(database, {
    $withAuth(token) {
      const runner = bearerRunner(token, { connectionString, fetchOptions });
      return handleFor(database, client, { ...shared, runner, role });
    },
    $withAnonymous() {
      if (anonymous === undefined || visitors === undefined) throw noAnonymousDatabase();
      const runner = clientRunner(() => Promise.resolve(visitors));
      return handleFor(anonymous as Database, visitors, { ...shared, runner, role: 'anonymous' });
    },
    $withIdentity() {
      throw new TypeError(
        `$withIdentity: mode 'gateway' passes tokens on, and an identity has none; use mode 'direct'`,
      );
    },
  });
}

const neonHttp = { session: 'NeonHttpSession', module: 'drizzle-orm/neon-http' };

function clientOf(database: object, option: string): NeonClient {
  const { client } = sessionOf(database, option, neonHttp);
  if (!isNeonClient(client)) {
    throw new TypeError(
      `${option}: the database has no client made by neon() of @neondatabase/serverless 1.0 or newer`,
    );
  }
  return client;
}

function handleFor<Database extends object>(
  database: Database,
  client: NeonClient,
  options: PersonalClientOptions,
): Database {
  const personal = personalClient(client, options);
  return cloneWithClient(database as Database & DrizzleDatabase, personal, {
    session: { clientQuery: personal.query, query: refuseRawQuery, queryObjects: refuseRawQuery },
    // Drizzle's own $withAuth leaves its token on the database, from where it would go along with execute().
    database: { $withAuth: undefined, authToken: undefined },
  });
}
