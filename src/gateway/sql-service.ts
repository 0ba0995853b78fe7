import { createVerifier, type Provider, type Verifier } from '../jwt/index.ts';
import type { Observe } from '../observe.ts';
import { createSealKey, parseAuthorizeKey, type SealKey } from '../session/seal-key.ts';
import { createSqlHandler, type SqlHandler } from './http/sql-handler.ts';
import { createRolePools } from './role-pools.ts';
import { createStatementPolicy } from './statement-policy.ts';

export interface SqlServiceOptions {
  /**
   * A connection URL for each identity role that is served, logged in as that role: what `drizzle-authorize setup`
   * wrote. `{ authenticated: url, anonymous: url }`; without `anonymous`, visitors without a token are refused.
   */
  readonly connections: Readonly<Record<string, string>>;
  /** Whose tokens are accepted. */
  readonly providers?: readonly Provider[];
  /** A verifier made elsewhere, in place of `providers`. */
  readonly verifier?: Verifier;
  /** The sealing key, or several separated by commas, newest first. Default: the environment's `AUTHORIZE_KEY`. */
  readonly key?: string;
  /** Connections to Postgres, for each role. Default: 10. */
  readonly maxConnections?: number;
  /** A statement that runs longer is cancelled. Default: 30,000 ms. */
  readonly statementTimeoutMs?: number;
  /** Where tables without a schema are looked for. Default: `public, pg_temp`, so that a temporary table hides none. */
  readonly searchPath?: string;
  /** Default: 10,485,760 bytes, as Neon has it. */
  readonly maxBodyBytes?: number;
  /** Default: 10,485,760 bytes, as Neon has it. */
  readonly maxResultBytes?: number;
  /** Told of every statement, once it has ended: who, as which role, which kind, how many rows or which code. */
  readonly observe?: Observe;
}

/** What answers `/sql`, without a server around it. */
export interface SqlService {
  readonly database: string;
  readonly handle: SqlHandler;
  close(): Promise<void>;
}

const tenMebibytes = 10_485_760;

/** @throws TypeError, AuthorizeError as `createGateway` */
export async function createSqlService(options: SqlServiceOptions): Promise<SqlService> {
  const { connections, providers, observe, verifier = providers && createVerifier({ providers }) } = options;
  if (verifier === undefined) throw new TypeError('createGateway: providers is missing');
  const database = databaseOf(connections);
  const [newest] = parseAuthorizeKey(options.key ?? process.env.AUTHORIZE_KEY);
  let sealKey: Promise<SealKey> | undefined;
  const assertAllowed = await createStatementPolicy();
  const pools = createRolePools({
    connections,
    key: () => (sealKey ??= createSealKey(newest)),
    maxConnections: options.maxConnections ?? 10,
    statementTimeoutMs: options.statementTimeoutMs ?? 30_000,
    searchPath: options.searchPath ?? 'public, pg_temp',
  });
  const handle = createSqlHandler({
    pools,
    database,
    verifier,
    assertAllowed,
    observe,
    maxBodyBytes: options.maxBodyBytes ?? tenMebibytes,
    maxResultBytes: options.maxResultBytes ?? tenMebibytes,
  });
  return { database, handle, close: () => pools.close() };
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
