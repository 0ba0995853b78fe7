/** Quotes a string for SQL, where no parameter can stand. @see https://www.postgresql.org/docs/current/sql-syntax-lexical.html */
export function quoteLiteral(text: string): string {
  const quoted = `'${text.replaceAll("'", "''").replaceAll('\\', '\\\\')}'`;
  return text.includes('\\') ? `E${quoted}` : quoted;
}
