import { createServer } from 'node:http';

import { closeServer, createWireServer, listen } from './listen.ts';
import { createOperationsServer } from './operations/operations-server.ts';
import type { SqlServiceOptions, TokenOptions } from './sql-service.ts';

export type { AuthorizeEvent, Observe, QueryEvent, RefusalEvent } from '../observe.ts';
export type { LineLogger } from '../config/define-config.ts';
export type { TokenOptions } from './sql-service.ts';
export { useGateway, type NeonConfigLike } from './use-gateway.ts';

export interface GatewayOptions extends SqlServiceOptions {
  /** Default: `127.0.0.1`. */
  readonly host?: string;
  /** For HTTP and WebSocket. Default: 4444; 0 for any that is free. */
  readonly port?: number;
  /** For the PostgreSQL protocol over TCP; 0 for any that is free. Default: none, so that it is not served. */
  readonly tcpPort?: number;
  /**
   * For `/healthz`, `/readyz` and `/metrics`, by HTTP and without asking who somebody is; 0 for any that is free. Default: none, so
   * that they are not served. Needs the package `prom-client`.
   */
  readonly operationsPort?: number;
  /** Where that port is open. Default: `127.0.0.1`. */
  readonly operationsHost?: string;
}

/** Where a gateway listens for something besides HTTP and WebSocket. */
export interface GatewayAddress {
  readonly host: string;
  readonly port: number;
  /** For the PostgreSQL protocol a connection URL without a user, which is the role, and a password, which is the token. */
  readonly url: string;
}

export interface Gateway {
  /** Where it listens, for `useGateway(neonConfig, url)`. */
  readonly url: string;
  readonly port: number;
  /** Where WebSockets are taken. */
  readonly webSocketUrl: string;
  /** Where `psql` and other clients connect; undefined without `tcpPort`. */
  readonly tcp: GatewayAddress | undefined;
  /** Where `/healthz`, `/readyz` and `/metrics` are; undefined without `operationsPort`. */
  readonly operations: GatewayAddress | undefined;
  /**
   * Accepts tokens of these providers, or of this verifier, and no others from now on. Requests at work end as they began, and
   * sessions last until their tokens expire. Key sets are fetched before, so that nobody waits for them.
   *
   * @throws TypeError when an option is wrong; nothing has changed then
   */
  reload(tokens: TokenOptions): Promise<void>;
  /** Stops listening, lets requests and transactions at work end within 10 s, and closes the pools. */
  close(): Promise<void>;
}

/** What a client is given to send a request; then it is answered 408, and its connection closed. */
const slowestRequest = { headersTimeout: 15_000, requestTimeout: 30_000, connectionsCheckingInterval: 5_000 };

/**
 * Starts a gateway: a server that verifies a JWT, and runs SQL under its identity as the role that is asked for.
 *
 * By HTTP it speaks Neon's protocol at `/sql`, where each request has its token. Over WebSocket, on any path, and over TCP it
 * speaks PostgreSQL's own: the token is the password, the user is the role, and the session ends when the token expires. Such a
 * session runs what a request may, and transactions, settings without an effect outside it, prepared statements and cursors.
 *
 * @throws TypeError when an option is wrong
 * @throws AuthorizeError `ERR_KEY_MISSING`, `ERR_KEY_INVALID`, `ERR_PORT_IN_USE`
 * @example
 * const gateway = await createGateway({
 *   connections: { authenticated: process.env.DATABASE_AUTHENTICATED_URL! },
 *   providers: [jwks({ url: 'https://id.example/.well-known/jwks.json', issuer: 'https://id.example' })],
 * });
 * @see reference: Neon's SQL over HTTP, as `@neondatabase/serverless` sends it
 * @see https://www.postgresql.org/docs/current/protocol.html
 */
export async function createGateway(options: GatewayOptions): Promise<Gateway> {
  const { host = '127.0.0.1', port = 4444, tcpPort, operationsPort, operationsHost = '127.0.0.1' } = options;
  // The parser and the driver load with the first gateway: who imports useGateway alone needs neither.
  const { createSqlService } = await import('./sql-service.ts');
  const service = await createSqlService(options, { withMetrics: operationsPort !== undefined });
  const server = createServer(slowestRequest, service.handle).on('upgrade', service.upgrade);
  const socketServer = tcpPort === undefined ? undefined : createWireServer(service.accept);
  const operationsServer =
    service.metrics && createOperationsServer({ ...service, metrics: service.metrics });
  try {
    const address = await listen(server, host, port);
    const tcp =
      socketServer && tcpPort !== undefined
        ? await listen(socketServer, host, tcpPort, '--tcp-port')
        : undefined;
    const operations =
      operationsServer &&
      (await listen(operationsServer, operationsHost, operationsPort ?? 0, '--operations-port'));
    let closed: Promise<void> | undefined;
    const authority = authorityOf(host, address.port);
    return {
      url: `http://${authority}`,
      port: address.port,
      webSocketUrl: `ws://${authority}/v2`,
      tcp: tcp && {
        host,
        port: tcp.port,
        url: `postgresql://${authorityOf(host, tcp.port)}/${encodeURIComponent(service.database)}`,
      },
      operations: operations && {
        host: operationsHost,
        port: operations.port,
        url: `http://${authorityOf(operationsHost, operations.port)}`,
      },
      reload: (tokens) => service.reload(tokens),
      close: () =>
        (closed ??= (async () => {
          service.readiness.drain();
          socketServer?.close();
          await Promise.all([closeServer(server, 10_000), service.endSessions()]);
          await service.close();
          // The last, since it says that the rest is going.
          if (operationsServer !== undefined) await closeServer(operationsServer, 1_000);
        })()),
    };
  } catch (error) {
    for (const opened of [server, socketServer, operationsServer]) opened?.close();
    await service.close();
    throw error;
  }
}

function authorityOf(host: string, port: number): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}
