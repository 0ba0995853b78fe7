import { AuthorizeError } from '../errors.ts';
import {
  codecOf,
  connectionError,
  isDatabaseError,
  type Field,
  type PgClient,
  type Result,
  type ResultInTheMaking,
  type Submittable,
  type TypeParsers,
} from './pg-client.ts';

/** One statement of a flush. Always sent by the extended protocol, so that it is one statement and no more. */
export interface FlushStep {
  readonly text: string;
  readonly values?: readonly unknown[];
  /** The name of a prepared statement, which is then parsed once a connection. */
  readonly name?: string | undefined;
  readonly rowMode?: 'array';
  readonly types?: TypeParsers;
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
  readonly results: readonly Result[];
  readonly status: TransactionStatus;
  /** Resolves, never rejects, once the connection is at rest: true when it is idle and what followed succeeded. */
  readonly clean: Promise<boolean>;
}

/** A flush that failed: the error that the caller should see is the `cause`. */
export class FlushError extends Error implements Pick<Flushed, 'status' | 'clean'> {
  readonly status: TransactionStatus;
  readonly clean: Promise<boolean>;
  /** False where a value could not be written. */
  readonly wasSent: boolean;
  /** A prepared statement did not take its parameters, or what it reads has changed since: it has not run. */
  readonly isUnfit: boolean;

  constructor(
    { error, status, isUnfit }: Omit<Outcome, 'results'>,
    { clean, wasSent }: Pick<FlushError, 'clean' | 'wasSent'>,
  ) {
    super('flush failed', { cause: error });
    this.status = status;
    this.clean = clean;
    this.wasSent = wasSent;
    this.isUnfit = isUnfit;
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
  client: PgClient,
  steps: readonly FlushStep[],
  options: FlushOptions = {},
): Promise<Flushed> {
  const { followUp, maxResultBytes = Infinity } = options;
  let messages: readonly Message[];
  try {
    messages = steps.map(messagesOf(client));
  } catch (error) {
    throw new FlushError(
      { error, status: undefined, isUnfit: false },
      { clean: Promise.resolve(true), wasSent: false },
    );
  }
  const query = new FlushQuery(client, messages, maxResultBytes, followUp);
  const follower = followUp === undefined ? undefined : new FollowUpQuery();
  const { pipeline } = client;
  // That mode takes no query but the client's own, and is of no use here: everything is on the wire with the first.
  if (pipeline === true) client.pipeline = false;
  client.query(query);
  if (follower !== undefined) client.query(follower);

  const { outcome } = query;
  const clean = (async (): Promise<boolean> => {
    const { status } = await outcome;
    const succeeded = status === 'I' && (follower === undefined || (await follower.succeeded));
    if (pipeline === true && status !== undefined) client.pipeline = true;
    return succeeded;
  })();

  const ended = await outcome;
  if (ended.error !== undefined) throw new FlushError(ended, { clean, wasSent: true });
  return { results: ended.results, status: ended.status, clean };
}

interface Outcome {
  readonly results: readonly Result[];
  readonly error: unknown;
  readonly status: TransactionStatus;
  readonly isUnfit: boolean;
}

/** A client's connection, as it is given to a query that writes its own messages. */
interface Wire {
  /** The WebSocket of @neondatabase/serverless has no corks; it gathers what is written in one turn by itself. */
  readonly stream: { cork?(): void; uncork?(): void; destroy(error?: Error): void };
  readonly parsedStatements: Record<string, string | undefined>;
  parse(statement: { text: string; name: string }): void;
  bind(portal: { statement: string; values: readonly unknown[] }): void;
  describe(target: { type: 'P'; name: '' }): void;
  execute(portal: { portal: ''; rows?: undefined }): void;
  sync(): void;
  /** By the simple protocol. */
  query(text: string): void;
  sendCopyFail(message: string): void;
  on(event: WireEvent, listener: (message?: { status?: TransactionStatus }) => void): void;
  off(event: WireEvent, listener: (message?: { status?: TransactionStatus }) => void): void;
}

type WireEvent = 'bindComplete' | 'readyForQuery' | 'end';

/** A step as it is about to be sent. */
interface Message {
  readonly step: FlushStep;
  readonly values: readonly unknown[];
  /** Undefined for a step whose result is of no interest. */
  readonly result: ResultInTheMaking | undefined;
}

function messagesOf(client: PgClient): (step: FlushStep) => Message {
  const { writeValue, newResult } = codecOf(client);
  return (step) => ({
    step,
    values: (step.values ?? []).map((value) => writeValue(value)),
    result: step.internal === true ? undefined : newResult(step.rowMode, step.types ?? client),
  });
}

/**
 * A query of node-postgres that is several statements long. The client calls the `handle…` methods as messages arrive
 * and reads `name` and `text` when a statement has been parsed.
 */
class FlushQuery implements Submittable {
  readonly outcome: Promise<Outcome>;
  /** Replaced by the client when the pool has a query_timeout: ends its clock, which would break the connection later. */
  callback: () => void = ignore;
  /** The prepared statement whose ParseComplete is expected next; the client notes it as parsed then. */
  name: string | undefined;
  text = '';

