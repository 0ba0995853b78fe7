import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

import pg from 'pg';

import { answerTo } from '../../src/gateway/http/error-body.ts';
import {
  isolationLevels,
  parseBody,
  parseHeaders,
  readBody,
  type BatchOptions,
  type SqlQuery,
} from '../../src/gateway/http/request.ts';
import { resultToJson } from '../../src/gateway/http/result.ts';
import { Refusal } from '../../src/gateway/refusal.ts';

/** One request that the endpoint got. */
interface EndpointRequest {
  readonly token: string | undefined;
  readonly queries: readonly SqlQuery[];
  readonly isBatch: boolean;
}

export interface NeonEndpoint {
  /** For `neonConfig.fetchEndpoint`. */
  readonly url: string;
  /** The requests since the last call. */
  takeRequests(): readonly EndpointRequest[];
  close(): Promise<void>;
}

/** How Neon's proxy clears a connection when a request is done with it. */
const neonReset = `ROLLBACK; CLOSE ALL; SET SESSION AUTHORIZATION DEFAULT; RESET ALL; DEALLOCATE ALL; UNLISTEN *;
  SELECT pg_advisory_unlock_all(); DISCARD TEMP; DISCARD SEQUENCES`;

/**
 * Stands for Neon's own proxy, which cannot be run here: `POST /sql` of its protocol, with a real PostgreSQL behind it.
 * As there, user and password of the connection string log in, a request with a token is refused, every statement goes
 * by the extended protocol, a batch is one transaction, and a connection is cleared before the next request has it.
 * It knows nothing of seals.
 *
 * @param maxConnections to PostgreSQL, for each login
 */
export async function startNeonEndpoint(
  target: { readonly host: string; readonly port: number },
  { maxConnections = 4 } = {},
): Promise<NeonEndpoint> {
  const pools = new Map<string, pg.Pool>();
  const taken: EndpointRequest[] = [];

  const poolOf = (connectionString: URL): pg.Pool => {
    const { username, password, pathname } = connectionString;
    if (password === '') throw new Refusal('missing authentication credentials: required password');
    const login = `${username}:${password}${pathname}`;
    const known = pools.get(login);
    if (known !== undefined) return known;
    const pool = new pg.Pool({
      ...target,
      user: decodeURIComponent(username),
      password: decodeURIComponent(password),
      database: decodeURIComponent(pathname.slice(1)),
      max: maxConnections,
    });
    pool.on('error', () => {});
    pools.set(login, pool);
    return pool;
  };

  const answer = async (request: IncomingMessage): Promise<string> => {
    const headers = parseHeaders(request.headers);
    const body = parseBody(await readBody(request, 10_485_760), headers.arrayMode);
    taken.push({ ...body, token: headers.token });
    if (headers.token !== undefined)
      throw new Refusal('missing authentication credentials: required password');
    const pool = poolOf(new URL(String(request.headers['neon-connection-string'])));
    const results = await withConnection(pool, (client) =>
      body.isBatch ? inTransaction(client, body.queries, headers.batch) : inOrder(client, body.queries),
    );
    const written = results.map((result, index) =>
      resultToJson(result, {
        rawText: headers.rawText,
        arrays: new Map(),
        arrayMode: body.queries[index]?.arrayMode === true,
      }),
    );
    return body.isBatch ? `{"results":[${written.join(',')}]}` : written.join('');
  };

  const serve = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const [status, text] = await answer(request).then(
      (body) => [200, body] as const,
      (error: unknown) => {
        const failure = answerTo(error);
        return [failure.status, JSON.stringify(failure.body)] as const;
      },
    );
    response.writeHead(status, { 'content-type': 'application/json' }).end(text);
  };
  const server = createServer((request, response) => void serve(request, response));
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}/sql`,
    takeRequests: () => taken.splice(0),
    close: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => {
        server.close(resolve);
      });
      await Promise.all([...pools.values()].map((pool) => pool.end()));
    },
  };
}

type TextResult = pg.QueryArrayResult<(string | null)[]>;

async function withConnection<Result>(
  pool: pg.Pool,
  work: (client: pg.PoolClient) => Promise<Result>,
): Promise<Result> {
  const client = await pool.connect();
  const ignore = (): void => {};
  client.on('error', ignore);
  const giveBack = (error?: Error): void => {
    client.off('error', ignore);
    client.release(error);
  };
  try {
    return await work(client);
  } finally {
    // The caller does not wait for it.
    client.query(neonReset).then(() => giveBack(), giveBack);
  }
}

async function inTransaction(
  client: pg.PoolClient,
  queries: readonly SqlQuery[],
  { isolationLevel, readOnly, deferrable }: BatchOptions,
): Promise<readonly TextResult[]> {
  const modes = [
    ...(isolationLevel ? [`ISOLATION LEVEL ${isolationLevels[isolationLevel]}`] : []),
    ...(readOnly ? ['READ ONLY'] : []),
    ...(deferrable ? ['DEFERRABLE'] : []),
  ];
  await client.query(`START TRANSACTION ${modes.join(', ')}`);
  try {
    const results = await inOrder(client, queries);
    await client.query('COMMIT');
    return results;
  } catch (error) {
    await client.query('ROLLBACK');
    throw error;
  }
}

async function inOrder(client: pg.PoolClient, queries: readonly SqlQuery[]): Promise<readonly TextResult[]> {
  const results: TextResult[] = [];
  for (const { text, values } of queries) {
    const config = {
      text,
      values: [...values],
      rowMode: 'array' as const,
      types: { getTypeParser: () => (value: string) => value },
      // Not declared: without it, a statement without parameters goes by the simple protocol.
      queryMode: 'extended',
    };
    results.push(await client.query<(string | null)[]>(config));
  }
  return results;
}
