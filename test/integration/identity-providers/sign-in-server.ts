import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';

/** An HTTP server on a free port of 127.0.0.1, which gets its listener once the origin is known. */
export interface SignInServer {
  readonly origin: string;
  /** Takes the place of the listener before. */
  serve(listener: RequestListener): void;
  close(): Promise<void>;
}

export async function startSignInServer(): Promise<SignInServer> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo; // a server on TCP has no other kind of address
  return {
    origin: `http://127.0.0.1:${port}`,
    serve: (listener) => {
      server.removeAllListeners('request').on('request', listener);
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
