import type pg from 'pg';

import { withConnection } from '../../database/connect.ts';
import { assertMigrated } from '../../database/owner-transaction.ts';
import type { AccessModel } from '../access-model.ts';
import { qualifiedName } from '../table-name.ts';
import { changedFunctions } from './changed-functions.ts';
import { withCutNames } from './cut-names.ts';
import { readDatabaseAccess } from './database-access.ts';
import { differences, type Difference } from './differences.ts';
import { differenceOfPrelude } from './prelude-version.ts';
import { normalisePolicies, type NormalisedPolicy } from './normalised-policies.ts';

/**
 * Compares what a database enforces with what a schema declares. Works in a transaction that is rolled back, and takes no
 * lock that a query would wait for.
 *
 * @param ownerUrl connects as the role that ran the migrations, which needs the right to make temporary tables
 * @throws AuthorizeError `ERR_DATABASE_UNREACHABLE`, `ERR_MIGRATIONS_MISSING`, `ERR_SERVER_UNSUPPORTED`
 */
export async function compareWithDatabase(
  declared: AccessModel,
  ownerUrl: string,
): Promise<readonly Difference[]> {
  return withConnection(ownerUrl, 'DATABASE_URL', async (client) => {
    await client.query('BEGIN');
    try {
      await assertMigrated(client, declared.authSchema);
      return await compareOn(client, declared);
    } finally {
      await client.query('ROLLBACK');
    }
  });
}

/** The same on a client in a transaction of the owner's, whose auth schema is there. */
export async function compareOn(
  client: pg.ClientBase,
  declared: AccessModel,
): Promise<readonly Difference[]> {
  const model = withCutNames(declared);
  const database = await readDatabaseAccess(client, model.authSchema);
  const there = new Set(database.relations.filter(({ isTable }) => isTable).map(qualifiedName));
  const normalised = new Map<string, ReadonlyMap<string, NormalisedPolicy>>();
  for (const table of model.tables) {
    const key = qualifiedName(table);
    if (there.has(key)) normalised.set(key, await normalisePolicies(client, table));
  }
  const functions = await changedFunctions(client, model);
  const version = await differenceOfPrelude(client, model.authSchema);
  return [...version, ...differences({ model, database, normalised, functions })];
}
