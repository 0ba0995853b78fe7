import pg from 'pg';

import { AuthorizeError } from '../errors.ts';

/** One statement of a flush. Always sent by the extended protocol, so that it is one statement and no more. */
export interface FlushStep {
  readonly text: string;
  readonly values?: readonly unknown[];
  /** The name of a prepared statement, which is then parsed once a connection. */
  readonly name?: string | undefined;
  readonly rowMode?: 'array';
  readonly types?: pg.CustomTypesConfig;
  /** Its result is of no interest to the caller: a prologue, a BEGIN. */
  readonly internal?: boolean;
  /** It may begin or end a transaction; any other statement that does puts the connection in doubt. */
  readonly transactionControl?: boolean;
}

export interface FlushOptions {
  /** Statements, by the simple protocol, that follow at once and that the caller does not wait for. */
  readonly followUp?: string;
  /** Rows of more bytes than this end the connection. Default: no limit. */
  readonly maxResultBytes?: number;
}

/** Postgres' word at ReadyForQuery: idle, in a transaction, in a failed one; undefined when it cannot be relied on. */
export type TransactionStatus = 'I' | 'T' | 'E' | undefined;

export interface Flushed {
  /** One for each step that is not internal, in order. */
  readonly results: readonly pg.QueryResult[];
  readonly status: TransactionStatus;
  /** Resolves, never rejects, once the connection is at rest: true when it is idle and what followed succeeded. */
  readonly clean: Promise<boolean>;
}

/** A flush that failed: the error that the caller should see is the `cause`. */
export class FlushError extends Error implements Pick<Flushed, 'status' | 'clean'> {
  readonly status: TransactionStatus;
  readonly clean: Promise<boolean>;

  constructor(cause: unknown, status: TransactionStatus, clean: Promise<boolean>) {
    super('flush failed', { cause });
    this.status = status;
    this.clean = clean;
  }
}

/**
 * Sends several statements in one flush, with one Sync behind them: one round trip, and without a BEGIN among them
 * one implicit transaction. Postgres skips everything after the first that fails. Nothing is reported before
 * ReadyForQuery, because an error can still come after the last CommandComplete (a deferred constraint).
 *
 * The caller must have the connection for itself.
 *
 * @throws FlushError with the error of PostgreSQL, unchanged, as its cause
 * @see https://www.postgresql.org/docs/current/protocol-flow.html#PROTOCOL-FLOW-PIPELINING
 */
export async function flush(
  client: pg.PoolClient,
  steps: readonly FlushStep[],
  options: FlushOptions = {},
): Promise<Flushed> {
  const query = new FlushQuery(client, steps, options.maxResultBytes ?? Infinity);
  const follow = options.followUp;
  // In pipeline mode node-postgres sends the second query without waiting for the first. A version without the mode
  // ignores the property and sends it later: slower, not wrong.
  const pipeline = client.pipeline;
  Reflect.set(client, 'pipeline', follow !== undefined || pipeline);
  client.connection.stream.cork();
  client.query(query);
  const followed = follow === undefined ? undefined : client.query(follow);
  client.connection.stream.uncork();

  const outcome = query.outcome;
  const clean = (async (): Promise<boolean> => {
    try {
      const [ended] = await Promise.all([outcome, followed]);
      return ended.status === 'I';
    } catch {
      return false;
    } finally {
      Reflect.set(client, 'pipeline', pipeline);
    }
  })();

  const { error, results, status } = await outcome;
  if (error !== undefined) throw new FlushError(error, status, clean);
  return { results, status, clean };
}

interface Outcome {
  readonly results: readonly pg.QueryResult[];
  readonly error: unknown;
  readonly status: TransactionStatus;
}

// What node-postgres offers to a custom query, and declares only in part.
interface Wire {
  readonly stream: { cork(): void; uncork(): void; destroy(error?: Error): void };
  readonly parsedStatements: Record<string, string | undefined>;
  readonly submittedNamedStatements?: Record<string, string | undefined>;
  parse(statement: { text: string; name: string }): void;
  bind(portal: { statement: string; values: readonly unknown[] }): void;
  describe(target: { type: 'P'; name: '' }): void;
  execute(portal: { portal: ''; rows?: undefined }): void;
  sync(): void;
  sendCopyFail(message: string): void;
  on(event: 'readyForQuery' | 'end', listener: (message?: { status?: TransactionStatus }) => void): void;
  off(event: 'readyForQuery' | 'end', listener: (message?: { status?: TransactionStatus }) => void): void;
}

