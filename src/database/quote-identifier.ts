/** Quotes a name for SQL. @see https://www.postgresql.org/docs/current/sql-syntax-lexical.html */
export function quoteIdentifier(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}
