import type { Duplex } from 'node:stream';

/** A message of a client: its type, and all of its bytes with the head. */
export interface ClientMessage {
  readonly type: string;
  readonly bytes: Buffer;
  /** What follows type and length. */
  readonly body: Buffer;
}

/** What a client sent is not the protocol, or more of it than is taken. Ends the session. */
export class MalformedInputError extends Error {}

/** The client has gone, or has said all that it will say. */
export class InputEndedError extends Error {}

// Beyond what the next message needs, so much is read ahead: enough for a pipeline, and to see that a client has gone.
const readAheadBytes = 65_536;

/**
 * What a client sends, whose chunks end anywhere, cut into messages. A message is bounded by its head, before its body
 * is read; while nobody takes, no more than `readAheadBytes` is read.
 */
export class ClientInput {
  readonly #stream: Duplex;
  readonly #maxMessageBytes: number;
  #front = Buffer.alloc(0);
  #rest: Buffer[] = [];
  #length = 0;
  #wanted = 0;
  #ended = false;
  #wake: () => void = ignore;

  /** @param onEnd called once, when the client has gone */
  constructor(stream: Duplex, { maxMessageBytes, onEnd }: { maxMessageBytes: number; onEnd: () => void }) {
    this.#stream = stream;
    this.#maxMessageBytes = maxMessageBytes;
    stream.on('data', (chunk: Buffer) => {
      this.#rest.push(chunk);
      this.#length += chunk.length;
      if (this.#length >= this.#wanted) {
        if (this.#length >= this.#wanted + readAheadBytes) stream.pause();
        this.#wake();
      }
    });
    const end = (): void => {
      if (this.#ended) return;
      this.#ended = true;
      this.#wake();
      onEnd();
    };
    stream.on('end', end);
    stream.on('close', end);
    // What broke is told by the end.
    stream.on('error', end);
  }

  /** Nothing more will come, and nobody reads what is written. */
  get hasEnded(): boolean {
    return this.#ended;
  }

  /** The next bytes, without taking them. @throws InputEndedError */
  async peek(length: number): Promise<Buffer> {
    while (this.#length < length) {
      if (this.#ended) throw new InputEndedError();
      this.#wanted = length;
      this.#stream.resume();
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
      this.#wake = ignore;
    }
    this.#wanted = 0;
    return this.#gather(length);
  }

  /** Takes bytes. @throws InputEndedError */
  async take(length: number): Promise<Buffer> {
    const bytes = await this.peek(length);
    this.#drop(length);
    return bytes;
  }

  /** The next message when all of it is here already. @throws MalformedInputError */
  takeMessage(): ClientMessage | undefined {
    if (this.#length < 5) return undefined;
    const length = this.#messageLength(this.#gather(5));
    if (this.#length < length) return undefined;
    const bytes = this.#gather(length);
    this.#drop(length);
    return { type: String.fromCharCode(bytes[0] ?? 0), bytes, body: bytes.subarray(5) };
  }

  /** The next message. @throws MalformedInputError, InputEndedError */
  async nextMessage(maxMessageBytes = this.#maxMessageBytes): Promise<ClientMessage> {
    const length = this.#messageLength(await this.peek(5), maxMessageBytes);
    const bytes = await this.take(length);
    return { type: String.fromCharCode(bytes[0] ?? 0), bytes, body: bytes.subarray(5) };
  }

  #messageLength(head: Buffer, maxMessageBytes = this.#maxMessageBytes): number {
    const length = head.readUInt32BE(1);
    if (length < 4) throw new MalformedInputError('invalid message length');
    if (length > maxMessageBytes)
      throw new MalformedInputError(`a message is longer than ${maxMessageBytes} bytes`);
    return length + 1;
  }

  // Chunks are joined once they are all here, so that each byte is copied once or twice however they arrive.
  #gather(length: number): Buffer {
    if (this.#front.length < length) {
      this.#front = Buffer.concat([this.#front, ...this.#rest]);
      this.#rest = [];
    }
    return this.#front.subarray(0, length);
  }

  #drop(length: number): void {
    this.#front = this.#front.subarray(length);
    this.#length -= length;
    if (this.#length < readAheadBytes && !this.#ended) this.#stream.resume();
  }
}

function ignore(): void {
  // Nobody waits.
}
