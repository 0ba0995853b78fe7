import type { Server } from 'node:http';
import type { Server as SecureServer } from 'node:https';
import { createServer, type AddressInfo, type Server as SocketServer, type Socket } from 'node:net';

import { AuthorizeError } from '../errors.ts';

/**
 * Starts to listen, and says where.
 *
 * @param option how the command line calls the port
 * @throws AuthorizeError `ERR_PORT_IN_USE`
 */
export function listen(
  server: SocketServer,
  host: string,
  port: number,
  option: '--port' | '--tcp-port' | '--operations-port' = '--port',
): Promise<AddressInfo> {
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      reject(
        error.code === 'EADDRINUSE'
          ? new AuthorizeError('ERR_PORT_IN_USE', `the port ${port} on ${host} is taken`, {
              cause: error,
              hint: `choose another with ${option}, or 0 for any that is free`,
            })
          : error,
      );
    });
    // Numbers and readiness are those of one process, also where several share the other ports.
    server.listen({ port, host, exclusive: option === '--operations-port' }, () => {
      // A TCP server that listens has an address with a port.
      resolve(server.address() as AddressInfo);
    });
  });
}

/** A server of the PostgreSQL protocol over TCP, which does not listen yet. */
export function createWireServer(accept: (client: Socket) => void): SocketServer {
  return createServer({ keepAlive: true, noDelay: true }, accept);
}

/**
 * Stops: no new connections, idle ones closed at once, those at work after their answer, all after the deadline.
 *
 * @returns whether none was cut off
 */
export async function closeServer(server: Server | SecureServer, deadlineMs: number): Promise<boolean> {
  // Those at work now would otherwise stay open, idle, for 5 s after their answer.
  server.keepAliveTimeout = 1;
  const closed = new Promise<void>((resolve) => {
    server.close(() => {
      resolve();
    });
  });
  server.closeIdleConnections();
  let isInTime = true;
  const deadline = setTimeout(() => {
    isInTime = false;
    server.closeAllConnections();
  }, deadlineMs);
  await closed;
  clearTimeout(deadline);
  return isInTime;
}
