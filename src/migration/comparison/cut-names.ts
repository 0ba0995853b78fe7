import type { AccessModel, TableAccess } from '../access-model.ts';
import type { TablePrivileges } from '../grants.ts';

/** PostgreSQL's NAMEDATALEN, but for the byte that ends a name. */
const longest = 63;

/**
 * The model with the names of schemas, tables and columns as PostgreSQL has them: it cuts longer ones, at a character,
 * and drizzle-kit does not.
 *
 * @see https://www.postgresql.org/docs/current/sql-syntax-lexical.html#SQL-SYNTAX-IDENTIFIERS
 */
export function withCutNames(model: AccessModel): AccessModel {
  return {
    ...model,
    tables: model.tables.map(cutTable),
    derived: model.derived.map((one) => ({ ...one, schema: cut(one.schema), name: cut(one.name) })),
  };
}

function cutTable(table: TableAccess): TableAccess {
  return {
    ...table,
    schema: cut(table.schema),
    name: cut(table.name),
    columns: table.columns.map(cut),
    serialColumns: table.serialColumns.map(cut),
    grants: Object.fromEntries(
      Object.entries(table.grants).map(([role, held]) => [role, cutPrivileges(held)] as const),
    ),
  };
}

function cutPrivileges(held: TablePrivileges): TablePrivileges {
  return Object.fromEntries(
    Object.entries(held).map(([privilege, columns]) => [
      privilege,
      columns === true ? true : columns.map(cut),
    ]),
  );
}

function cut(name: string): string {
  const bytes = new TextEncoder().encode(name);
  if (bytes.length <= longest) return name;
  let end = longest;
  // Within a character stand its later bytes, which begin with 10.
  while (((bytes[end] ?? 0) & 0b1100_0000) === 0b1000_0000) end -= 1;
  return new TextDecoder().decode(bytes.subarray(0, end));
}