interface CollectedResult extends pg.QueryResult {
  addFields(fields: readonly pg.FieldDef[]): void;
  parseRow(values: readonly (string | null)[]): unknown;
  addRow(row: unknown): void;
  addCommandComplete(message: { text: string }): void;
}

const NewResult = pg.Result as unknown as new (
  rowMode: string | undefined,
  types: pg.CustomTypesConfig,
) => CollectedResult;
const { prepareValue } = Reflect.get(pg, 'utils') as { readonly prepareValue: (value: unknown) => unknown };

// node-postgres takes only its own class in pipeline mode; nothing of it is used but the name.
const QueryBase = pg.Query as unknown as new (config: { text: string }) => pg.Submittable;

/**
 * A query of node-postgres that is several statements long. The client calls the `handle…` methods as messages arrive
 * and reads `name` and `text` when a statement has been parsed.
 */
class FlushQuery extends QueryBase {
  readonly outcome: Promise<Outcome>;
  /** Set by the client when the pool has a query_timeout: ends its clock, which would break the connection later. */
  callback: (() => void) | undefined;
  /** The prepared statement whose ParseComplete is expected next; the client notes it as parsed then. */
  name: string | undefined;
  text: string;

  readonly #client: pg.PoolClient;
  readonly #steps: readonly FlushStep[];
  readonly #maxResultBytes: number;
  readonly #results: readonly (CollectedResult | undefined)[];
  #settle: (outcome: Outcome) => void = () => {};
  #position = 0;
  /** What Postgres has said of the columns of the step at hand. */
  #described: readonly pg.FieldDef[] | undefined;
  #bytes = 0;
  #error: unknown;
  #expectsReady = false;

