import pg from 'pg';

import { quoteIdentifier } from '../../database/quote-identifier.ts';
import type { TableAccess } from '../access-model.ts';
import { escapeRegExp } from '../escape-reg-exp.ts';
import { createPolicy, type PolicyDefinition } from '../policy-definition.ts';
import { qualifiedName } from '../table-name.ts';

/** How PostgreSQL would write out a declared policy. */
export type NormalisedPolicy =
  | { readonly using: string | null; readonly withCheck: string | null }
  /** Why PostgreSQL does not take it. */
  | { readonly refused: string };

/**
 * Has PostgreSQL read the declared policies of a table and write them out as it does with those in the catalog, so
 * that the two can be compared as text: by putting them on an empty temporary table of the same name and columns, which
 * is gone again before this returns. The table itself is looked at and neither changed nor locked for others.
 *
 * @param client in a transaction of the owner's
 */
export async function normalisePolicies(
  client: pg.ClientBase,
  table: TableAccess,
): Promise<ReadonlyMap<string, NormalisedPolicy>> {
  const found = new Map<string, NormalisedPolicy>();
  await client.query('SAVEPOINT stand_in');
  await client.query(`CREATE TEMPORARY TABLE ${quoteIdentifier(table.name)} (LIKE ${qualifiedName(table)})`);
  for (const policy of table.policies) found.set(policy.name, await normalise(client, table, policy));
  await client.query('ROLLBACK TO SAVEPOINT stand_in');
  return found;
}

async function normalise(
  client: pg.ClientBase,
  table: TableAccess,
  policy: PolicyDefinition,
): Promise<NormalisedPolicy> {
  await client.query('SAVEPOINT policy');
  try {
    await client.query(
      createPolicy(
        { schema: 'pg_temp', name: table.name },
        {
          ...policy,
          to: ['public'], // who it is for is compared by name, also where there is no such role
          using: withoutSchema(policy.using, table),
          withCheck: withoutSchema(policy.withCheck, table),
        },
      ),
    );
    const { rows } = await client.query<{ using: string | null; withCheck: string | null }>(
      `SELECT pg_get_expr(polqual, polrelid) AS using, pg_get_expr(polwithcheck, polrelid) AS "withCheck"
      FROM pg_catalog.pg_policy WHERE polrelid = $1::regclass`,
      [`pg_temp.${quoteIdentifier(table.name)}`],
    );
    return rows[0] ?? { refused: 'it was not created' };
  } catch (error) {
    if (!(error instanceof pg.DatabaseError)) throw error;
    return { refused: error.message };
  } finally {
    await client.query('ROLLBACK TO SAVEPOINT policy');
  }
}

// A column can be named with the schema of its table, and the table that stands in is in another one.
function withoutSchema(expression: string | undefined, { schema, name }: TableAccess): string | undefined {
  const literal = `'(?:[^']|'')*'`;
  const column = new RegExp(`${literal}|${either(schema)}\\.(${either(name)})\\.(?=["a-z_*])`, 'gi');
  return expression?.replaceAll(column, (found: string, table: string | undefined) =>
    table === undefined ? found : `${table}.`,
  );
}

/** A name, in quotes or where it can be without. */
function either(name: string): string {
  const quoted = escapeRegExp(quoteIdentifier(name));
  return /^[a-z_][a-z0-9_]*$/.test(name) ? `(?:${quoted}|\\b${name})` : quoted;
}
