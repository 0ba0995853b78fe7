import { quoteIdentifier } from '../database/quote-identifier.ts';

export interface TableName {
  /** `public` where the schema file names none. */
  readonly schema: string;
  readonly name: string;
}

/** `"schema"."name"`: how SQL names the table whatever the search path, and the key by which tables are compared. */
export function qualifiedName(table: TableName): string {
  return `${quoteIdentifier(table.schema)}.${quoteIdentifier(table.name)}`;
}

/** The order of everything that is written: by code unit, so that it is the same on every machine. */
export function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
