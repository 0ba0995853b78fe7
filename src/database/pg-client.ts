/**
 * node-postgres by its shape: what is used of the package `pg`, from 8.16 on, and of the copy of it inside
 * `@neondatabase/serverless`, from 1.0 on. Neither is imported, so that each works without the other, and what they keep to
 * themselves is learnt from the client at hand.
 */

export interface PgPool {
  connect(callback: (error: unknown, client: PgClient | undefined) => void): void;
}

/** A client that a pool has handed out. */
export interface PgClient extends TypeParsers {
  /** `pg.native` has none. */
  readonly connection?: PgConnection;
  readonly host?: string;
  /** Sends queries without waiting for the answers of those before; node-postgres has it from 8.23 on. */
  pipeline?: boolean;
  query(query: Submittable): unknown;
  query(
    query: string | { readonly text: string; readonly values: [] },
  ): Promise<{ readonly rows: readonly unknown[] }>;
  on(event: 'error', listener: () => void): unknown;
  off(event: 'error', listener: () => void): unknown;
  release(destroy: boolean): void;
}

interface PgConnection {
  readonly stream: { readonly destroyed: boolean };
  emit(event: 'end'): unknown;
}

/** A query that writes its own messages; the client calls its `handle…` methods as the answers arrive. */
export interface Submittable {
  submit(connection: unknown): Error | null;
}

export interface TypeParsers {
  getTypeParser(typeId: number, format?: 'text'): (text: string) => unknown;
}

/** A column of a result. */
export interface Field {
  readonly name: string;
  readonly tableID: number;
  readonly columnID: number;
  readonly dataTypeID: number;
  readonly dataTypeSize: number;
  readonly dataTypeModifier: number;
}

export interface Result {
  /** Such as `SELECT`; null when the statement was empty. */
  readonly command: string | null;
  readonly rowCount: number | null;
  readonly oid: number | null;
  readonly fields: readonly Field[];
  readonly rows: readonly unknown[];
}

/** A result while its messages arrive. */
export interface ResultInTheMaking extends Result {
  addFields(fields: readonly Field[]): void;
  parseRow(values: readonly (string | null)[]): unknown;
  addRow(row: unknown): void;
  addCommandComplete(message: { readonly text: string }): void;
}

/** How a client writes parameters and reads rows. */
export interface Codec {
  readonly writeValue: (value: unknown) => unknown;
  readonly newResult: (rowMode: 'array' | undefined, types: TypeParsers) => ResultInTheMaking;
}

const codecs = new WeakMap<QueryClass, Codec>();

/**
 * The codec of a client, learnt once for each class: a query of its own is given a connection that goes nowhere, and shows
 * there how it writes a value.
 *
 * @throws TypeError when it is another kind of client, such as `pg.native`
 */
export function codecOf(client: PgClient): Codec {
  const { Query } = client.constructor as unknown as { readonly Query?: QueryClass };
  if (Query === undefined || client.connection === undefined) throw unknownClient();
  const known = codecs.get(Query);
  if (known !== undefined) return known;

  const query = new Query({ text: 'select $1', values: [null] });
  let writeValue: Codec['writeValue'] | undefined;
  query.submit({
    stream: {},
    parsedStatements: {},
    submittedNamedStatements: {},
    parse: ignore,
    bind: (portal: { readonly valueMapper?: Codec['writeValue'] }) => {
      writeValue = portal.valueMapper;
    },
    describe: ignore,
    execute: ignore,
    sync: ignore,
  });
  const Collected = (Reflect.get(query, '_result') as object | undefined)?.constructor as
    ResultClass | undefined;
  if (writeValue === undefined || Collected === undefined) throw unknownClient();
  const codec: Codec = { writeValue, newResult: (rowMode, types) => new Collected(rowMode, types) };
  codecs.set(Query, codec);
  return codec;
}

type QueryClass = new (config: { text: string; values: readonly unknown[] }) => Submittable;
type ResultClass = new (rowMode: 'array' | undefined, types: TypeParsers) => ResultInTheMaking;

function ignore(): void {
  // Nothing is to be sent.
}

function unknownClient(): TypeError {
  return new TypeError(
    'the clients of the pool are not those that node-postgres has in JavaScript; pg.native cannot send several statements in one flush',
  );
}

/** Whether PostgreSQL has reported the error, and not the network or this side. By shape: pg can be installed twice. */
export function isDatabaseError(
  error: unknown,
): error is Error & { readonly code: string | undefined; readonly routine: string | undefined } {
  return error instanceof Error && 'severity' in error && typeof error.severity === 'string';
}

/**
 * What a connection failed of, as an error. A WebSocket tells it by an event, which at best holds one, and which
 * `@neondatabase/serverless` passes on as if it were one.
 */
export function connectionError(failure: unknown): unknown {
  if (!isEvent(failure)) return failure;
  return failure.error instanceof Error
    ? failure.error
    : new Error('the WebSocket to the database has failed');
}

/** Whether a connection's failure is one of its WebSocket. */
export function isEvent(failure: unknown): failure is { readonly type: string; readonly error?: unknown } {
  return typeof failure === 'object' && failure !== null && !(failure instanceof Error) && 'type' in failure;
}
