import type { ClientOptions, PostgresClient, Query } from './postgres-js-connection.ts';

/** A statement that can be sent more than once. */
export interface PostgresStatement {
  readonly text: string;
  /** Undefined for a template: then the text is not to the letter either. */
  readonly values: readonly unknown[] | undefined;
  /** @param options.types those of the parameters, if they are known and have to be */
  query(options: { readonly prepare: boolean; readonly types?: readonly number[] | undefined }): Query;
}

interface QueryOptions {
  readonly prepare: boolean;
  /** Called as soon as all of the query is on the wire, if it asks for types first. */
  readonly written: () => void;
}

const maxKnown = 1_000;
const maxLength = 16_384;

/**
 * What types the parameters of statements have. postgres.js writes a value by the type of its parameter, and asks Postgres
 * for it each time that a statement with parameters comes: a round trip. Here it asks for those that it has to know, and
 * once.
 */
export class ParameterTypes {
  readonly #client: PostgresClient;
  readonly #known = new Map<string, readonly number[]>();

  constructor(client: PostgresClient) {
    this.#client = client;
  }

  /** It has one already: the client's own `typed()`, `array()` or `json()` made it. */
  readonly #hasType = (value: unknown): boolean =>
    typeof value === 'object' &&
    value !== null &&
    Object.getPrototypeOf(value) === Object.getPrototypeOf(this.#client.typed(null, 0));

  /** @returns the query, and whether it asks Postgres for types before its values are sent */
  queryOf(
    statement: PostgresStatement,
    { prepare, written }: QueryOptions,
  ): { readonly query: Query; readonly asks: boolean } {
    const { values } = statement;
    const { options } = this.#client;
    const known = values && !values.some(this.#hasType) && this.#known.get(keyOf(statement.text, values));
    const types = values && known && canWrite(values, known, options) ? known : undefined;
    const query = statement.query({ prepare, types });
    const asks = types === undefined && !(values !== undefined && areSelfEvident(values, options));
    if (asks) whenAsked(query, written);
    else Reflect.defineProperty(query, 'describeFirst', { get: () => false, set: () => {} });
    return { query, asks };
  }

  /** Remembers what Postgres has told of a query that asked. */
  learn({ text, values }: PostgresStatement, { statement }: Query): void {
    if (values === undefined || statement === null || text.length > maxLength) return;
    if (this.#known.size >= maxKnown) this.#known.clear();
    this.#known.set(keyOf(text, values), [...statement.types]);
  }

  /** Whether there is anything to forget. */
  knows({ text, values }: PostgresStatement): boolean {
    return values !== undefined && this.#known.has(keyOf(text, values));
  }

  forget({ text, values }: PostgresStatement): void {
    if (values !== undefined) this.#known.delete(keyOf(text, values));
  }
}

/** Whether postgres.js finds nothing in a statement that it could not begin to send. */
export function isSurelyWritten({ values }: PostgresStatement): boolean {
  return values?.includes(undefined) === false;
}

// postgres.js sets it when it has the types and has written the values; before it does so, too.
function whenAsked(query: Query, written: () => void): void {
  let describeFirst: unknown;
  Reflect.defineProperty(query, 'describeFirst', {
    get: () => describeFirst,
    set: (next: unknown) => {
      const isAnswered = Boolean(describeFirst) && next === false;
      describeFirst = next;
      if (isAnswered) written();
    },
  });
}

// The types that postgres.js gives by itself decide which ones Postgres finds for the others.
function keyOf(text: string, values: readonly unknown[]): string {
  return `${values.map(impliedType).join()} ${text}`;
}

function impliedType(value: unknown): string {
  if (Array.isArray(value)) return impliedType(value[0]);
  if (value instanceof Date) return 'date';
  if (value instanceof Uint8Array) return 'bytes';
  return typeof value === 'boolean' || typeof value === 'bigint' ? typeof value : '';
}

/**
 * Whether each of the values is written in one way, whatever the type of its parameter. Arrays and objects are not, nor is
 * what JSON or a type of the client's own would have otherwise: a string for a json column is one that drizzle-orm 0.45
 * has made JSON of, and in 1.0 one that has yet to become it.
 *
 * postgres.js would also make `false` of every string for a boolean, and take one for a bytea for text that has yet to
 * become bytes. As any string could be one of those, none could be sent at once: they go as they are.
 */
function areSelfEvident(values: readonly unknown[], { serializers, types }: ClientOptions): boolean {
  const differing = [
    serializers[114],
    serializers[3802],
    ...Object.values(types).map((own) => own.serialize),
  ];
  return values.every((value) => {
    switch (typeof value) {
      case 'string':
      case 'number':
        return differing.every((serialize) => isWrittenAsItIs(value, serialize));
      case 'boolean':
      case 'bigint':
        return true;
      default:
        return value === null || value instanceof Uint8Array;
    }
  });
}

type Serialize = ClientOptions['serializers'][number];

function isWrittenAsItIs(value: string | number, serialize: Serialize): boolean {
  return serialize === undefined || String(writtenBy(serialize, value)) === String(value);
}

/** Whether postgres.js can write the values for parameters of these types: it is too late when it is at it. */
function canWrite(
  values: readonly unknown[],
  types: readonly number[],
  { serializers }: ClientOptions,
): boolean {
  return values.every((value, index) => {
    // Bytes it can, and they may be many.
    if (value === null || value instanceof Uint8Array) return true;
    const serialize = serializers[types[index] ?? 0];
    return (
      value !== undefined && (serialize === undefined || typeof writtenBy(serialize, value) === 'string')
    );
  });
}

function writtenBy(serialize: NonNullable<Serialize>, value: unknown): unknown {
  try {
    return serialize(value);
  } catch {
    return undefined;
  }
}
