import { once } from 'node:events';
import { createConnection, type Socket } from 'node:net';

/** A message of the server. */
export interface ServerMessage {
  readonly type: string;
  readonly body: Buffer;
}

/** A client of the PostgreSQL protocol that sends what it is told to, right or wrong. */
export interface WireClient {
  readonly socket: Socket;
  send(...packets: readonly Buffer[]): void;
  /** The messages up to the next of this type, with it. Fails when the server closes before. */
  until(type: string): Promise<readonly ServerMessage[]>;
  /** One byte that is no message, as for an SSLRequest. */
  letter(): Promise<string>;
  /** The messages up to the end of the connection. */
  untilClosed(): Promise<readonly ServerMessage[]>;
}

export async function openWireClient(port: number): Promise<WireClient> {
  const socket = createConnection({ host: '127.0.0.1', port });
  socket.on('error', () => {});
  await once(socket, 'connect');
  let received = Buffer.alloc(0);
  let hasClosed = false;
  let changed = (): void => {};
  socket.on('data', (chunk) => {
    received = Buffer.concat([received, chunk]);
    changed();
  });
  socket.on('close', () => {
    hasClosed = true;
    changed();
  });
  const change = (): Promise<void> =>
    new Promise((resolve) => {
      changed = resolve;
    });
  const next = async (): Promise<ServerMessage | undefined> => {
    for (;;) {
      const length = received.length < 5 ? Infinity : received.readUInt32BE(1) + 1;
      if (received.length >= length) {
        const one = { type: String.fromCharCode(received[0] ?? 0), body: received.subarray(5, length) };
        received = received.subarray(length);
        return one;
      }
      if (hasClosed) return undefined;
      await change();
    }
  };
  return {
    socket,
    send: (...packets) => {
      socket.write(Buffer.concat(packets));
    },
    letter: async () => {
      while (received.length === 0) await change();
      const letter = received.toString('latin1', 0, 1);
      received = received.subarray(1);
      return letter;
    },
    until: async (type) => {
      const messages: ServerMessage[] = [];
      for (;;) {
        const one = await next();
        if (one === undefined) throw new Error(`closed after ${messages.map((each) => each.type).join('')}`);
        messages.push(one);
        if (one.type === type) return messages;
      }
    },
    untilClosed: async () => {
      const messages: ServerMessage[] = [];
      for (let one = await next(); one !== undefined; one = await next()) messages.push(one);
      return messages;
    },
  };
}

export function startupPacket(settings: Readonly<Record<string, string>>, version = 196_608): Buffer {
  const written = Object.entries(settings).map(([name, value]) => `${name}\0${value}\0`);
  return packet(int32(version), Buffer.from(`${written.join('')}\0`));
}

/** A packet without a type. */
export function packet(...parts: readonly Buffer[]): Buffer {
  const body = Buffer.concat(parts);
  return Buffer.concat([int32(body.length + 4), body]);
}

export function message(type: string, ...parts: readonly (Buffer | string)[]): Buffer {
  return Buffer.concat([Buffer.from(type), packet(...parts.map((part) => Buffer.from(part)))]);
}

export const password = (token: string): Buffer => message('p', `${token}\0`);
export const query = (text: string): Buffer => message('Q', `${text}\0`);
export const parse = (name: string, text: string): Buffer => message('P', `${name}\0${text}\0`, int16(0));
export const bind = (statement: string, portal = ''): Buffer =>
  message('B', `${portal}\0${statement}\0`, int16(0), int16(0), int16(0));
export const execute = (portal = ''): Buffer => message('E', `${portal}\0`, int32(0));
export const sync = message('S');

/** The fields of an ErrorResponse, by their letters. */
export function errorFields({ body }: ServerMessage): Readonly<Record<string, string>> {
  return Object.fromEntries(
    body
      .toString()
      .split('\0')
      .filter((field) => field !== '')
      .map((field) => [field.slice(0, 1), field.slice(1)]),
  );
}

export function int32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value >>> 0);
  return bytes;
}

function int16(value: number): Buffer {
  const bytes = Buffer.alloc(2);
  bytes.writeInt16BE(value);
  return bytes;
}
