import { ConfigError } from '../errors.ts';

/**
 * The connection URL that `dbCredentials` of drizzle-kit's config means; undefined where it has none, or an empty one.
 *
 * @throws ConfigError for credentials of a driver that is no connection to PostgreSQL
 */
export function credentialsUrl(credentials: unknown): string | undefined {
  if (typeof credentials !== 'object' || credentials === null) return undefined;
  const { url, host, port, user, password, database, ssl }: Readonly<Record<string, unknown>> = {
    ...credentials,
  };
  if (typeof url === 'string') return url === '' ? undefined : url;
  if (typeof host !== 'string' || typeof database !== 'string') {
    throw new ConfigError('drizzle.config.ts cannot be used', [
      { path: 'dbCredentials', message: 'must have url, or host and database' },
    ]);
  }
  const result = new URL('postgres://localhost');
  result.hostname = host;
  if (typeof port === 'number') result.port = String(port);
  if (typeof user === 'string') result.username = encodeURIComponent(user);
  if (typeof password === 'string') result.password = encodeURIComponent(password);
  result.pathname = `/${encodeURIComponent(database)}`;
  if (typeof ssl === 'string') result.searchParams.set('sslmode', ssl);
  else if (ssl === true) result.searchParams.set('sslmode', 'verify-full');
  return result.href;
}
