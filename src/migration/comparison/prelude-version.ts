import type pg from 'pg';

import { preludeVersion, versionIn } from '../../database/prelude-version.ts';
import type { Difference } from './differences.ts';

/**
 * Says when another release has written the auth schema than this one: functions differ then, and nobody has tampered.
 *
 * @param client the owner's, on a migrated database
 */
export async function differenceOfPrelude(
  client: pg.ClientBase,
  authSchema: string,
): Promise<readonly Difference[]> {
  const { rows } = await client.query<{ comment: string | null }>(
    `SELECT obj_description('${authSchema}'::regnamespace, 'pg_namespace') AS comment`,
  );
  const version = versionIn(rows[0]?.comment ?? null);
  if (version === preludeVersion) return [];
  const what =
    version === undefined
      ? 'does not say which release of drizzle-authorize wrote it'
      : `is of version ${version} in the database; this release of drizzle-authorize writes version ${preludeVersion}`;
  return [{ place: `schema ${authSchema}`, kind: 'version', what }];
}
