import type { Duplex } from 'node:stream';

import { parseAuthSchema } from '../auth-schema.ts';
import type { LineLogger } from '../config/define-config.ts';
import { createVerifier, type Provider, type Verifier } from '../jwt/index.ts';
import { observeAll, type Observe } from '../observe.ts';
import { createSealKey, parseAuthorizeKey, type SealKey } from '../session/seal-key.ts';
import { Caller } from './caller.ts';
import { ArrayTypes } from './http/array-types.ts';
import { createSqlHandler, type SqlHandler } from './http/sql-handler.ts';
import { createMetrics, type Metrics } from './operations/metrics.ts';
import { createReadiness, type Readiness } from './operations/readiness.ts';
import { auditStatements, logStatements } from './operations/statement-log.ts';
import { traceStatements } from './operations/tracing.ts';
import { RateLimit } from './rate-limit.ts';
import { createRolePools } from './role-pools.ts';
import { createStatementPolicy } from './statement-policy.ts';
import { createUpgradeHandler, type UpgradeHandler } from './wire/web-socket.ts';
import { createWireService, type CancelKey } from './wire/wire-service.ts';

/** Whose tokens are accepted: one of the two. */
export interface TokenOptions {
  /** Whose tokens are accepted. */
  readonly providers?: readonly Provider[];
  /** A verifier made elsewhere, in place of `providers`. */
  readonly verifier?: Verifier;
}

export interface SqlServiceOptions extends TokenOptions {
  /**
   * A connection URL for each identity role that is served, logged in as that role: what `drizzle-authorize setup`
   * wrote. `{ authenticated: url, anonymous: url }`; without `anonymous`, visitors without a token are refused.
   */
  readonly connections: Readonly<Record<string, string>>;
  /** The sealing key, or several separated by commas, newest first. Default: the environment's `AUTHORIZE_KEY`. */
  readonly key?: string;
  /** The auth schema's name, where it is not the default. Default: the environment's `AUTHORIZE_SCHEMA`, or else `auth`. */
  readonly authSchema?: string;
  /**
   * `'transaction'`: the connections lead to PgBouncer with `pool_mode = transaction`, or to another pooler that gives each
   * transaction a backend of its own. As with `withAuth()`, each request is one transaction, and clears away in it what it may leave;
   * a seal is good on every backend for its minute. Settings are pinned in each transaction, since PgBouncer takes none at the
   * start. Requests by HTTP alone are served: a session needs a backend of its own. Set `server_reset_query_always = 1` in
   * pgbouncer.ini where others use the same pooler. Default: none.
   */
  readonly pooler?: 'transaction';
  /** Connections to Postgres for requests by HTTP, for each role. Default: 10. */
  readonly maxConnections?: number;
  /**
   * How many of these one person, by the claims `iss` and `sub`, may use at once; further requests of theirs wait. Default: half
   * of `maxConnections`. Visitors are nobody in particular, and may use all.
   */
  readonly maxConnectionsPerSubject?: number;
  /** Requests that may wait for a connection, for each role; others are refused (SQLSTATE 53300). Default: 1,000. */
  readonly maxWaiting?: number;
  /**
   * How long a request waits for its turn, and then for Postgres, should that be away, as when it restarts; then it is refused.
   * Default: 10,000 ms.
   */
  readonly waitTimeoutMs?: number;
  /** A connection without work is closed after it. Default: 60,000 ms. */
  readonly idleTimeoutMs?: number;
  /** A connection that is older is closed once it has no work, so that a new one finds what has changed. Default: 3,600,000 ms. */
  readonly maxLifetimeMs?: number;
  /** Sessions over WebSocket and TCP, in all; each has a connection to Postgres of its own. Default: 50. */
  readonly maxSessions?: number;
  /** How many of these one person may have; others are refused (SQLSTATE 53300). Default: half of `maxSessions`. */
  readonly maxSessionsPerSubject?: number;
  /**
   * How often one person may ask, on average: requests by HTTP, sessions, and statements in them; others are refused (SQLSTATE
   * 53400). Default: no limit. Each process counts for itself.
   */
  readonly requestsPerSecondPerSubject?: number;
  /** How many of these may come at once after a pause. Default: twice as many as in a second, and at least one. */
  readonly burstPerSubject?: number;
  /** A statement that runs longer is cancelled. Default: 30,000 ms. */
  readonly statementTimeoutMs?: number;
  /** Where tables without a schema are looked for. Default: `public, pg_temp`, so that a temporary table hides none. */
  readonly searchPath?: string;
  /** Of a request, and of a message over WebSocket and TCP. Default: 10,485,760 bytes, as Neon has it. */
  readonly maxBodyBytes?: number;
  /** Of an answer by HTTP. Default: 10,485,760 bytes, as Neon has it. */
  readonly maxResultBytes?: number;
  /**
   * Gets a request to cancel that is for none of the sessions here. Where several processes serve one port, each gives it to
   * the `cancel()` of the others. Default: nobody does.
   */
  readonly cancelElsewhere?: (key: CancelKey) => void;
  /** Told of every statement, once it has ended: who, as which role, which kind, how many rows or which code. */
  readonly observe?: Observe;
  /**
   * Gets a line for each statement: the digest of who asked, role, kind and fingerprint of the statement, rows or the code of the
   * refusal, time. Never values. `pino()` of the package pino, or another with its `info()` and `warn()`.
   */
  readonly logger?: LineLogger;
  /** Gets a line for each statement that names the subject: role, kind and fingerprint, rows or the code of the refusal. */
  readonly audit?: LineLogger;
  /** Makes a span for each statement, by the package `@opentelemetry/api`, which has to be installed. Default: false. */
  readonly tracing?: boolean;
}

