import { randomBytes } from 'node:crypto';

import pg from 'pg';
import { inject } from 'vitest';

export interface CreateDatabaseOptions {
  /**
   * Who owns the database and its schema `public`: the superuser, or a role of its own with LOGIN and CREATEROLE alone,
   * as a host gives to its customers. Default: `superuser`.
   */
  readonly owner?: 'superuser' | 'ordinary';
}

export interface TestDatabase {
  /** Connects as the owner. */
  readonly url: string;
  readonly name: string;
  /** Ends every session of the database and removes it, and its owner if that was made for it. */
  drop(): Promise<void>;
}

/**
 * The URL, as superuser, of a cluster that no other running test file uses. The next file that this worker runs gets the
 * same cluster, with the roles that are left in it.
 */
export function clusterUrl(): Promise<string> {
  const slot = Number(process.env['VITEST_POOL_ID']);
  const url = inject('clusterUrls')?.[slot - 1];
  if (url === undefined) throw new Error('no cluster for this worker; tests below test/unit do not get one');
  return Promise.resolve(url);
}

/** Makes an empty database in this worker's cluster. Its name begins with `name` and is unique. */
export async function createDatabase(
  name = 'test',
  { owner = 'superuser' }: CreateDatabaseOptions = {},
): Promise<TestDatabase> {
  const superuser = new URL(await clusterUrl());
  const suffix = randomBytes(4).toString('hex');
  const database = `${name}_${suffix}`;
  const role = owner === 'ordinary' ? `owner_${suffix}` : undefined;
  const url = new URL(superuser);
  url.pathname = `/${database}`;

  const quoted = pg.escapeIdentifier(database);
  await query(superuser, `CREATE DATABASE ${quoted}`);
  if (role !== undefined) {
    const password = randomBytes(12).toString('hex');
    await query(superuser, `CREATE ROLE ${role} LOGIN CREATEROLE PASSWORD '${password}'`);
    await query(superuser, `ALTER DATABASE ${quoted} OWNER TO ${role}`);
    await query(url, `ALTER SCHEMA public OWNER TO ${role}`);
    url.username = role;
    url.password = password;
  }
  return {
    url: url.href,
    name: database,
    drop: async () => {
      await sessionsEnd(superuser, database);
      await query(superuser, `DROP DATABASE IF EXISTS ${quoted} WITH (FORCE)`);
      if (role !== undefined) await query(superuser, `DROP OWNED BY ${role}`, `DROP ROLE ${role}`);
    },
  };
}

// A pool says that it has ended before Postgres has heard of it; a session that is cut off then is an error in its pool
// that nobody listens to any more. What a test has left open on purpose is cut off after a second.
async function sessionsEnd(url: URL, database: string): Promise<void> {
  const client = new pg.Client({ connectionString: url.href });
  await client.connect();
  try {
    for (let attempt = 0; attempt < 50; attempt += 1) {
      const { rowCount } = await client.query('SELECT FROM pg_stat_activity WHERE datname = $1', [database]);
      if (rowCount === 0) return;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  } finally {
    await client.end();
  }
}

async function query(url: URL, ...statements: readonly string[]): Promise<void> {
  const client = new pg.Client({ connectionString: url.href });
  await client.connect();
  try {
    for (const statement of statements) await client.query(statement);
  } finally {
    await client.end();
  }
}
