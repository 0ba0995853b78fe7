import pg from 'pg';

import { SealedPool } from '../database/sealed-pool.ts';
import { loadStatementJudge } from '../database/statement-judge.ts';
import type { SealKey } from '../session/seal-key.ts';
import { withPinnedSettings } from './pinned-settings.ts';

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

/** Makes the pools; nothing connects yet. */
export function createRolePools(options: RolePoolsOptions): RolePools {
  const pools = new Map<string, { readonly pool: pg.Pool; readonly sealed: SealedPool }>();
  for (const [role, connectionString] of Object.entries(options.connections)) {
    const pool = new pg.Pool({
      connectionString: withPinnedSettings(connectionString, options),
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
