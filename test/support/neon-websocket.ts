import { once } from 'node:events';
import { createConnection, type AddressInfo, type Socket } from 'node:net';

import { neonConfig } from '@neondatabase/serverless';
import pg from 'pg';
import { WebSocket, WebSocketServer } from 'ws';

// The driver's settings are one for the whole process. A connection string's own host and port are the WebSocket's here.
neonConfig.webSocketConstructor = WebSocket;
neonConfig.useSecureWebSocket = false;
neonConfig.wsProxy = (host, port) => `${host}:${port}/v2`;

/** The process id that the protocol names for every backend, as Neon's proxy puts its own there. */
export const processIdOfProxy = 7;

interface Target {
  readonly host: string;
  readonly port: number;
}

export interface NeonWebSocketOptions {
  /**
   * Who logs in to PostgreSQL: the proxy, as Neon's does, or the client, through what is a pipe from the first byte on, as
   * github.com/neondatabase/wsproxy is. Default: `proxy`.
   */
  readonly login?: 'proxy' | 'client';
}

export interface NeonWebSocket {
  /** The URL with the proxy's address in place of the server's. */
  through(url: string): string;
  /** Cuts every connection off without a word, as a network that breaks does. */
  cutOff(): void;
  /** Ends the next session in the frame that says that it may begin, as a server that is being stopped may. */
  stopNext(): void;
  close(): Promise<void>;
}

/**
 * Stands for the WebSocket side of Neon's own proxy, which cannot be run here, with a real PostgreSQL behind it. As there,
 * it asks for the password in the clear, logs in with it itself, names a process id of its own, and from then on passes
 * bytes: one WebSocket, one backend.
 */
export async function startNeonWebSocket(
  target: Target,
  { login = 'proxy' }: NeonWebSocketOptions = {},
): Promise<NeonWebSocket> {
  const server = new WebSocketServer({ host: '127.0.0.1', port: 0, perMessageDeflate: false });
  let stopsNext = false;
  server.on('connection', (socket) => {
    if (login === 'client') {
      const wire = createConnection(target);
      socket.on('message', (bytes: Buffer) => wire.write(bytes));
      passOn(wire, socket);
      return;
    }
    const lastWords = stopsNext ? errorResponse('the server is being stopped') : Buffer.alloc(0);
    stopsNext = false;
    logIn(socket, target, lastWords).catch((error: unknown) => {
      socket.send(errorResponse(error instanceof Error ? error.message : 'unknown'));
      socket.close();
    });
  });
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    through: (url) => {
      const moved = new URL(url);
      moved.hostname = '127.0.0.1';
      moved.port = String(port);
      return moved.href;
    },
    cutOff: () => {
      for (const socket of server.clients) socket.terminate();
    },
    stopNext: () => {
      stopsNext = true;
    },
    close: async () => {
      for (const socket of server.clients) socket.terminate();
      await new Promise((resolve) => {
        server.close(resolve);
      });
    },
  };
}

async function logIn(socket: WebSocket, target: Target, lastWords: Buffer): Promise<void> {
  const input = new Input(socket);
  const startup = await input.take(4, (head) => head.readInt32BE(0));
  const settings = startup.subarray(8).toString('utf8').split('\0');
  const setting = (name: string): string | undefined => {
    const index = settings.findIndex((text, n) => n % 2 === 0 && text === name);
    return index === -1 ? undefined : settings[index + 1];
  };
  socket.send(message('R', int32(3)));
  const password = await input.take(5, (head) => head.readInt32BE(1) + 1);

  const backend = new pg.Client({
    ...target,
    user: setting('user'),
    database: setting('database'),
    application_name: setting('application_name'),
    options: setting('options'),
    password: password.subarray(5, -1).toString('utf8'),
  });
  backend.on('error', () => {});
  const parameters: Buffer[] = [];
  backend.connection.on('parameterStatus', (parameter: { parameterName: string; parameterValue: string }) => {
    parameters.push(
      message('S', Buffer.from(`${parameter.parameterName}\0${parameter.parameterValue}\0`, 'utf8')),
    );
  });
  await backend.connect();

  // From here on the bytes are not the client's any more.
  const wire = backend.connection.stream as Socket;
  wire.removeAllListeners('data');
  passOn(wire, socket);
  socket.send(
    Buffer.concat([
      message('R', int32(0)),
      ...parameters,
      message('K', int32(processIdOfProxy), int32(1)),
      message('Z', Buffer.from('I')),
      lastWords,
    ]),
  );
  if (lastWords.length > 0) wire.destroy();
  input.forward((bytes) => wire.write(bytes));
}

function passOn(wire: Socket, socket: WebSocket): void {
  wire.setNoDelay(true);
  wire.on('data', (bytes) => socket.send(bytes));
  wire.on('error', () => socket.terminate());
  wire.on('close', () => socket.close());
  socket.on('close', () => wire.destroy());
}

/** What a client sends, whose frames end anywhere. */
class Input {
  #bytes = Buffer.alloc(0);
  #arrived: () => void = () => {};
  #receiver: ((bytes: Buffer) => void) | undefined;

  constructor(socket: WebSocket) {
    socket.on('message', (data) => {
      const bytes = data as Buffer;
      if (this.#receiver !== undefined) {
        this.#receiver(bytes);
        return;
      }
      this.#bytes = Buffer.concat([this.#bytes, bytes]);
      this.#arrived();
    });
  }

  /** A message whose length is known from its head. */
  async take(headLength: number, lengthOf: (head: Buffer) => number): Promise<Buffer> {
    while (this.#bytes.length < headLength || this.#bytes.length < lengthOf(this.#bytes)) {
      await new Promise<void>((resolve) => {
        this.#arrived = resolve;
      });
    }
    const length = lengthOf(this.#bytes);
    const taken = this.#bytes.subarray(0, length);
    this.#bytes = this.#bytes.subarray(length);
    return taken;
  }

  forward(receiver: (bytes: Buffer) => void): void {
    if (this.#bytes.length > 0) receiver(this.#bytes);
    this.#receiver = receiver;
  }
}

function int32(number: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32BE(number);
  return bytes;
}

function message(type: string, ...parts: readonly Buffer[]): Buffer {
  const body = Buffer.concat(parts);
  return Buffer.concat([Buffer.from(type), int32(body.length + 4), body]);
}

function errorResponse(text: string): Buffer {
  return message('E', Buffer.from(`SERROR\0VERROR\0CXX000\0M${text}\0\0`, 'utf8'));
}
