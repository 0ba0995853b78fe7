import { createConnection, createServer, type AddressInfo, type Socket } from 'node:net';

/** A TCP proxy in front of Postgres that counts how often a client has to wait for an answer before it goes on. */
export interface CountingProxy {
  /** The URL with the proxy's address in place of the server's. */
  through(url: string): string;
  /** Round trips since the last call: turns from answer to question, over all connections. */
  takeRoundTrips(): number;
  /** Breaks every connection without a word, as a network that fails does. */
  breakConnections(): void;
  close(): Promise<void>;
}

export async function startCountingProxy(target: {
  readonly host: string;
  readonly port: number;
}): Promise<CountingProxy> {
  let roundTrips = 0;
  const sockets = new Set<Socket>();
  const server = createServer((client) => {
    const upstream = createConnection(target);
    let clientHasTheTurn = true;
    let isNew = true;
    client.on('data', (chunk) => {
      if (clientHasTheTurn || isNew) roundTrips += 1;
      clientHasTheTurn = false;
      isNew = false;
      upstream.write(chunk);
    });
    upstream.on('data', (chunk) => {
      clientHasTheTurn = true;
      client.write(chunk);
    });
    for (const [socket, other] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      sockets.add(socket);
      socket.setNoDelay(true);
      socket.on('error', () => other.destroy());
      socket.on('close', () => {
        sockets.delete(socket);
        other.end();
      });
    }
  });
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  const { port } = server.address() as AddressInfo;
  return {
    through: (url) => {
      const moved = new URL(url);
      moved.hostname = '127.0.0.1';
      moved.port = String(port);
      return moved.href;
    },
    takeRoundTrips: () => {
      const counted = roundTrips;
      roundTrips = 0;
      return counted;
    },
    breakConnections: () => {
      for (const socket of sockets) socket.resetAndDestroy();
    },
    close: () =>
      new Promise((resolve) => {
        for (const socket of sockets) socket.destroy();
        server.close(() => {
          resolve();
        });
      }),
  };
}
