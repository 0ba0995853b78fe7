import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

import { DrizzleQueryError } from 'drizzle-orm';
import { drizzle } from 'drizzle-orm/node-postgres';
import { migrate } from 'drizzle-orm/node-postgres/migrator';

import { withConnection } from '../database/connect.ts';
import { quoteIdentifier } from '../database/quote-identifier.ts';
import { AuthorizeError } from '../errors.ts';
import { lineOfFolder } from '../migration/kit-line.ts';
import { assertApplicable, readMigrationsFolder } from '../migration/migrations-folder.ts';

/**
 * @throws AuthorizeError `ERR_MIGRATIONS_MISSING` when drizzle-kit has generated nothing there, and what
 *   `drizzle-kit migrate` would refuse: `ERR_MIGRATION_INCOMPLETE`, `ERR_KIT_UNSUPPORTED`
 */
export function assertMigrationsFolder(folder: string): void {
  const line = lineOfFolder(folder);
  if (line) return assertApplicable(readMigrationsFolder(folder, line), line);
  throw new AuthorizeError('ERR_MIGRATIONS_MISSING', `there are no migrations in ${folder}`, {
    hint: 'run npx drizzle-kit generate, or pass --migrations DIR',
  });
}

/** Makes a database of an embedded cluster, unless it is there. @returns its owner's URL */
export async function ensureDatabase(clusterUrl: string, name: string): Promise<string> {
  await withConnection(clusterUrl, 'the embedded PostgreSQL', async (client) => {
    const { rowCount } = await client.query('SELECT FROM pg_catalog.pg_database WHERE datname = $1', [name]);
    if (rowCount === 0) await client.query(`CREATE DATABASE ${quoteIdentifier(name)}`);
  });
  const url = new URL(clusterUrl);
  url.pathname = `/${name}`;
  return url.href;
}

/**
 * Applies to an embedded cluster's database what it lacks of the folder.
 *
 * @throws AuthorizeError `ERR_MIGRATION_FAILED` for a statement that PostgreSQL refuses; none of what was lacking is applied
 */
export async function applyMigrations(ownerUrl: string, folder: string): Promise<void> {
  await withConnection(ownerUrl, 'the embedded PostgreSQL', async (client) => {
    // The migrator creates what it keeps its books in IF NOT EXISTS, and Postgres says so each time.
    await client.query(`SET client_min_messages = warning`);
    try {
      await migrate(drizzle({ client }), { migrationsFolder: folder });
    } catch (error) {
      throw error instanceof DrizzleQueryError ? migrationFailed(error, folder) : error;
    }
  });
}

function migrationFailed({ query, cause }: DrizzleQueryError, folder: string): AuthorizeError {
  const file = readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.sql'))
    .find((name) => readFileSync(join(folder, name), 'utf8').includes(query));
  return new AuthorizeError(
    'ERR_MIGRATION_FAILED',
    `${file === undefined ? 'a migration' : join(folder, file)} cannot be applied: ${cause?.message ?? 'unknown error'}`,
    { cause, hint: `It fails at: ${query.trim().split('\n', 1)[0] ?? ''}` },
  );
}