/** What answers, without a server around it. */
export interface SqlService {
  readonly database: string;
  /** Answers `/sql`. */
  readonly handle: SqlHandler;
  /** Takes WebSockets. */
  readonly upgrade: UpgradeHandler;
  /** Serves the PostgreSQL protocol on a connection. */
  readonly accept: (client: Duplex) => void;
  /** Ends sessions when they are idle, all after the deadline. Default: 10,000 ms. @returns whether none was cut off */
  endSessions(deadlineMs?: number): Promise<boolean>;
  /** Cancels what runs in the session that has this key, if there is one. */
  cancel(key: CancelKey): void;
  /** Accepts these tokens, and no others, from now on; sessions of others end. @throws TypeError when an option is wrong; nothing has changed then */
  reload(tokens: TokenOptions): Promise<void>;
  /** Whether requests would be answered. */
  readonly readiness: Readiness;
  /** Undefined unless it was asked for. */
  readonly metrics: Metrics | undefined;
  /** Ends what sessions are left at once, and closes the pools. */
  close(): Promise<void>;
}

const tenMebibytes = 10_485_760;

/** @throws TypeError, AuthorizeError as `createGateway` */
export async function createSqlService(
  options: SqlServiceOptions,
  { withMetrics = false }: { readonly withMetrics?: boolean } = {},
): Promise<SqlService> {
  const { connections, logger, audit } = options;
  if (options.pooler !== undefined && options.pooler !== 'transaction')
    throw new TypeError(`createGateway: pooler must be 'transaction'`);
  const database = databaseOf(connections);
  const [newest] = parseAuthorizeKey(options.key ?? process.env.AUTHORIZE_KEY);
  let sealKey: Promise<SealKey> | undefined;
  const assertAllowed = await createStatementPolicy();
  const metrics = withMetrics
    ? await createMetrics({ pools: () => pools.counts(), sessions: () => wire.sessions() })
    : undefined;
  let current = verifierOf(options, metrics);
  const verifier: Verifier = {
    verify: (token, role) => current.verify(token, role),
    loadKeySets: async () => current.loadKeySets?.(),
  };
  const observe = observeAll([
    options.observe,
    metrics?.observe,
    logger && logStatements(logger, newest),
    audit && auditStatements(audit),
    options.tracing === true ? await traceStatements() : undefined,
  ]);
  const limits = {
    statementTimeoutMs: options.statementTimeoutMs ?? 30_000,
    searchPath: options.searchPath ?? 'public, pg_temp',
    pooler: options.pooler,
    maxBodyBytes: options.maxBodyBytes ?? tenMebibytes,
  };
  const waitTimeoutMs = options.waitTimeoutMs ?? 10_000;
  const authSchema = parseAuthSchema(
    options.authSchema ?? (process.env.AUTHORIZE_SCHEMA || undefined),
    'createGateway: authSchema',
  );
  const shared = {
    authSchema,
    ...limits,
    waitTimeoutMs,
    connections,
    database,
    verifier,
    observe,
    rateLimit: rateLimitOf(options),
  };
  const key = (): Promise<SealKey> => (sealKey ??= createSealKey(newest));
  const { maxConnections = 10, maxSessions = 50 } = options;
  const pools = createRolePools({
    ...shared,
    key,
    maxConnections,
    maxConnectionsPerSubject: options.maxConnectionsPerSubject ?? Math.ceil(maxConnections / 2),
    maxWaiting: options.maxWaiting ?? 1_000,
    idleTimeoutMs: options.idleTimeoutMs ?? 60_000,
    maxLifetimeMs: options.maxLifetimeMs ?? 3_600_000,
  });
  // To ask whether the people of open sessions have been revoked, which happens seldom: past the queues of requests.
  const askingPools = createRolePools({
    ...shared,
    key,
    maxConnections: 2,
    maxConnectionsPerSubject: 2,
    maxWaiting: maxSessions,
    idleTimeoutMs: 1_000,
    maxLifetimeMs: 60_000,
  });
  const handle = createSqlHandler({
    arrayTypes: new ArrayTypes(),
    ...shared,
    pools,
    assertAllowed,
    maxResultBytes: options.maxResultBytes ?? tenMebibytes,
  });
  const wire = await createWireService({
    ...shared,
    key,
    maxSessions,
    maxSessionsPerSubject: options.maxSessionsPerSubject ?? Math.ceil(maxSessions / 2),
    maxMessageBytes: limits.maxBodyBytes,
    cancelElsewhere: options.cancelElsewhere,
    assertNotRevoked: async (identity) => {
      await askingPools
        .get(identity.role)
        ?.run(identity, [{ text: `SELECT ${authSchema}.session()` }], { caller: new Caller() });
    },
  });
  return {
    database,
    handle,
    // A frame can hold several messages, or a head more than one.
    upgrade: createUpgradeHandler(wire.accept, limits.maxBodyBytes + 65_536),
    accept: wire.accept,
    cancel: wire.cancel,
    reload: async (tokens) => {
      const next = verifierOf(tokens, metrics, 'reload');
      // So that nobody waits for them. One that cannot be had now is fetched for the first token that needs it.
      await next.loadKeySets?.().catch(() => {});
      current = next;
      await wire.endUnaccepted();
    },
    metrics,
    readiness: createReadiness({ connections, verifier }),
    endSessions: (deadlineMs = 10_000) => wire.close(deadlineMs),
    close: async () => {
      await wire.close(0);
      await askingPools.close();
      await pools.close();
    },
  };
}

