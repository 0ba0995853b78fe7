import { PGlite } from '@electric-sql/pglite';

import { preludeStatements } from '../../src/database/prelude.ts';

let empty: Promise<File | Blob> | undefined;

/**
 * A PGlite with the auth schema and whatever the statements make. The first takes some seconds, in which PGlite makes a
 * cluster; the others start from a copy.
 */
export async function createPglite(statements: readonly string[]): Promise<PGlite> {
  empty ??= dumpOfEmpty();
  const client = await PGlite.create({ loadDataDir: await empty });
  for (const statement of [...preludeStatements(['authenticated', 'anonymous']), ...statements]) {
    await client.query(statement);
  }
  return client;
}

async function dumpOfEmpty(): Promise<File | Blob> {
  const client = await PGlite.create();
  const dump = await client.dumpDataDir('none');
  await client.close();
  return dump;
}
