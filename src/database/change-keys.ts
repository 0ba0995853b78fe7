import type pg from 'pg';

import { defaultAuthSchema } from '../auth-schema.ts';
import { AuthorizeError } from '../errors.ts';
import { createSealKey, parseAuthorizeKey } from '../session/seal-key.ts';
import { withConnection } from './connect.ts';
import { assertMigrated, withOwnerTransaction, type OwnerDatabase } from './owner-transaction.ts';
import { installedKeys, installKeys } from './seal-keys.ts';

/** One key, as AUTHORIZE_KEY and the database know it. */
export interface KeyState {
  /** Tells keys apart, and nothing about them. */
  readonly id: string;
  /** AUTHORIZE_KEY has it. */
  readonly given: boolean;
  /** Its seals are good: the database has it. */
  readonly installed: boolean;
  readonly installedAt: Date | null;
}

/** The keys of AUTHORIZE_KEY, newest first, and then those that the database alone has. */
export async function compareKeys(
  client: pg.Client,
  authorizeKey: string | undefined,
  authSchema: string,
): Promise<readonly KeyState[]> {
  const given = await idsOf(authorizeKey);
  const installed = new Map(
    (await installedKeys(client, authSchema)).map(({ id, installedAt }) => [id, installedAt]),
  );
  return [...new Set([...given, ...installed.keys()])].map((id) => ({
    id,
    given: given.includes(id),
    installed: installed.has(id),
    installedAt: installed.get(id) ?? null,
  }));
}

/**
 * The same for a database that nobody has connected to yet, as its owner.
 *
 * @throws AuthorizeError `ERR_KEY_MISSING`, `ERR_KEY_INVALID`, `ERR_DATABASE_UNREACHABLE`, `ERR_MIGRATIONS_MISSING`
 */
export async function listKeys(
  { ownerUrl, authSchema = defaultAuthSchema }: OwnerDatabase,
  authorizeKey: string | undefined,
): Promise<readonly KeyState[]> {
  parseAuthorizeKey(authorizeKey);
  return withConnection(ownerUrl, 'DATABASE_URL', async (client) => {
    await assertMigrated(client, authSchema);
    return compareKeys(client, authorizeKey, authSchema);
  });
}

export interface KeyChange {
  /** AUTHORIZE_KEY as it is. */
  readonly from: string;
  /** AUTHORIZE_KEY as it shall be. */
  readonly to: string;
}

export interface ChangeKeysOptions {
  /** Says what to change. Nobody else changes keys or logins from then on until the end. */
  readonly decide: () => Promise<KeyChange>;
  /** The last chance to fail, and to change nothing. */
  readonly beforeCommit: (change: KeyChange) => Promise<void>;
}

/**
 * Replaces the keys that the database knows, in one transaction. Refuses where the database has a key that `from` does
 * not name: whoever uses that one would be cut off.
 *
 * @returns the ids of the keys before and after, newest first
 * @throws AuthorizeError `ERR_KEY_NOT_INSTALLED`, `ERR_KEY_MISSING`, `ERR_KEY_INVALID`, `ERR_DATABASE_UNREACHABLE`,
 *   `ERR_MIGRATIONS_MISSING`
 */
export async function changeKeys(
  owned: OwnerDatabase,
  { decide, beforeCommit }: ChangeKeysOptions,
): Promise<{ readonly before: readonly string[]; readonly after: readonly string[] }> {
  const { authSchema = defaultAuthSchema } = owned;
  return withOwnerTransaction(owned, async (client, database) => {
    const change = await decide();
    const known = await compareKeys(client, change.from, authSchema);
    const foreign = known.filter(({ given }) => !given).length;
    if (foreign > 0) {
      throw new AuthorizeError(
        'ERR_KEY_NOT_INSTALLED',
        `the database '${database}' has ${foreign === 1 ? 'a key' : `${foreign} keys`} that AUTHORIZE_KEY does not name`,
        {
          hint: 'drizzle-authorize keys list says which; if nobody uses it, drizzle-authorize setup removes it',
        },
      );
    }
    const keys = await Promise.all(parseAuthorizeKey(change.to).map(createSealKey));
    await installKeys(client, keys, authSchema);
    await beforeCommit(change);
    return { before: known.map(({ id }) => id), after: keys.map(({ id }) => id) };
  });
}

async function idsOf(authorizeKey: string | undefined): Promise<readonly string[]> {
  const keys = await Promise.all(parseAuthorizeKey(authorizeKey).map(createSealKey));
  return keys.map(({ id }) => id);
}
