import pg from 'pg';

import { SealedPool } from '../database/sealed-pool.ts';
import { loadStatementJudge } from '../database/statement-judge.ts';
import type { SealKey } from '../session/seal-key.ts';

export interface RolePoolsOptions {
  /** A connection URL for each identity role that is served, logged in as that role. */
  readonly connections: Readonly<Record<string, string>>;
  readonly key: () => Promise<SealKey>;
  readonly maxConnections: number;
  readonly statementTimeoutMs: number;
  readonly searchPath: string;
}

/** One pool a role. */
export interface RolePools {
  readonly roles: readonly string[];
  get(role: string): SealedPool | undefined;
  close(): Promise<void>;
}

/**
 * Makes the pools; nothing connects yet. What a role could set for its own future sessions (`ALTER ROLE … SET`) is fixed
 * in the startup packet, which outranks it and which RESET ALL goes back to.
 *
 * @see https://www.postgresql.org/docs/current/config-setting.html#CONFIG-SETTING-SHELL
 */
export function createRolePools(options: RolePoolsOptions): RolePools {
  const settings: Readonly<Record<string, string>> = {
    search_path: options.searchPath,
    statement_timeout: String(options.statementTimeoutMs),
    lock_timeout: '0',
    idle_in_transaction_session_timeout: '60000',
    row_security: 'on',
    default_transaction_read_only: 'off',
    default_transaction_isolation: 'read committed',
    standard_conforming_strings: 'on',
    datestyle: 'ISO, MDY',
    intervalstyle: 'postgres',
    bytea_output: 'hex',
    extra_float_digits: '1',
  };
  const startup = Object.entries(settings)
    .map(([name, value]) => `-c ${name}=${value.replaceAll('\\', '\\\\').replaceAll(' ', '\\ ')}`)
    .join(' ');

  const pools = new Map<string, { readonly pool: pg.Pool; readonly sealed: SealedPool }>();
  for (const [role, connectionString] of Object.entries(options.connections)) {
    const pool = new pg.Pool({
      connectionString: withStartup(connectionString, startup),
      max: options.maxConnections,
      connectionTimeoutMillis: 10_000,
      application_name: 'drizzle-authorize gateway',
      keepAlive: true,
    });
    // An idle connection that Postgres closed: the pool replaces it when one is needed.
    pool.on('error', () => {});
    pools.set(role, {
      pool,
      sealed: new SealedPool({ pool, role, key: options.key, loadJudge: loadStatementJudge }),
    });
  }
  return {
    roles: [...pools.keys()],
    get: (role) => pools.get(role)?.sealed,
    close: async () => {
      await Promise.all([...pools.values()].map(({ pool }) => pool.end()));
    },
  };
}

// In the URL, behind what it has itself: its options would take the place of those that stand beside it.
function withStartup(connectionString: string, startup: string): string {
  const url = new URL(connectionString);
  const own = url.searchParams.get('options');
  url.searchParams.set('options', own === null ? startup : `${own} ${startup}`);
  return url.href;
}
