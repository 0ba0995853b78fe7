import { createConnection, createServer, type AddressInfo, type Socket } from 'node:net';

export interface DelayingProxy {
  /** The URL with the proxy's address in place of the server's. */
  through(url: string): string;
  close(): Promise<void>;
}

/**
 * A TCP proxy that passes every byte on after so many milliseconds, each way: a network that is that far away. With 0 there
 * is none, and URLs stay what they are.
 */
export async function startDelayingProxy(url: string, delayMs: number): Promise<DelayingProxy> {
  if (delayMs === 0) return { through: (original) => original, close: () => Promise.resolve() };
  const { hostname, port } = new URL(url);
  const sockets = new Set<Socket>();
  const server = createServer((client) => {
    const upstream = createConnection({ host: hostname, port: Number(port) });
    for (const [from, to] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      sockets.add(from);
      from.setNoDelay(true);
      // Timers of one length fire in the order in which they were set, so that bytes keep theirs.
      from.on('data', (bytes) => setTimeout(() => to.write(bytes), delayMs));
      from.on('error', () => to.destroy());
      from.on('close', () => {
        sockets.delete(from);
        setTimeout(() => to.end(), delayMs);
      });
    }
  });
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  const address = server.address() as AddressInfo;
  return {
    through: (original) => {
      const moved = new URL(original);
      moved.hostname = '127.0.0.1';
      moved.port = String(address.port);
      return moved.href;
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
