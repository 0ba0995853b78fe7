export type JsonValue =
  null | boolean | number | string | readonly JsonValue[] | { readonly [key: string]: JsonValue };

/** A parameter as Postgres reads it: arrays as array literals, objects as JSON, the rest as text. */
export function toPostgresText(value: JsonValue): string | null {
  if (value === null) return null;
  if (Array.isArray(value)) return toArrayLiteral(value);
  return typeof value === 'string' ? value : JSON.stringify(value);
}

/** @see https://www.postgresql.org/docs/current/arrays.html#ARRAYS-IO */
function toArrayLiteral(values: readonly JsonValue[]): string {
  const elements = values.map((value) => {
    if (value === null) return 'NULL';
    if (Array.isArray(value)) return toArrayLiteral(value);
    if (typeof value === 'boolean' || typeof value === 'number') return String(value);
    // Quoted, so that "NULL" stays a string; a backslash and a quote are all that has to be escaped.
    const text = typeof value === 'string' ? value : JSON.stringify(value);
    return `"${text.replaceAll('\\', '\\\\').replaceAll('"', '\\"')}"`;
  });
  return `{${elements.join(',')}}`;
}
