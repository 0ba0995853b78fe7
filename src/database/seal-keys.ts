import type pg from 'pg';

import type { SealKey } from '../session/seal-key.ts';

/** What installing keys has changed; numbers of keys. */
export interface InstalledKeys {
  readonly installed: number;
  readonly added: number;
  readonly removed: number;
}

export interface InstalledKey {
  readonly id: string;
  readonly installedAt: Date;
}

/** Makes these keys the ones that the database knows: missing ones are added, all others are removed. */
export async function installKeys(
  client: pg.Client,
  keys: readonly SealKey[],
  authSchema: string,
): Promise<InstalledKeys> {
  let added = 0;
  for (const key of keys) {
    const { inner, outer } = key.pads();
    const { rowCount } = await client.query(
      `INSERT INTO ${authSchema}.seal_keys (id, inner_pad, outer_pad) VALUES ($1, $2, $3) ON CONFLICT (id) DO NOTHING`,
      [key.id, Buffer.from(inner), Buffer.from(outer)],
    );
    added += rowCount ?? 0;
  }
  const { rowCount } = await client.query(`DELETE FROM ${authSchema}.seal_keys WHERE id <> ALL ($1)`, [
    keys.map(({ id }) => id),
  ]);
  await noteWhetherRevoking(client, authSchema);
  return { installed: keys.length, added, removed: rowCount ?? 0 };
}

/**
 * Forgets revocations that are over, and has the keys say whether there are others: where there are none, seals are not
 * compared with the list. A database of before there was such a list is left alone.
 */
export async function noteWhetherRevoking(client: pg.ClientBase, authSchema: string): Promise<void> {
  const { rows } = await client.query<{ there: boolean }>(
    `SELECT to_regclass('${authSchema}.revocations') IS NOT NULL AS there`,
  );
  if (rows[0]?.there !== true) return;
  // Until we commit nobody else can revoke, and then notes it himself.
  await client.query(`LOCK TABLE ${authSchema}.revocations IN SHARE ROW EXCLUSIVE MODE`);
  await client.query(`DELETE FROM ${authSchema}.revocations WHERE until <= now()`);
  await client.query(
    `UPDATE ${authSchema}.seal_keys SET revoking = NOT revoking WHERE revoking <> EXISTS (SELECT FROM ${authSchema}.revocations)`,
  );
}

/** The keys that the database knows, newest first. Their ids tell nothing about them. */
export async function installedKeys(client: pg.Client, authSchema: string): Promise<readonly InstalledKey[]> {
  const { rows } = await client.query<InstalledKey>(
    `SELECT id, installed_at AS "installedAt" FROM ${authSchema}.seal_keys ORDER BY installed_at DESC, id`,
  );
  return rows;
}
