import type pg from 'pg';

import { defaultAuthSchema } from '../auth-schema.ts';
import { withConnection } from './connect.ts';
import { migrationsMissing } from './migrations-missing.ts';
import { assertVersionWithinReach, versionIn } from './prelude-version.ts';
import { assertServerSupported } from './server-version.ts';
import { schemaTaken } from './taken.ts';

/** A database, as its owner sees it. */
export interface OwnerDatabase {
  /** Logs in as the role that ran the migrations. */
  readonly ownerUrl: string;
  /** Where its auth schema is. Default: `auth`. */
  readonly authSchema?: string;
}

/**
 * Runs `work` in one transaction of a migrated database, as its owner, and alone: two runs at once would each change
 * keys or passwords that the other does not know.
 *
 * @param work gets the database's name as well
 * @throws AuthorizeError `ERR_DATABASE_UNREACHABLE`, `ERR_MIGRATIONS_MISSING`, `ERR_SCHEMA_TAKEN`,
 *   `ERR_SERVER_UNSUPPORTED`
 */
export async function withOwnerTransaction<T>(
  { ownerUrl, authSchema = defaultAuthSchema }: OwnerDatabase,
  work: (client: pg.Client, database: string) => Promise<T>,
): Promise<T> {
  return withConnection(ownerUrl, 'DATABASE_URL', async (client) => {
    await client.query('BEGIN');
    try {
      await client.query(`SELECT pg_advisory_xact_lock(hashtext('drizzle-authorize setup'))`);
      const result = await work(client, await assertMigrated(client, authSchema));
      await client.query('COMMIT');
      return result;
    } catch (error) {
      await client.query('ROLLBACK');
      throw error;
    }
  });
}

/** The database's name, when the auth schema is there. */
export async function assertMigrated(client: pg.Client, authSchema: string): Promise<string> {
  const { rows } = await client.query<{
    database: string;
    version: number;
    installed: boolean;
    there: boolean;
    prelude: string | null;
  }>(
    `SELECT current_database() AS database, current_setting('server_version_num')::int AS version,
      to_regclass('${authSchema}.seal_keys') IS NOT NULL AS installed,
      to_regnamespace('${authSchema}') IS NOT NULL AS there,
      obj_description(to_regnamespace('${authSchema}'), 'pg_namespace') AS prelude`,
  );
  const [row] = rows;
  if (row === undefined) throw new Error('no row from the database');
  assertServerSupported(row.version);
  if (!row.installed) {
    if (row.there && versionIn(row.prelude) === undefined) throw schemaTaken(authSchema);
    throw migrationsMissing(row.database, authSchema);
  }
  assertVersionWithinReach(row.database, row.prelude);
  return row.database;
}
