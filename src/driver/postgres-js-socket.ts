import { Socket } from 'node:net';

import type { ClientOptions } from './postgres-js-connection.ts';

/**
 * Lets the connections that a client makes from now on send what they have at once (TCP_NODELAY), as those of
 * node-postgres do. postgres.js writes as soon as it has 1,024 bytes, and with Nagle's algorithm the rest of what was
 * meant to travel together stays behind until the first part has been acknowledged: one round trip more.
 *
 * A client with a `socket` of its own, several hosts or a Unix socket is left as it is.
 *
 * @see https://datatracker.ietf.org/doc/html/rfc896
 */
export function sendWithoutDelay(options: ClientOptions): void {
  const [host] = options.host;
  const [port] = options.port;
  if (
    options.socket ||
    options.path ||
    options.host.length !== 1 ||
    host === undefined ||
    port === undefined
  ) {
    return;
  }
  options.socket = () => {
    const socket = new Socket();
    socket.setNoDelay(true);
    socket.connect(port, host);
    // postgres.js asks a TLS connection for the certificate of this name.
    return Object.assign(socket, { host, port });
  };
}
