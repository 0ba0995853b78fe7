/** What of `neonConfig` of `@neondatabase/serverless` is set here. */
export interface NeonConfigLike {
  fetchEndpoint: unknown;
  wsProxy?: unknown;
  useSecureWebSocket?: boolean;
}

/**
 * Points the unmodified `@neondatabase/serverless` driver, and so drizzle-orm/neon-http and drizzle-orm/neon-serverless, at a
 * gateway. The driver cannot derive a local address from a connection string itself: it takes `127.0.0.1` for a host name and
 * puts `api` in place of its first part.
 *
 * `neonConfig` is global to the process: call it once at start, and not in production code that talks to Neon.
 *
 * @param neonConfig the driver's `neonConfig`
 * @param url where the gateway listens, as it says at start, such as `http://127.0.0.1:4444`
 * @throws TypeError when the URL is not an http or https one
 * @example
 * import { neon, neonConfig, Pool } from '@neondatabase/serverless';
 * import { useGateway } from 'drizzle-authorize/gateway';
 *
 * useGateway(neonConfig, 'http://127.0.0.1:4444');
 * const connectionString = 'postgresql://authenticated@127.0.0.1/todos';
 * const sql = neon(connectionString, { authToken: () => session.getToken() });
 * // Over WebSocket the token is the password. A pool is one person's: its connections are shared.
 * const pool = new Pool({ user: 'authenticated', database: 'todos', password: () => session.getToken() });
 */
export function useGateway(neonConfig: NeonConfigLike, url: string | URL): void {
  const endpoint = URL.canParse(url) ? new URL(url) : undefined;
  if (endpoint === undefined || !['http:', 'https:'].includes(endpoint.protocol)) {
    throw new TypeError('useGateway: the url must be an http or https one, such as http://127.0.0.1:4444');
  }
  const path = endpoint.pathname.replace(/\/(?:sql)?$/u, '');
  endpoint.pathname = `${path}/sql`;
  neonConfig.fetchEndpoint = () => endpoint.href;
  // The driver puts the scheme in front.
  neonConfig.wsProxy = () => `${endpoint.host}${path}/v2`;
  neonConfig.useSecureWebSocket = endpoint.protocol === 'https:';
}