  constructor(client: pg.PoolClient, steps: readonly FlushStep[], maxResultBytes: number) {
    super({ text: '' });
    this.#client = client;
    this.#steps = steps;
    this.#maxResultBytes = maxResultBytes;
    this.#results = steps.map((step) =>
      step.internal === true ? undefined : new NewResult(step.rowMode, step.types ?? client),
    );
    this.text = '';
    this.outcome = new Promise((resolve) => {
      this.#settle = resolve;
    });
    this.#announceStep();
  }

  override readonly submit = (connection: unknown): Error | null => {
    const wire = connection as Wire;
    let messages: readonly Message[];
    const begun = new Map<string, string>();
    try {
      // All values first: one that cannot be written must not leave half a flush on the wire.
      messages = this.#steps.map((step) => ({
        step,
        values: (step.values ?? []).map(prepareValue),
        isParsed: isParsed(wire, step, begun),
      }));
    } catch (error) {
      return error instanceof Error ? error : new Error('a parameter cannot be written', { cause: error });
    }
    wire.stream.cork();
    for (const [index, { step, values, isParsed: parsed }] of messages.entries()) {
      const statement = step.name ?? '';
      const fields = parsed ? fieldsOf.get(wire)?.get(statement) : undefined;
      if (!parsed) wire.parse({ text: step.text, name: statement });
      wire.bind({ statement, values });
      const result = this.#results[index];
      if (fields !== undefined) result?.addFields(copyOf(fields));
      else if (result !== undefined) wire.describe({ type: 'P', name: '' });
      wire.execute({ portal: '' });
    }
    wire.sync();
    wire.stream.uncork();
    return null;
  };

  handleRowDescription(message: { fields: readonly pg.FieldDef[] }): void {
    this.#results[this.#position]?.addFields(message.fields);
    this.#described = message.fields;
  }

  handleDataRow(message: { length: number; fields: readonly (string | null)[] }): void {
    if (this.#error !== undefined || this.#results[this.#position] === undefined) return;
    this.#bytes += message.length;
    if (this.#bytes > this.#maxResultBytes) {
      this.#error = new ResultTooLargeError(this.#maxResultBytes);
      (this.#client.connection as unknown as Wire).stream.destroy();
      return;
    }
    const result = this.#results[this.#position];
    try {
      result?.addRow(result.parseRow(message.fields));
    } catch (error) {
      // A type parser of the user's threw. The rest of the answer still has to be read.
      this.#error = error;
    }
  }

  handleCommandComplete(message: { text: string }): void {
    this.#results[this.#position]?.addCommandComplete(message);
    this.#rememberFields();
    if (isTransactionControl(message.text) && this.#steps[this.#position]?.transactionControl !== true) {
      this.#error ??= new AuthorizeError(
        'ERR_CONNECTION_IN_DOUBT',
        'the statement ended the transaction that holds the identity; the connection has been closed',
      );
    }
    this.#nextStep();
  }

  handleEmptyQuery(): void {
    this.#nextStep();
  }

  handlePortalSuspended(): void {
    // Execute asks for all rows: it never comes.
  }

  handleCopyInResponse(connection: Wire): void {
    connection.sendCopyFail('COPY is not possible here');
  }

  handleCopyData(): void {
    // Dropped: the result of COPY TO has no place in a query's answer.
  }

  handleError(error: Error, connection: Wire): void {
    this.#error ??= error;
    const step = this.#steps[this.#position];
    if (step?.name !== undefined) delete connection.submittedNamedStatements?.[step.name];
    if (error instanceof pg.DatabaseError) this.#expectReady(connection);
    else this.#finish(undefined);
  }

  handleReadyForQuery(): void {
    // The listener of #expectReady has the status.
  }

  #rememberFields(): void {
    const name = this.#steps[this.#position]?.name;
    const described = this.#described;
    this.#described = undefined;
    if (name === undefined) return;
    const wire = this.#client.connection as unknown as Wire;
    const known = fieldsOf.get(wire) ?? new Map<string, readonly pg.FieldDef[]>();
    fieldsOf.set(wire, known);
    if (described !== undefined || !known.has(name)) known.set(name, copyOf(described ?? []));
  }

  #nextStep(): void {
    this.#position += 1;
    this.#announceStep();
    if (this.#position === this.#steps.length) this.#expectReady(this.#client.connection as unknown as Wire);
  }

  #announceStep(): void {
    const step = this.#steps[this.#position];
    this.name = step?.name;
    this.text = step?.text ?? '';
  }

  // The client forgets a query that failed and does not tell it of ReadyForQuery: listen to the connection itself.
  #expectReady(wire: Wire): void {
    if (this.#expectsReady) return;
    this.#expectsReady = true;
    const listener = (message?: { status?: TransactionStatus }): void => {
      wire.off('readyForQuery', listener);
      wire.off('end', listener);
      this.#finish(message?.status);
    };
    wire.on('readyForQuery', listener);
    wire.on('end', listener);
  }

  #finish(status: TransactionStatus): void {
    this.callback?.();
    this.#settle({
      results: this.#results.filter((result) => result !== undefined),
      error: this.#error,
      status: this.#error instanceof AuthorizeError ? undefined : status,
    });
  }
}

/** The rows of a result came to more bytes than the caller wants to hold. */
export class ResultTooLargeError extends Error {
  readonly maxBytes: number;

  constructor(maxBytes: number) {
    super(`response is too large (max is ${maxBytes} bytes)`);
    this.name = 'ResultTooLargeError';
    this.maxBytes = maxBytes;
  }
}

interface Message {
  readonly step: FlushStep;
  readonly values: readonly unknown[];
  readonly isParsed: boolean;
}

// The columns of prepared statements, by connection and name: Postgres refuses to run one whose columns have changed,
// so that they need not be asked for each time.
const fieldsOf = new WeakMap<Wire, Map<string, readonly pg.FieldDef[]>>();

/** The caller gets columns with the result, and may change them. */
function copyOf(fields: readonly pg.FieldDef[]): readonly pg.FieldDef[] {
  return fields.map((field) => ({ ...field }));
}

/** @param begun what the same flush parses before, by name; the step joins it */
function isParsed(wire: Wire, { name, text }: FlushStep, begun: Map<string, string>): boolean {
  if (name === undefined) return false;
  const known = wire.parsedStatements[name] ?? begun.get(name);
  if (known !== undefined && known !== text) {
    throw new TypeError(`the prepared statement '${name}' was made for another text on this connection`);
  }
  begun.set(name, text);
  return known !== undefined;
}

// Inside the user's part any of these has ended the transaction, or begun one that outlives the flush.
function isTransactionControl(tag: string): boolean {
  return /^(?:BEGIN|START|COMMIT|ROLLBACK|PREPARE TRANSACTION|COMMIT PREPARED|ROLLBACK PREPARED)\b/u.test(
    tag,
  );
}
