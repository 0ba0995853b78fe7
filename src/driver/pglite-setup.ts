import { parseAuthSchema } from '../auth-schema.ts';
import { migrationsMissing } from '../database/migrations-missing.ts';
import { toHex } from '../session/bytes.ts';
import { createSealKey, generateAuthorizeKey, parseAuthorizeKey } from '../session/seal-key.ts';
import type { PgliteClient } from './pglite-database.ts';

export interface SetupOptions {
  /**
   * The sealing key, or several separated by commas, newest first. All are installed, all others removed. Default: the
   * environment's `AUTHORIZE_KEY`, or else a new one.
   */
  readonly key?: string;
  /** The auth schema's name. Default: the environment's `AUTHORIZE_SCHEMA`, or else `auth`. */
  readonly authSchema?: string;
}

/**
 * Makes a migrated PGlite ready for identities, as `drizzle-authorize setup` does with a server: installs the sealing keys. Run
 * it each time that the database is opened; nothing else makes seals for it.
 *
 * Emits `INSERT INTO`, `DELETE FROM` and `UPDATE auth.seal_keys`.
 *
 * @returns what `withAuth()` takes as `key`
 * @throws AuthorizeError `ERR_MIGRATIONS_MISSING`, `ERR_KEY_INVALID`, `ERR_AUTH_SCHEMA`
 * @example
 * import { setup, withAuth } from 'drizzle-authorize/pglite';
 * import { drizzle } from 'drizzle-orm/pglite';
 * import { migrate } from 'drizzle-orm/pglite/migrator';
 *
 * const plain = drizzle();
 * await migrate(plain, { migrationsFolder: 'drizzle' });
 * const db = withAuth(plain, { key: await setup(plain.$client) });
 * await db.$withIdentity({ role: 'authenticated', claims: { sub: 'alice' } }).select().from(todos);
 */
export async function setup(client: SetupClient, options: SetupOptions = {}): Promise<string> {
  const value = options.key ?? globalThis.process?.env.AUTHORIZE_KEY ?? generateAuthorizeKey();
  const authSchema = parseAuthSchema(
    options.authSchema ?? (globalThis.process?.env.AUTHORIZE_SCHEMA || undefined),
    'setup: authSchema',
  );
  const keys = await Promise.all(parseAuthorizeKey(value).map(createSealKey));
  const { rows } = await client.query(
    `SELECT current_database() AS database WHERE to_regclass('${authSchema}.seal_keys') IS NULL`,
  );
  const [missing] = rows as readonly { readonly database: string }[];
  if (missing !== undefined) throw migrationsMissing(missing.database, authSchema);
  await client.transaction(async (tx) => {
    for (const key of keys) {
      const { inner, outer } = key.pads();
      await tx.query(
        `INSERT INTO ${authSchema}.seal_keys (id, inner_pad, outer_pad) VALUES ($1, decode($2, 'hex'), decode($3, 'hex'))
        ON CONFLICT (id) DO NOTHING`,
        [key.id, toHex(inner), toHex(outer)],
      );
    }
    const ids = keys.map(({ id }) => id).join();
    await tx.query(`DELETE FROM ${authSchema}.seal_keys WHERE id <> ALL (string_to_array($1, ','))`, [ids]);
    // There is one connection, so that nobody else revokes meanwhile. Without the list the keys have no such column.
    const revocations = await tx.query(`SELECT WHERE to_regclass('${authSchema}.revocations') IS NOT NULL`);
    if (revocations.rows.length > 0) {
      await tx.query(
        `UPDATE ${authSchema}.seal_keys SET revoking = EXISTS (SELECT FROM ${authSchema}.revocations)`,
      );
    }
  });
  return value;
}

/** A PGlite. */
export type SetupClient = Pick<PgliteClient, 'query' | 'transaction'>;
