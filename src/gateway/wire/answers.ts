/** A message that was sent to Postgres and will be answered. */
export interface Awaited {
  readonly kind: 'parse' | 'bind' | 'describe' | 'execute' | 'close' | 'sync';
  /**
   * Who gets the answer: the client, all of it; the client, as the answer to a simple query; or nobody, because the gateway
   * asked for itself.
   */
  readonly audience: 'client' | 'simple client' | 'nobody';
  /** What the client gets in place of the error that Postgres was made to give. */
  readonly refusal?: Buffer | undefined;
  /** It was done. @param tag of an execute, such as `SELECT 2` */
  readonly done?: ((tag?: string) => void) | undefined;
  /** It failed, or was skipped behind one that did. @param code the SQLSTATE, when it is what failed */
  readonly failed?: ((code?: string) => void) | undefined;
}

/** What a session makes of the answers. */
export interface AnswersListener {
  /** Bytes for the client. */
  pass(bytes: Buffer): void;
  /** Postgres is ready; nothing is outstanding. */
  ready(status: TransactionStatus): void;
  /** Postgres has refused a message, or to commit. @param code the SQLSTATE */
  failed(code: string | undefined): void;
  /** What the gateway asked for itself failed. */
  ownStatementFailed(error: Buffer): void;
  parameterChanged(name: string, value: string): void;
  /** Postgres sent what it should not have. */
  broken(): void;
}

export type TransactionStatus = 'I' | 'T' | 'E';

const empty = Buffer.alloc(0);

// A message that is not one of many bytes, and would have to be held until it is whole.
const maxHeldBytes = 1_048_576;

/**
 * Reads what Postgres answers, knows to which message each answer belongs, and passes on what is the client's. Rows pass
 * in the chunks in which they come; no message of more than a few bytes is held.
 *
 * @see https://www.postgresql.org/docs/current/protocol-flow.html#PROTOCOL-FLOW-EXT-QUERY
 */
export class Answers {
  readonly #listener: AnswersListener;
  readonly #awaited: Awaited[] = [];
  #isSkipping = false;
  /** The beginning of a message that is not whole. */
  #held: Buffer = empty;
  /** Bytes of a message that has begun to pass, and are still to come. */
  #passing = 0;
  #drops = false;
  #isStopped = false;

  constructor(listener: AnswersListener) {
    this.#listener = listener;
  }

  /** Whether the client has all of every message that has begun to pass, so that another may follow. */
  get isBetweenMessages(): boolean {
    return this.#passing === 0 || this.#drops;
  }

  /** Nothing passes any more, but for the rest of a message that has begun to. */
  stop(): void {
    this.#isStopped = true;
  }

  /** Call it when the message is sent. */
  expect(awaited: Awaited): void {
    // After an error Postgres drops what comes, until a Sync.
    if (this.#isSkipping && awaited.kind !== 'sync') {
      awaited.failed?.();
      return;
    }
    if (awaited.kind === 'sync') this.#isSkipping = false;
    this.#awaited.push(awaited);
  }

