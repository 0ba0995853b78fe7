import { Column } from 'drizzle-orm/column';
import { entityKind, is } from 'drizzle-orm/entity';
import {
  isSQLWrapper,
  Param,
  Placeholder,
  SQL,
  sql,
  type SQLChunk,
  type SQLWrapper,
} from 'drizzle-orm/sql/sql';
import { getTableColumns } from 'drizzle-orm/utils';

/**
 * The expression with every value written out, since a policy has no parameters. Values of a column are written as
 * its type says. The caller's own object is left as it was.
 *
 * @throws TypeError for a value that cannot be written; the message continues "the policy …"
 */
export function withLiterals(expression: SQL): SQL {
  return new SQL(expression.queryChunks.map(writeOut));
}

function writeOut(chunk: SQLChunk): SQLChunk {
  if (Array.isArray(chunk)) return chunk.map(writeOut);
  if (is(chunk, SQL)) return withLiterals(chunk);
  if (is(chunk, Param)) return writeParam(chunk);
  if (isQuery(chunk)) {
    const query = withLiterals(chunk.getSQL());
    return chunk.shouldOmitSQLParens?.() ? query : sql`(${query})`;
  }
  return isValue(chunk) ? literal(chunk) : chunk;
}

// By drizzle's names of its kinds: both of its lines have them, and the schema entry need not load their classes.
const kindsWithoutValues: ReadonlySet<unknown> = new Set(
  'StringChunk Name Placeholder Column Table View Subquery SQL.Aliased'.split(' '),
);

// A query of drizzle's query builder, and no name of something.
function isQuery(chunk: SQLChunk): chunk is SQLWrapper {
  return isSQLWrapper(chunk) && !hasNoValues(chunk.constructor);
}

function hasNoValues(kind: object | null): boolean {
  if (kind === null) return false;
  return (
    kindsWithoutValues.has(Reflect.get(kind, entityKind)) ||
    hasNoValues(Object.getPrototypeOf(kind) as object | null)
  );
}

function isValue(chunk: SQLChunk): boolean {
  if (chunk === undefined || typeof chunk === 'function') return false;
  return typeof chunk !== 'object' || chunk === null || !(entityKind in chunk.constructor);
}

function writeParam(param: Param): SQLChunk {
  const { value, encoder } = param;
  if (is(value, Placeholder)) return param;
  const written: unknown =
    value === null ? null : (declaredColumn(encoder) ?? encoder).mapToDriverValue(value);
  return is(written, SQL) ? withLiterals(written) : literal(written);
}

// The columns that the third argument of pgTable is called with have a name and no type: they would write a date as
// JavaScript does, and a list as its elements with commas.
function declaredColumn(encoder: Param['encoder']): Column | undefined {
  if (!is(encoder, Column)) return undefined;
  return Object.values(getTableColumns(encoder.table)).find((column) => column.name === encoder.name);
}

function literal(value: unknown): SQL {
  return sql.raw(literalText(value));
}

function literalText(value: unknown): string {
  if (value === null || typeof value === 'boolean') return String(value);
  if (typeof value === 'string') return quoteLiteral(value);
  if (typeof value === 'number' && !Number.isFinite(value)) return quoteLiteral(String(value));
  // In parentheses, so that a minus before it does not begin a comment.
  if (typeof value === 'number' || typeof value === 'bigint') return value < 0 ? `(${value})` : String(value);
  if (Array.isArray(value)) throw new TypeError('holds a list as one value; use inArray() or sql.join()');
  if (value instanceof Date) return quoteLiteral(value.toISOString());
  if (value instanceof Uint8Array) return quoteLiteral(`\\x${hex(value)}`);
  if (typeof value === 'object') {
    if (Object.getPrototypeOf(value) === Object.prototype) return quoteLiteral(JSON.stringify(value));
    // A number of any precision, an address: what knows how it is written.
    const write: unknown = Reflect.get(value, 'toString');
    if (typeof write === 'function' && write !== Object.prototype.toString) {
      return quoteLiteral(String(Reflect.apply(write, value, [])));
    }
  }
  throw new TypeError('holds a value of a kind that cannot be written out');
}

/**
 * A string as SQL. The form for backslashes is set apart, so that it can stand behind a word.
 *
 * @see https://www.postgresql.org/docs/current/sql-syntax-lexical.html
 */
export function quoteLiteral(text: string): string {
  const quoted = `'${text.replaceAll("'", "''").replaceAll('\\', '\\\\')}'`;
  return text.includes('\\') ? ` E${quoted}` : quoted;
}

function hex(bytes: Uint8Array): string {
  return [...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join('');
}