  readonly #wire: Wire;
  readonly #messages: readonly Message[];
  readonly #maxResultBytes: number;
  readonly #followUp: string | undefined;
  #settle: (outcome: Outcome) => void = ignore;
  #position = 0;
  /** What Postgres has said of the columns of the step at hand. */
  #described: readonly Field[] | undefined;
  #bytes = 0;
  #error: unknown;
  #isUnfit = false;
  #expectsReady = false;
  #bound = 0;
  readonly #countBound = (): void => {
    this.#bound += 1;
  };

  constructor(
    client: PgClient,
    messages: readonly Message[],
    maxResultBytes: number,
    followUp: string | undefined,
  ) {
    this.#wire = client.connection as unknown as Wire;
    this.#messages = messages;
    this.#maxResultBytes = maxResultBytes;
    this.#followUp = followUp;
    this.outcome = new Promise((resolve) => {
      this.#settle = resolve;
    });
    this.#announceStep();
  }

  submit(): Error | null {
    const wire = this.#wire;
    const parsed = parsedOf(wire, this.#messages);
    if (parsed instanceof Error) return parsed;
    wire.on('bindComplete', this.#countBound);
    wire.stream.cork?.();
    for (const [index, { step, values, result }] of this.#messages.entries()) {
      const statement = step.name ?? '';
      const isParsed = parsed[index] === true;
      const fields = isParsed ? fieldsOf.get(wire)?.get(statement) : undefined;
      if (!isParsed) wire.parse({ text: step.text, name: statement });
      wire.bind({ statement, values });
      if (fields !== undefined) result?.addFields(copyOf(fields));
      else if (result !== undefined) wire.describe({ type: 'P', name: '' });
      wire.execute({ portal: '' });
    }
    wire.sync();
    if (this.#followUp !== undefined) wire.query(this.#followUp);
    wire.stream.uncork?.();
    return null;
  }

  handleRowDescription(message: { fields: readonly Field[] }): void {
    this.#message?.result?.addFields(message.fields);
    this.#described = message.fields;
  }

  handleDataRow(message: { length: number; fields: readonly (string | null)[] }): void {
    const result = this.#message?.result;
    if (this.#error !== undefined || result === undefined) return;
    this.#bytes += message.length;
    if (this.#bytes > this.#maxResultBytes) {
      this.#error = new ResultTooLargeError(this.#maxResultBytes);
      this.#wire.stream.destroy();
      return;
    }
    try {
      result.addRow(result.parseRow(message.fields));
    } catch (error) {
      // A type parser of the user's threw. The rest of the answer still has to be read.
      this.#error = error;
    }
  }

  handleCommandComplete(message: { text: string }): void {
    this.#message?.result?.addCommandComplete(message);
    this.#rememberFields();
    if (isTransactionControl(message.text) && this.#message?.step.transactionControl !== true) {
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

  handleCopyInResponse(): void {
    this.#wire.sendCopyFail('COPY is not possible here');
    // The Sync behind the statement was dropped, as each is while data may come.
    this.#wire.sync();
  }

  handleCopyData(): void {
    // Dropped: the result of COPY TO has no place in a query's answer.
  }

  handleError(error: unknown): void {
    const step = this.#message?.step;
    // Where the connection broke, nobody knows what has run.
    this.#isUnfit =
      this.#error === undefined &&
      isDatabaseError(error) &&
      step?.name !== undefined &&
      step.internal !== true &&
      this.#bound === this.#position;
    this.#error ??= connectionError(error);
    if (isDatabaseError(error)) this.#expectReady();
    else this.#finish(undefined);
  }

  handleReadyForQuery(): void {
    // The listener of #expectReady has the status.
  }

  get #message(): Message | undefined {
    return this.#messages[this.#position];
  }

  #rememberFields(): void {
    const name = this.#message?.step.name;
    const described = this.#described;
    this.#described = undefined;
    if (name === undefined) return;
    const known = fieldsOf.get(this.#wire) ?? new Map<string, readonly Field[]>();
    fieldsOf.set(this.#wire, known);
    if (described !== undefined || !known.has(name)) known.set(name, copyOf(described ?? []));
  }

  #nextStep(): void {
    this.#position += 1;
    this.#announceStep();
    if (this.#position === this.#messages.length) this.#expectReady();
  }

  #announceStep(): void {
    const step = this.#message?.step;
    this.name = step?.name;
    this.text = step?.text ?? '';
  }

  // The client forgets a query that failed and does not tell it of ReadyForQuery: listen to the connection itself.
  #expectReady(): void {
    if (this.#expectsReady) return;
    this.#expectsReady = true;
    const listener = (message?: { status?: TransactionStatus }): void => {
      this.#wire.off('readyForQuery', listener);
      this.#wire.off('end', listener);
      this.#finish(message?.status);
    };
    this.#wire.on('readyForQuery', listener);
    this.#wire.on('end', listener);
  }

  #finish(status: TransactionStatus): void {
    this.callback();
    this.#wire.off('bindComplete', this.#countBound);
    this.#settle({
      results: this.#messages.flatMap(({ result }) => (result === undefined ? [] : [result])),
      error: this.#error,
      status: this.#error instanceof AuthorizeError ? undefined : status,
      isUnfit: this.#isUnfit,
    });
  }
}

/**
 * Stands in the client's queue for the statements that went out behind a flush, and takes their answers. The client turns
 * to it at the flush's ReadyForQuery: that is how the reset need not wait for it, with any version of the driver.
 */
class FollowUpQuery implements Submittable {
  /** Resolves, never rejects. */
  readonly succeeded: Promise<boolean>;
  callback: () => void = ignore;
  #settle: (succeeded: boolean) => void = ignore;

  constructor() {
    this.succeeded = new Promise((resolve) => {
      this.#settle = resolve;
    });
  }

  submit(): null {
    // Sent already.
    return null;
  }

  handleRowDescription(): void {
    // Of no interest, as are the rows.
  }

  handleDataRow(): void {
    // Of no interest.
  }

  handleCommandComplete(): void {
    // One of several.
  }

  handleError(): void {
    this.#finish(false);
  }

  handleReadyForQuery(): void {
    this.#finish(true);
  }

  #finish(succeeded: boolean): void {
    this.callback();
    this.#settle(succeeded);
  }
}

function ignore(): void {
  // Until it is replaced.
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

// The columns of prepared statements, by connection and name: Postgres refuses to run one whose columns have changed,
// so that they need not be asked for each time.
const fieldsOf = new WeakMap<Wire, Map<string, readonly Field[]>>();

/** The caller gets columns with the result, and may change them. */
function copyOf(fields: readonly Field[]): readonly Field[] {
  return fields.map((field) => ({ ...field }));
}

/** Which of the messages need no Parse any more; an error when one's name stands for another text. */
function parsedOf(wire: Wire, messages: readonly Message[]): readonly boolean[] | Error {
  const begun = new Map<string, string>();
  const parsed: boolean[] = [];
  for (const { step } of messages) {
    const { name, text } = step;
    const known = name === undefined ? undefined : (wire.parsedStatements[name] ?? begun.get(name));
    if (known !== undefined && known !== text) {
      return new TypeError(`the prepared statement '${name}' was made for another text on this connection`);
    }
    if (name !== undefined) begun.set(name, text);
    parsed.push(known !== undefined);
  }
  return parsed;
}

// Inside the user's part any of these has ended the transaction, or begun one that outlives the flush.
function isTransactionControl(tag: string): boolean {
  return /^(?:BEGIN|START|COMMIT|ROLLBACK|PREPARE TRANSACTION|COMMIT PREPARED|ROLLBACK PREPARED)\b/u.test(
    tag,
  );
}