  /** The connection is gone: nothing will be answered. */
  abandon(): void {
    for (const awaited of this.#awaited.splice(0)) awaited.failed?.();
  }

  read(chunk: Buffer): void {
    const data = this.#held.length === 0 ? chunk : Buffer.concat([this.#held, chunk]);
    this.#held = empty;
    let offset = Math.min(this.#passing, data.length);
    this.#passing -= offset;
    // Where that begins which passes as it is.
    let from = this.#drops ? offset : 0;
    if (this.#isStopped) {
      this.#pass(data.subarray(from, offset));
      return;
    }
    while (data.length - offset >= 5) {
      const type = data[offset] ?? 0;
      const length = data.readUInt32BE(offset + 1) + 1;
      if (length < 5) {
        this.#listener.broken();
        return;
      }
      const end = offset + length;
      const isWhole = end <= data.length;
      if (!isWhole && !streamed.has(type)) break;
      if (this.#drops && this.#passing === 0) this.#drops = false;
      const isPassed = this.#answer(type, data.subarray(offset + 5, end), () => {
        this.#pass(data.subarray(from, offset));
        from = offset;
      });
      if (!isPassed) {
        this.#pass(data.subarray(from, offset));
        from = Math.min(end, data.length);
      }
      if (!isWhole) {
        this.#passing = end - data.length;
        this.#drops = !isPassed;
      }
      offset = Math.min(end, data.length);
    }
    this.#pass(data.subarray(from, offset));
    if (offset < data.length) this.#held = data.subarray(offset);
    if (this.#held.length > maxHeldBytes) this.#listener.broken();
  }

  #pass(bytes: Buffer): void {
    if (bytes.length > 0) this.#listener.pass(bytes);
  }

  /**
   * @param body as much of it as is here
   * @param passBefore passes what is before the message on, for those in whose place something else is sent
   * @returns whether the message passes
   */
  #answer(type: number, body: Buffer, passBefore: () => void): boolean {
    const [head] = this.#awaited;
    switch (type) {
      case message.dataRow:
      case message.rowDescription:
        if (type === message.rowDescription && head?.kind === 'describe') this.#done();
        return head?.audience !== 'nobody';
      case message.noData:
        return this.#end(head, 'describe') && head?.audience === 'client';
      case message.parameterDescription:
        return head?.audience === 'client';
      case message.parseComplete:
        return this.#end(head, 'parse') && head?.audience === 'client';
      case message.bindComplete:
        return this.#end(head, 'bind') && head?.audience === 'client';
      case message.closeComplete:
        return this.#end(head, 'close') && head?.audience === 'client';
      case message.commandComplete:
        return this.#end(head, 'execute', textOf(body)) && head?.audience !== 'nobody';
      case message.emptyQueryResponse:
      case message.portalSuspended:
        return this.#end(head, 'execute') && head?.audience !== 'nobody';
      case message.errorResponse:
        return this.#fail(head, body, passBefore);
      case message.readyForQuery: {
        if (!this.#end(head, 'sync')) return false;
        this.#listener.ready(String.fromCharCode(body[0] ?? 0) as TransactionStatus);
        return true;
      }
      case message.noticeResponse:
        return head?.audience !== 'nobody';
      case message.parameterStatus: {
        const [name = '', value = ''] = textOf(body).split('\0');
        this.#listener.parameterChanged(name, value);
        return true;
      }
      case message.notificationResponse:
        return false;
      default:
        // COPY, which no statement that passes can begin, and what only a login has.
        this.#listener.broken();
        return false;
    }
  }

  #end(head: Awaited | undefined, kind: Awaited['kind'], tag?: string): boolean {
    if (head?.kind !== kind) {
      this.#listener.broken();
      return false;
    }
    this.#done(tag);
    return true;
  }

  #done(tag?: string): void {
    this.#awaited.shift()?.done?.(tag);
  }

  #fail(head: Awaited | undefined, body: Buffer, passBefore: () => void): boolean {
    const code = fieldOf(body, 'C');
    this.#listener.failed(code);
    // With nothing outstanding Postgres says why it ends the connection; at a Sync, that it could not commit.
    if (head === undefined || head.kind === 'sync') return true;
    const nextSync = this.#awaited.findIndex(({ kind }) => kind === 'sync');
    const skipped = this.#awaited.splice(0, nextSync === -1 ? this.#awaited.length : nextSync);
    this.#isSkipping = nextSync === -1;
    for (const awaited of skipped) awaited.failed?.(awaited === head ? code : undefined);
    // Cancelled while the identity was being set: the statement behind it is, and the session goes on.
    if (head.audience === 'nobody' && code !== queryCanceled) {
      passBefore();
      this.#listener.ownStatementFailed(body);
      return false;
    }
    if (head.refusal === undefined) return true;
    passBefore();
    this.#listener.pass(head.refusal);
    return false;
  }
}

const queryCanceled = '57014';

const message = {
  dataRow: 0x44,
  rowDescription: 0x54,
  noData: 0x6e,
  parameterDescription: 0x74,
  parseComplete: 0x31,
  bindComplete: 0x32,
  closeComplete: 0x33,
  commandComplete: 0x43,
  emptyQueryResponse: 0x49,
  portalSuspended: 0x73,
  errorResponse: 0x45,
  readyForQuery: 0x5a,
  noticeResponse: 0x4e,
  parameterStatus: 0x53,
  notificationResponse: 0x41,
} as const;

/** What can be of any length, and passes as it comes. */
const streamed: ReadonlySet<number> = new Set([
  message.dataRow,
  message.rowDescription,
  message.errorResponse,
  message.noticeResponse,
]);

/** Text without the NUL at its end. */
function textOf(body: Buffer): string {
  return body.toString('utf8', 0, Math.max(0, body.length - 1));
}

/** A field of an error, of which only the beginning may be here. @see https://www.postgresql.org/docs/current/protocol-error-fields.html */
export function fieldOf(body: Buffer, field: string): string | undefined {
  return body
    .toString('utf8')
    .split('\0')
    .find((part) => part.startsWith(field))
    ?.slice(1);
}
