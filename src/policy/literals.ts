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
  const written = value === null ? null : toDriver(declaredColumn(encoder) ?? encoder, value);
  return is(written, SQL) ? withLiterals(written) : literal(written);
}

// What a driver would be given. On drizzle-orm 1.0 columns leave JSON and lists to the driver, which a policy has not.
function toDriver(encoder: Param['encoder'], value: unknown): unknown {
  const given: unknown = encoder.mapToDriverValue(value);
  const write = /^jsonb?$/.test(String(Reflect.get(encoder, 'codec'))) ? JSON.stringify : undefined;
  const depth = Number(Reflect.get(encoder, 'dimensions'));
  return depth > 0 && Array.isArray(given)
    ? listText(given, depth, write ?? textOf)
    : (write?.(given) ?? given);
}

/** @see https://www.postgresql.org/docs/current/arrays.html#ARRAYS-IO */
function listText(value: unknown, depth: number, write: (element: unknown) => string): string {
  if (value === null) return 'NULL';
  return depth > 0 && Array.isArray(value)
    ? `{${value.map((part) => listText(part, depth - 1, write)).join()}}`
    : `"${write(value).replaceAll(/["\\]/g, '\\$&')}"`;
}

// The columns that the third argument of pgTable is called with have a name and no type: they would write a date as
// JavaScript does, and a list as its elements with commas.
function declaredColumn(encoder: Param['encoder']): Column | undefined {
  if (!is(encoder, Column)) return undefined;
  return Object.values(getTableColumns(encoder.table)).find((column) => column.name === encoder.name);
}

function literal(value: unknown): SQL {
  if (value === null) return sql.raw('null');
  const text = textOf(value);
  if (!/^(bigint|boolean)$/.test(typeof value) && !Number.isFinite(value)) return sql.raw(quoteLiteral(text));
  // In parentheses, so that a minus before it does not begin a comment.
  return sql.raw(text.startsWith('-') ? `(${text})` : text);
}

// As Postgres reads it between quotes.
function textOf(value: unknown): string {
  if (/^(string|number|bigint|boolean)$/.test(typeof value)) return String(value);
  if (Array.isArray(value)) throw new TypeError('holds a list as one value; use inArray() or sql.join()');
  if (value instanceof Date) return value.toISOString();
  if (value instanceof Uint8Array) {
    return `\\x${[...value].map((byte) => byte.toString(16).padStart(2, '0')).join('')}`;
  }
  if (typeof value === 'object' && value !== null) {
    const plain = Object.prototype;
    if (Object.getPrototypeOf(value) === plain) return JSON.stringify(value);
    // A number of any precision, an address: what knows how it is written.
    const write: unknown = Reflect.get(value, 'toString');
    if (typeof write === 'function' && write !== plain.toString) {
      return String(Reflect.apply(write, value, []));
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
