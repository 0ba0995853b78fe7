import type { Provider, Verifier } from '../jwt/index.ts';

/** What authorize.config.ts exports. Nothing is required but `providers` or `verifier`. */
export interface AuthorizeConfig {
  /** How the database is reached. */
  readonly database?: DatabaseConfig | undefined;
  /** Whose tokens are accepted: at least one, made by a preset, `oidc()`, `jwks()` or `customKeys()` of `drizzle-authorize/jwt`. */
  readonly providers?: readonly Provider[] | undefined;
  /** A verifier made by `createVerifier()`, for its own tolerance or cache; in place of `providers`. */
  readonly verifier?: Verifier | undefined;
  /**
   * The identity roles that are served. Each needs a connection, and each but `anonymous` a provider that may issue
   * tokens for it. Default: the roles of `database.connections`; without that, those of `authenticated` and
   * `anonymous` whose variable the environment has.
   */
  readonly roles?: readonly string[] | undefined;
  /** The gateway that `drizzle-authorize gateway` runs. */
  readonly gateway?: GatewayConfig | undefined;
  /** What `drizzle-authorize dev` and `token` have beside the rest. */
  readonly dev?: DevConfig | undefined;
}

/** For development on this machine alone. */
export interface DevConfig {
  /**
   * Whose tokens `drizzle-authorize token NAME` makes, by name. Default: `alice`, `bob`, `admin`, who has the role `admin` in
   * the claim `roles`, and `expired`.
   */
  readonly personas?: Readonly<Record<string, PersonaConfig>> | undefined;
}

/** Somebody to be while developing. */
export interface PersonaConfig {
  /** The user. Default: the persona's name. */
  readonly sub?: string | undefined;
  /** What else is in the token. `org_id` and `roles` become `$organization` and `$roles`. Default: nothing. */
  readonly claims?: Readonly<Record<string, unknown>> | undefined;
  /** How long a token lives, in whole seconds; negative for one that has expired. Default: 3,600. */
  readonly expiresInSeconds?: number | undefined;
}

/** How the database is reached; everything here may come from the environment instead. */
export interface DatabaseConfig {
  /**
   * The connection URL of a role, logged in as that role: what `drizzle-authorize setup` wrote. All lead to one
   * database. Default for each role: `DATABASE_<ROLE>_URL` of the environment, such as `DATABASE_AUTHENTICATED_URL`.
   */
  readonly connections?: Readonly<Record<string, string | undefined>> | undefined;
  /**
   * The sealing key, or several separated by commas, newest first. Default: `AUTHORIZE_KEY` of the environment, which
   * is the better place for it.
   */
  readonly key?: string | undefined;
  /**
   * The auth schema's name, as `createAuth({ schema })` has it. Default: the environment's `AUTHORIZE_SCHEMA`, or else `auth`.
   */
  readonly authSchema?: string | undefined;
  /**
   * The schemas in which tables without one are looked for, in this order. Temporary tables always come last, so that
   * none can stand in front of a real one. Default: `['public']`.
   */
  readonly searchPath?: readonly string[] | undefined;
  /**
   * `'transaction'` where the connections lead to PgBouncer with `pool_mode = transaction`, or another pooler like it. The gateway then
   * serves requests by HTTP alone. Default: none; each connection is one backend.
   */
  readonly pooler?: 'transaction' | undefined;
}

