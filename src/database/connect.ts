import pg from 'pg';

import { AuthorizeError } from '../errors.ts';

/**
 * Connects as the URL says, runs `work`, and disconnects.
 *
 * @throws AuthorizeError `ERR_DATABASE_UNREACHABLE`, naming `option` and never the URL, which holds a password
 */
export async function withConnection<T>(
  url: string,
  option: string,
  work: (client: pg.Client) => Promise<T>,
): Promise<T> {
  const client = await connect(url, option);
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}

async function connect(url: string, option: string): Promise<pg.Client> {
  if (!URL.canParse(url) || !/^postgres(?:ql)?:$/u.test(new URL(url).protocol)) {
    throw new AuthorizeError('ERR_DATABASE_UNREACHABLE', `${option} is not a postgres:// URL`);
  }
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 10_000 });
  // Without a listener a connection that breaks would end the process; the query at work is told as well.
  client.on('error', () => {});
  try {
    await client.connect();
    return client;
  } catch (error) {
    await client.end().catch(() => {});
    throw new AuthorizeError('ERR_DATABASE_UNREACHABLE', `the database of ${option} ${reasonOf(error)}`, {
      cause: error,
      hint: `check ${option} and that PostgreSQL runs there`,
    });
  }
}

function reasonOf(error: unknown): string {
  if (error instanceof pg.DatabaseError) return `refused the login (${error.code ?? 'no code'})`;
  const code = error instanceof Error && 'code' in error ? ` (${String(error.code)})` : '';
  return `cannot be reached${code}`;
}
