import { neon } from '@neondatabase/serverless';

import { TokenError } from '../errors.ts';
import { tokenSource, type TokenInput } from './bearer.ts';
import { statementOf, type NeonClient, type NeonQuery, type QueryRunner } from './neon-client.ts';

export interface GatewayTarget {
  /** Names the role and the database; who asks is in the token. */
  readonly connectionString: string;
  readonly fetchOptions: Readonly<Record<string, unknown>> | undefined;
}

/** Passes a token on with each request, as it is. */
export function bearerRunner(token: TokenInput, target: GatewayTarget): QueryRunner {
  const read = tokenSource(token);
  let last: { readonly authToken: string; readonly client: NeonClient } | undefined;
  return clientRunner(async () => {
    const authToken = await read();
    if (last?.authToken !== authToken) last = { authToken, client: clientWith(authToken, target) };
    return last.client;
  });
}

/** Sends queries with another client than the one that made them, which may be of another copy of the package. */
export function clientRunner(client: () => Promise<NeonClient>): QueryRunner {
  return {
    one: async (query) => moved(query, await client()),
    all: async (queries, options) => {
      const target = await client();
      return target.transaction(
        queries.map((query) => moved(query, target)),
        { ...options, authToken: undefined },
      );
    },
  };
}

// A token that comes with a query would outrank the client's.
function moved(query: NeonQuery, client: NeonClient): NeonQuery {
  const { query: text, params } = statementOf(query);
  return client.query(text, params, { ...query.opts, authToken: undefined });
}

// The client heeds a token given with a query for single queries alone; for a transaction only the one it was made with.
function clientWith(authToken: string, { connectionString, fetchOptions }: GatewayTarget): NeonClient {
  // What cannot stand in a header would be quoted by the error of fetch.
  if (!/^[\w.~+/=-]+$/u.test(authToken)) {
    throw new TokenError('ERR_TOKEN_MALFORMED', 'the token is not a signed JWT in compact form');
  }
  return neon(connectionString, {
    authToken,
    ...(fetchOptions && { fetchOptions }),
  }) as unknown as NeonClient;
}

/** @throws TypeError that does not quote it: it may have a password */
export function assertGatewayConnectionString(connectionString: unknown): asserts connectionString is string {
  const url =
    typeof connectionString === 'string' && URL.canParse(connectionString)
      ? new URL(connectionString)
      : undefined;
  if (url === undefined || !/^postgres(?:ql)?:$/u.test(url.protocol) || url.username === '') {
    throw new TypeError(
      `withAuth: mode 'gateway' needs the connectionString that neon() was given, such as postgresql://authenticated@host/app`,
    );
  }
  if (url.password !== '') {
    throw new TypeError(
      `withAuth: the connectionString of mode 'gateway' has a password; the token takes its place, and nothing may fall back to it`,
    );
  }
}
