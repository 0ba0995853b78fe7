import { createServer } from 'node:http';
import { createServer as createSecureServer, type Server as SecureServer } from 'node:https';
import { setTimeout as delay } from 'node:timers/promises';
import { createSecureContext, type SecureContext } from 'node:tls';

import { closeServer, createWireServer, listen } from './listen.ts';
import { createOperationsServer } from './operations/operations-server.ts';
import type { SqlService, SqlServiceOptions, TokenOptions } from './sql-service.ts';
import { createTlsDoor, type TlsDoor } from './wire/tls-door.ts';
import type { CancelKey } from './wire/wire-service.ts';

export type { AuthorizeEvent, Observe, QueryEvent, RefusalEvent } from '../observe.ts';
export type { LineLogger } from '../config/define-config.ts';
export type { TokenOptions } from './sql-service.ts';
export type { CancelKey } from './wire/wire-service.ts';
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
  /**
   * The certificate for HTTPS, WebSocket and TCP, which are then not served without TLS. Default: none, so that tokens come in the
   * clear.
   */
  readonly tls?: TlsOptions;
  /**
   * For how long `close()` goes on serving as before, while `/readyz` says that it is going: what sends requests has to notice that
   * first. In milliseconds. Default: 0.
   */
  readonly drainDelayMs?: number;
}

/** A certificate of the gateway, with those that lead to its authority behind it, and its private key; in PEM. */
export interface TlsOptions {
  readonly cert: string;
  readonly key: string;
}

/** What a gateway takes on while it runs. */
export interface ReloadOptions extends TokenOptions {
  /** In place of the certificate that it has. Default: it stays. */
  readonly tls?: TlsOptions;
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
  reload(options: ReloadOptions): Promise<void>;
  /** Cancels what runs in the session over WebSocket or TCP that has this key, if there is one. See `cancelElsewhere`. */
  cancel(key: CancelKey): void;
  /**
   * Waits for `drainDelayMs`, stops listening, lets requests and transactions at work end within 10 s, cuts off what is left, and closes the pools.
   *
   * @returns whether nothing was cut off
   */
  close(): Promise<boolean>;
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
  const {
    host = '127.0.0.1',
    port = 4444,
    tcpPort,
    operationsPort,
    operationsHost = '127.0.0.1',
    drainDelayMs = 0,
  } = options;
  if (options.pooler !== undefined && tcpPort !== undefined) {
    throw new TypeError(
      'createGateway: tcpPort: sessions are not served behind a transaction pooler; leave it out',
    );
  }
  // The parser and the driver load with the first gateway: who imports useGateway alone needs neither.
  const { createSqlService } = await import('./sql-service.ts');
  const service = await createSqlService(options, { withMetrics: operationsPort !== undefined });
  const secured = options.tls && createSecuredServers(options.tls, service);
  const server = secured?.server ?? createServer(slowestRequest, service.handle);
  server.on('upgrade', service.upgrade);
  const socketServer =
    tcpPort === undefined ? undefined : createWireServer(secured?.door.accept ?? service.accept);
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
    let closed: Promise<boolean> | undefined;
    const authority = authorityOf(host, address.port);
    return {
      url: `${secured ? 'https' : 'http'}://${authority}`,
      port: address.port,
      webSocketUrl: `${secured ? 'wss' : 'ws'}://${authority}/v2`,
      tcp: tcp && {
        host,
        port: tcp.port,
        url: `postgresql://${authorityOf(host, tcp.port)}/${encodeURIComponent(service.database)}${secured ? '?sslmode=require' : ''}`,
      },
      operations: operations && {
        host: operationsHost,
        port: operations.port,
        url: `http://${authorityOf(operationsHost, operations.port)}`,
      },
      reload: async ({ tls, ...tokens }) => {
        if (tls !== undefined && secured === undefined) {
          throw new TypeError('reload: tls: the gateway was started without; that takes a restart');
        }
        const context = tls && secureContextOf(tls, 'reload');
        await service.reload(tokens);
        if (tls !== undefined && context !== undefined) secured?.use(tls, context);
      },
      cancel: (key) => {
        service.cancel(key);
      },
      close: () =>
        (closed ??= (async () => {
          service.readiness.drain();
          if (drainDelayMs > 0) await delay(drainDelayMs);
          socketServer?.close();
          secured?.door.close();
          const inTime = await Promise.all([closeServer(server, 10_000), service.endSessions()]);
          await service.close();
          // The last, since it says that the rest is going.
          if (operationsServer !== undefined) await closeServer(operationsServer, 1_000);
          return !inTime.includes(false);
        })()),
    };
  } catch (error) {
    for (const opened of [server, socketServer, operationsServer]) opened?.close();
    await service.close();
    throw error;
  }
}

interface SecuredServers {
  readonly server: SecureServer;
  /** In front of the PostgreSQL protocol over TCP. */
  readonly door: TlsDoor;
  /** Another certificate, from the next connection on. */
  use(tls: TlsOptions, context: SecureContext): void;
}

function createSecuredServers(tls: TlsOptions, service: SqlService): SecuredServers {
  let secureContext = secureContextOf(tls, 'createGateway');
  const server = createSecureServer({ ...slowestRequest, cert: tls.cert, key: tls.key }, service.handle);
  return {
    server,
    door: createTlsDoor({ secureContext: () => secureContext, accept: service.accept }),
    use({ cert, key }, context) {
      server.setSecureContext({ cert, key });
      secureContext = context;
    },
  };
}

/** @throws TypeError without a word of what is in it */
function secureContextOf({ cert, key }: TlsOptions, caller: string): SecureContext {
  try {
    return createSecureContext({ cert, key });
  } catch {
    throw new TypeError(`${caller}: tls: cert and key must be a certificate and its private key, in PEM`);
  }
}

function authorityOf(host: string, port: number): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}
