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
export async function installKeys(client: pg.Client, keys: readonly SealKey[]): Promise<InstalledKeys> {
  let added = 0;
  for (const key of keys) {
    const { inner, outer } = key.pads();
    const { rowCount } = await client.query(
      'INSERT INTO auth.seal_keys (id, inner_pad, outer_pad) VALUES ($1, $2, $3) ON CONFLICT (id) DO NOTHING',
      [key.id, Buffer.from(inner), Buffer.from(outer)],
    );
    added += rowCount ?? 0;
  }
  const { rowCount } = await client.query('DELETE FROM auth.seal_keys WHERE id <> ALL ($1)', [
    keys.map(({ id }) => id),
  ]);
  return { installed: keys.length, added, removed: rowCount ?? 0 };
}

/** The keys that the database knows, newest first. Their ids tell nothing about them. */
export async function installedKeys(client: pg.Client): Promise<readonly InstalledKey[]> {
  const { rows } = await client.query<InstalledKey>(
    `SELECT id, installed_at AS "installedAt" FROM auth.seal_keys ORDER BY installed_at DESC, id`,
  );
  return rows;
}