/** Where the gateway listens, and its limits. */
export interface GatewayConfig {
  /** A host name or address of this machine. Default: `127.0.0.1`; `0.0.0.0` or `::` for all of them. */
  readonly host?: string | undefined;
  /** For HTTP and WebSocket: 0 to 65535, where 0 is any that is free. Default: 4444. */
  readonly port?: number | undefined;
  /** For the PostgreSQL protocol over TCP: 0 to 65535, where 0 is any that is free. Default: not served. */
  readonly tcpPort?: number | undefined;
  /** Connections to Postgres for requests by HTTP, for each role: 1 to 10,000. Default: 10. */
  readonly maxConnections?: number | undefined;
  /** How many of these one person may use at once; their further requests wait: 1 to 10,000. Default: half of them. */
  readonly maxConnectionsPerSubject?: number | undefined;
  /** Requests that may wait for a connection, for each role; others are refused: 0 to 100,000. Default: 1,000. */
  readonly maxWaiting?: number | undefined;
  /** How long a request waits for its turn, and then for a Postgres that is away: 1 to 600,000 ms. Default: 10,000 ms. */
  readonly waitTimeoutMs?: number | undefined;
  /** When it is stopped, how long it serves on while `/readyz` says that it is going: 0 to 600,000 ms. Default: 0. */
  readonly drainDelayMs?: number | undefined;
  /** A connection for requests is closed when it has had no work for so long: 1,000 to 86,400,000 ms. Default: 60,000 ms. */
  readonly idleTimeoutMs?: number | undefined;
  /** And when it is older, as soon as it has no work: 1,000 to 86,400,000 ms. Default: 3,600,000 ms. */
  readonly maxLifetimeMs?: number | undefined;
  /** Sessions over WebSocket and TCP in all, each with a connection to Postgres: 1 to 10,000. Default: 50. */
  readonly maxSessions?: number | undefined;
  /** How many of these one person may have: 1 to 10,000. Default: half of them. */
  readonly maxSessionsPerSubject?: number | undefined;
  /**
   * How often one person may ask, on average: requests by HTTP, sessions, and statements in them: 0.001 to 1,000,000. Default:
   * no limit.
   */
  readonly requestsPerSecondPerSubject?: number | undefined;
  /** How many of these may come at once after a pause: 1 to 1,000,000. Default: twice as many as in a second. */
  readonly burstPerSubject?: number | undefined;
  /** A statement that runs longer is cancelled: 1 to 2,147,483,647 ms. Default: 30,000 ms. */
  readonly statementTimeoutMs?: number | undefined;
  /** Of a request, and of a message over WebSocket and TCP: 1,024 to 268,435,456 bytes. Default: 10,485,760 bytes. */
  readonly maxBodyBytes?: number | undefined;
  /** Of an answer by HTTP: 1,024 to 268,435,456 bytes. Default: 10,485,760 bytes. */
  readonly maxResultBytes?: number | undefined;
  /**
   * A certificate, with those that lead to its authority behind it, and its private key, in PEM, such as `readFileSync(path, 'utf8')` gives
   * them. HTTP, WebSocket and TCP are then served with TLS alone. Default: none.
   */
  readonly tls?: { readonly cert: string; readonly key: string } | undefined;
  /**
   * For `/healthz`, `/readyz` and `/metrics`: 0 to 65535, where 0 is any that is free. Default: not served. Needs the package
   * `prom-client`.
   */
  readonly operationsPort?: number | undefined;
  /** Where that port is open: a host name or address of this machine. Default: `127.0.0.1`. */
  readonly operationsHost?: string | undefined;
  /** Gets a line for each statement, with a digest of who asked and no values: `pino()`, or another of its shape. */
  readonly logger?: LineLogger | undefined;
  /** Gets a line for each statement that names the subject. */
  readonly audit?: LineLogger | undefined;
  /** Makes a span for each statement, by the package `@opentelemetry/api`. Default: false. */
  readonly tracing?: boolean | undefined;
}

/** What is used of a logger such as pino's. */
export interface LineLogger {
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
}

/**
 * Types the config of authorize.config.ts, and gives it back as it is. `drizzle-authorize gateway` reads the file from
 * the folder in which it runs.
 *
 * Nothing is judged here, so that importing the file never fails for a variable that is not set. The command that reads
 * it judges all of it before it starts anything. It names every field that is unknown, wrong or missing
 * (`ERR_CONFIG_INVALID`), and quotes no value, since any may be a secret.
 *
 * @example
 * import { defineConfig } from 'drizzle-authorize/config';
 * import { jwks } from 'drizzle-authorize/jwt';
 *
 * export default defineConfig({
 *   providers: [jwks({ url: 'https://id.example/.well-known/jwks.json', issuer: 'https://id.example' })],
 *   gateway: { host: '0.0.0.0', port: 8080 },
 * });
 */
export function defineConfig(config: AuthorizeConfig): AuthorizeConfig {
  return config;
}
