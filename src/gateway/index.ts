import { createServer } from 'node:http';

import { closeServer, listen } from './listen.ts';
import type { SqlServiceOptions } from './sql-service.ts';

export type { AuthorizeEvent, Observe, QueryEvent, RefusalEvent } from '../observe.ts';
export { useGateway, type NeonConfigLike } from './use-gateway.ts';

export interface GatewayOptions extends SqlServiceOptions {
  /** Default: `127.0.0.1`. */
  readonly host?: string;
  /** Default: 4444; 0 for any that is free. */
  readonly port?: number;
}

export interface Gateway {
  /** Where it listens, for `useGateway(neonConfig, url)`. */
  readonly url: string;
  readonly port: number;
  /** Stops listening, lets requests at work end within 10 s, and closes the pools. */
  close(): Promise<void>;
}

/**
 * Starts a gateway: an HTTP server that speaks Neon's protocol at `/sql`, verifies the JWT of each request, and runs its
 * SQL on a pool that is logged in as the role it asks for, under the identity of the token.
 *
 * @throws TypeError when an option is wrong
 * @throws AuthorizeError `ERR_KEY_MISSING`, `ERR_KEY_INVALID`, `ERR_PORT_IN_USE`
 * @example
 * const gateway = await createGateway({
 *   connections: { authenticated: process.env.DATABASE_AUTHENTICATED_URL! },
 *   providers: [jwks({ url: 'https://id.example/.well-known/jwks.json', issuer: 'https://id.example' })],
 * });
 * @see reference: Neon's SQL over HTTP, as `@neondatabase/serverless` sends it
 */
export async function createGateway(options: GatewayOptions): Promise<Gateway> {
  const { host = '127.0.0.1', port = 4444 } = options;
  // The parser and the driver load with the first gateway: who imports useGateway alone needs neither.
  const { createSqlService } = await import('./sql-service.ts');
  const service = await createSqlService(options);
  const server = createServer(service.handle);
  try {
    const address = await listen(server, host, port);
    return {
      url: `http://${host.includes(':') ? `[${host}]` : host}:${address.port}`,
      port: address.port,
      close: async () => {
        await closeServer(server, 10_000);
        await service.close();
      },
    };
  } catch (error) {
    await service.close();
    throw error;
  }
}
