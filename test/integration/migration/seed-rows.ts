import pg from 'pg';

import { withClient } from '../../support/sealed-database.ts';

interface Column {
  readonly name: string;
  readonly type: string;
  readonly kind: string;
  readonly identity: boolean;
  readonly values: readonly string[] | null;
}

/**
 * Puts rows into every table that has none: some belong to alice, some to bob. Each has an `id` of its own in the
 * whole database, so that it can be told apart wherever a migration takes it.
 */
export async function seedRows(ownerUrl: string): Promise<void> {
  await withClient(ownerUrl, async (client) => {
    const { rows: tables } = await client.query<{ table: string; columns: readonly Column[] }>(
      `SELECT format('%I.%I', nspname, relname) AS table, (
         SELECT json_agg(json_build_object('name', attname, 'type', format_type(atttypid, NULL), 'kind', typtype,
           'identity', attidentity <> '', 'values', (SELECT json_agg(enumlabel ORDER BY enumsortorder) FROM pg_enum WHERE enumtypid = t.oid)))
         FROM pg_attribute JOIN pg_type t ON t.oid = atttypid
         WHERE attrelid = c.oid AND attnum > 0 AND NOT attisdropped AND attgenerated = '') AS columns
       FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace
       WHERE relkind = 'r' AND nspname NOT IN ('auth', 'drizzle', 'information_schema') AND nspname !~ '^pg_' ORDER BY 1`,
    );
    for (const { table, columns } of tables) {
      const { rowCount } = await client.query(`SELECT FROM ${table} LIMIT 1`);
      if (rowCount !== 0 || columns === null) continue;
      for (const row of [0, 1, 2, 3]) {
        const id = nextId++;
        const values = columns.map((column) => (column.name === 'id' ? id : valueFor(column, row)));
        await client.query(
          `INSERT INTO ${table} (${columns.map(({ name }) => pg.escapeIdentifier(name)).join(', ')})
           OVERRIDING SYSTEM VALUE VALUES (${values.map((_, index) => `$${index + 1}`).join(', ')})`,
          values,
        );
      }
    }
  });
}

let nextId = 1;

function valueFor({ type, values }: Column, row: number): unknown {
  if (values !== null) return values[row % values.length];
  if (type.endsWith('[]')) return [];
  switch (type) {
    case 'boolean':
      return row % 2 === 0;
    case 'integer':
    case 'bigint':
    case 'smallint':
    case 'numeric':
      return row;
    case 'timestamp without time zone':
    case 'timestamp with time zone':
    case 'date':
      return `2024-0${row + 1}-01`;
    case 'json':
    case 'jsonb':
      return { row };
    default:
      return ['alice', 'bob', 'open', 'alice'][row];
  }
}
