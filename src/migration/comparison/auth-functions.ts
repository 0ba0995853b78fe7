import pg from 'pg';

import { preludeStatements } from '../../database/prelude.ts';

const definitions = `
  SELECT pg_proc.oid::regprocedure::text AS name, pg_get_functiondef(pg_proc.oid) AS definition
  FROM pg_catalog.pg_proc JOIN pg_catalog.pg_namespace ON pg_namespace.oid = pronamespace
  WHERE nspname = 'auth' AND prokind = 'f' ORDER BY 1`;

/**
 * The functions of the schema `auth` that are not as this release writes them, each with what it is instead. It writes
 * them anew, to compare what PostgreSQL makes of them, and takes that back: other sessions do not see it.
 *
 * @param client in a transaction of the owner's
 */
export async function changedAuthFunctions(client: pg.ClientBase): Promise<ReadonlyMap<string, string>> {
  const read = async (): Promise<ReadonlyMap<string, string>> => {
    const { rows } = await client.query<{ name: string; definition: string }>(definitions);
    return new Map(rows.map(({ name, definition }) => [name, definition]));
  };
  const enforced = await read();
  const changed = new Map<string, string>();
  await client.query('SAVEPOINT functions');
  for (const statement of preludeStatements(['authenticated'])) {
    const [, name] = /^CREATE FUNCTION (auth\.\w+)/.exec(statement) ?? [];
    if (name === undefined) continue;
    await client.query('SAVEPOINT one');
    try {
      await client.query(statement.replace(/^CREATE/, 'CREATE OR REPLACE'));
    } catch (error) {
      if (!(error instanceof pg.DatabaseError)) throw error;
      await client.query('ROLLBACK TO SAVEPOINT one');
      changed.set(name, `is somebody else's: ${error.message}`);
    }
  }
  const written = await read();
  await client.query('ROLLBACK TO SAVEPOINT functions');

  for (const [name, definition] of written) {
    if (!enforced.has(name)) changed.set(name, 'is missing');
    else if (enforced.get(name) !== definition) changed.set(name, 'is not as this release writes it');
  }
  return changed;
}