function rateLimitOf({
  requestsPerSecondPerSubject: requestsPerSecond,
  burstPerSubject,
}: SqlServiceOptions): RateLimit | undefined {
  if (requestsPerSecond === undefined) return undefined;
  if (!(requestsPerSecond > 0))
    throw new TypeError('createGateway: requestsPerSecondPerSubject must be above 0');
  const burst = burstPerSubject ?? Math.max(1, Math.ceil(requestsPerSecond * 2));
  if (!(burst >= 1)) throw new TypeError('createGateway: burstPerSubject must be at least 1');
  return new RateLimit({ requestsPerSecond, burst });
}

function verifierOf(
  { providers, verifier }: TokenOptions,
  metrics: Metrics | undefined,
  caller = 'createGateway',
): Verifier {
  if (verifier === undefined && providers === undefined)
    throw new TypeError(`${caller}: providers is missing`);
  const chosen = verifier ?? createVerifier({ providers: providers ?? [], fetch: metrics?.fetch });
  return metrics?.watchVerifier(chosen) ?? chosen;
}

function databaseOf(connections: Readonly<Record<string, string>>): string {
  const databases = new Set<string>();
  for (const [role, connection] of Object.entries(connections)) {
    // The URL holds a password: no message quotes it.
    if (!URL.canParse(connection)) throw new TypeError(`createGateway: connections.${role} is not a URL`);
    const url = new URL(connection);
    if (decodeURIComponent(url.username) !== role) {
      throw new TypeError(`createGateway: connections.${role} logs in as another role`);
    }
    databases.add(decodeURIComponent(url.pathname.slice(1)));
  }
  const [database, another] = databases;
  if (database === undefined || database === '')
    throw new TypeError('createGateway: connections names no database');
  if (another !== undefined) throw new TypeError('createGateway: connections name different databases');
  return database;
}
