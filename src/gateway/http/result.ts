import pg from 'pg';

import type { Field } from '../../database/pg-client.ts';

/** Rows as node-postgres gives them in array mode with every value left as Postgres' text. */
export interface TextResult {
  readonly command: string | null;
  readonly rowCount: number | null;
  readonly fields: readonly Field[];
  readonly rows: readonly (readonly (string | null)[])[];
}

export interface ResultOptions {
  /** Every value as a JSON string of Postgres' text; else by type. */
  readonly rawText: boolean;
  /** Rows as arrays; else as objects, in which the last of two columns with one name wins. */
  readonly arrayMode: boolean;
  /** Types of elements by types that are arrays, beside those that every database has. */
  readonly arrays: ReadonlyMap<number, number>;
}

/**
 * One result as Neon's protocol has it, as JSON text. Written by hand, because JSON columns go in as Postgres wrote
 * them: parsing would lose digits of large numbers, and the order and repetition of keys.
 */
export function resultToJson(result: TextResult, { rawText, arrayMode, arrays }: ResultOptions): string {
  const { command, rowCount, fields, rows } = result;
  const writers = fields.map((field) => (rawText ? JSON.stringify : writerOf(field.dataTypeID, arrays)));
  const names = fields.map((field) => JSON.stringify(field.name));
  const cell = (value: string | null, column: number): string =>
    value === null ? 'null' : (writers[column] ?? JSON.stringify)(value);
  const row = arrayMode
    ? (values: readonly (string | null)[]): string => `[${values.map(cell).join(',')}]`
    : (values: readonly (string | null)[]): string =>
        `{${values.map((value, column) => `${names[column] ?? '""'}:${cell(value, column)}`).join(',')}}`;
  const described = fields.map(({ name, dataTypeID, tableID, columnID, dataTypeSize, dataTypeModifier }) => ({
    name,
    dataTypeID,
    tableID,
    columnID,
    dataTypeSize,
    dataTypeModifier,
    format: 'text',
  }));
  return (
    `{"fields":${JSON.stringify(described)},"rows":[${rows.map(row).join(',')}],` +
    `"command":${JSON.stringify(command ?? '')},"rowCount":${rowCount ?? 'null'},"rowAsArray":${arrayMode}}`
  );
}

type Writer = (text: string) => string;

const { BOOL, INT2, INT4, FLOAT4, FLOAT8, JSON: JSON_OID, JSONB } = pg.types.builtins;

const number: Writer = (text) =>
  Number.isFinite(Number(text)) ? String(Number(text)) : JSON.stringify(text);
const verbatim: Writer = (text) => text;

const scalarWriters: ReadonlyMap<number, Writer> = new Map<number, Writer>([
  [BOOL, (text) => String(text === 't')],
  [INT2, number],
  [INT4, number],
  [FLOAT4, number],
  [FLOAT8, number],
  [JSON_OID, verbatim],
  [JSONB, verbatim],
]);

// The array types of PostgreSQL's own types, with the writer of their elements. @see pg_type.typarray
const arrayWriters: ReadonlyMap<number, Writer> = new Map<number, Writer>([
  [1000, scalarWriters.get(BOOL) ?? verbatim],
  [1005, number],
  [1007, number],
  [1021, number],
  [1022, number],
  [199, verbatim],
  [3807, verbatim],
  ...[1001, 1002, 1009, 1014, 1015, 1016, 1115, 1182, 1183, 1185, 1187, 1231, 1270, 2951].map(
    (oid): [number, Writer] => [oid, JSON.stringify],
  ),
]);

const firstOwnType = 16_384;

/** True for a type of which nothing has to be asked: PostgreSQL's own. */
export function isKnownType(typeId: number): boolean {
  return typeId < firstOwnType;
}

function writerOf(typeId: number, arrays: ReadonlyMap<number, number>): Writer {
  const element = arrayWriters.get(typeId) ?? elementWriter(arrays.get(typeId));
  if (element === undefined) return scalarWriters.get(typeId) ?? JSON.stringify;
  return (text) => writeArray(parseArray(text), element);
}

function elementWriter(typeId = 0): Writer | undefined {
  return typeId === 0 ? undefined : (scalarWriters.get(typeId) ?? JSON.stringify);
}

interface ArrayOfText extends ReadonlyArray<string | null | ArrayOfText> {}

// The parser that node-postgres uses itself; it has no type declaration.
const { arrayParser } = pg.types as unknown as {
  arrayParser: {
    create(text: string, entry: (text: string | null) => string | null): { parse(): ArrayOfText };
  };
};

function parseArray(text: string): ArrayOfText {
  return arrayParser.create(text, (entry) => entry).parse();
}

function writeArray(values: ArrayOfText, element: Writer): string {
  const written = values.map((value) => {
    if (value === null) return 'null';
    return typeof value === 'string' ? element(value) : writeArray(value, element);
  });
  return `[${written.join(',')}]`;
}
