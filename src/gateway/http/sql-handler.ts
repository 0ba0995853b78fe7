import type { IncomingMessage, ServerResponse } from 'node:http';

import type { FlushStep } from '../../database/one-flush.ts';
import type { Result, TypeParsers } from '../../database/pg-client.ts';
import { firstKeyword } from '../../database/first-keyword.ts';
import type { Verifier } from '../../jwt/index.ts';
import { watch, type Observe } from '../../observe.ts';
import type { Identity } from '../../session/identity.ts';
import { Caller } from '../caller.ts';
import { fingerprintOf } from '../fingerprint.ts';
import type { RateLimit } from '../rate-limit.ts';
import { Refusal } from '../refusal.ts';
import type { RolePool, RolePools } from '../role-pools.ts';
import type { StatementPolicy } from '../statement-policy.ts';
import type { ArrayTypes } from './array-types.ts';
import { answerTo } from './error-body.ts';
import {
  isolationLevels,
  parseBody,
  parseHeaders,
  readBody,
  type BatchOptions,
  type SqlBody,
  type SqlHeaders,
  type SqlQuery,
} from './request.ts';
import { resultToJson } from './result.ts';

export interface SqlHandlerOptions {
  readonly pools: RolePools;
  readonly arrayTypes: ArrayTypes;
  readonly database: string;
  readonly verifier: Verifier;
  readonly assertAllowed: StatementPolicy;
  readonly observe: Observe | undefined;
  readonly rateLimit: RateLimit | undefined;
  readonly maxBodyBytes: number;
  readonly maxResultBytes: number;
}

/** Answers a request; never throws. */
export type SqlHandler = (request: IncomingMessage, response: ServerResponse) => void;

/** Serves `POST /sql` and `OPTIONS /sql` as Neon's proxy does; whatever else is asked gets Neon's 400. */
export function createSqlHandler(options: SqlHandlerOptions): SqlHandler {
  return (request, response) => {
    serve(request, response, options).catch(() => {
      // The answer itself could not be written: nobody is there to read it.
      response.destroy();
    });
  };
}

async function serve(
  request: IncomingMessage,
  response: ServerResponse,
  options: SqlHandlerOptions,
): Promise<void> {
  response.setHeader('neon-request-id', crypto.randomUUID());
  const [path] = (request.url ?? '/').split('?');
  if (path !== '/sql' || (request.method !== 'POST' && request.method !== 'OPTIONS')) {
    send(response, 400, JSON.stringify('query is not supported'));
    return;
  }
  response.setHeader('access-control-allow-origin', '*');
  if (request.method === 'OPTIONS') {
    preflight(response);
    return;
  }
  const caller = new Caller();
  response.once('close', () => {
    if (!response.writableEnded) caller.goAway();
  });
  try {
    const { body, headers } = await answerSql(request, caller, options);
    send(response, 200, body, headers);
  } catch (error) {
    const { status, body } = answerTo(error);
    // What is left of a body that was refused is not read; the connection cannot be used again.
    if (!request.complete) response.setHeader('connection', 'close');
    send(response, status, JSON.stringify(body));
  }
}

interface Answer {
  readonly body: string;
  readonly headers: Readonly<Record<string, string>>;
}

async function answerSql(
  request: IncomingMessage,
  caller: Caller,
  options: SqlHandlerOptions,
): Promise<Answer> {
  const headers = parseHeaders(request.headers);
  // Who asks comes first: nobody's body is read for a stranger.
  let read: SqlBody = { queries: [], isBatch: false };
  const results = await watch(
    options.observe,
    {
      entry: 'gateway',
      // Another is whatever somebody has written.
      role: options.pools.get(headers.role) === undefined ? '' : headers.role,
      statement: () => (read.queries.length > 1 ? 'BATCH' : kindOf(read.queries[0])),
      fingerprint: () => (read.queries.length > 1 ? undefined : fingerprintOf(read.queries[0]?.text)),
      outcomes: (all: readonly Result[]) =>
        all.map(({ rowCount }, index) => {
          const query = read.queries[index];
          return { statement: kindOf(query), fingerprint: () => fingerprintOf(query?.text), rows: rowCount };
        }),
    },
    async (identified) => {
      const pool = poolFor(headers, options);
      const identity = await identify(headers, options.verifier);
      identified(identity);
      const verdict = options.rateLimit?.refuses(identity);
      if (verdict !== undefined) throw new Refusal(verdict.message, verdict);
      read = parseBody(await readBody(request, options.maxBodyBytes), headers.arrayMode);
      return runQueries({ pool, identity, headers, body: read, caller }, options);
    },
  );
  const { queries, isBatch } = read;
  const arrays = headers.rawText ? noArrays : await arraysIn(results, headers, options);

  const written = queries.map(({ arrayMode }, index) => {
    const result = results[index];
    if (result === undefined) throw new Error('a query has no result');
    // asText leaves every value as text, and rowMode makes arrays of them.
    return resultToJson(result as typeof result & { rows: (string | null)[][] }, {
      rawText: headers.rawText,
      arrayMode,
      arrays,
    });
  });
  return isBatch
    ? { body: `{"results":[${written.join(',')}]}`, headers: batchEcho(headers.batch) }
    : { body: written.join(''), headers: {} };
}

const noArrays: ReadonlyMap<number, number> = new Map();

// Whoever asks what a type is, it is the same: as a visitor of the role, without a person.
async function arraysIn(
  results: readonly Result[],
  headers: SqlHeaders,
  options: SqlHandlerOptions,
): Promise<ReadonlyMap<number, number>> {
  const typeIds = results.flatMap(({ fields }) => fields.map(({ dataTypeID }) => dataTypeID));
  return options.arrayTypes.elementsOf(typeIds, async (step) => {
    const [result] = await poolFor(headers, options).run({ role: headers.role, claims: {} }, [step], {
      caller: new Caller(),
    });
    if (result === undefined) throw new Error('a query has no result');
    return result;
  });
}

function poolFor({ role, database: asked }: SqlHeaders, { pools, database }: SqlHandlerOptions): RolePool {
  const pool = pools.get(role);
  if (pool === undefined) {
    throw new Refusal(`the role '${role}' is not served by this gateway`, {
      code: '28000',
      hint: `connect as one of: ${pools.roles.join(', ')}`,
    });
  }
  if (asked !== database) {
    throw new Refusal(`the gateway serves the database '${database}', not '${asked}'`, { code: '3D000' });
  }
  return pool;
}

interface Asked {
  readonly pool: RolePool;
  readonly identity: Identity;
  readonly headers: SqlHeaders;
  readonly body: SqlBody;
  readonly caller: Caller;
}

async function runQueries(
  { pool, identity, headers, body: { queries, isBatch }, caller }: Asked,
  { assertAllowed, maxResultBytes }: SqlHandlerOptions,
): Promise<readonly Result[]> {
  for (const query of queries) assertAllowed(query.text);
  const steps = queries.map(({ text, values }): FlushStep => ({
    text,
    values,
    rowMode: 'array',
    types: asText,
  }));
  if (!isBatch) return pool.run(identity, steps, { maxResultBytes, caller });
  if (queries.length === 0) return [];
  return pool.run(identity, steps, { maxResultBytes, caller, transaction: modesOf(headers.batch) });
}

function kindOf(query: SqlQuery | undefined): string {
  return firstKeyword(query?.text ?? '').toUpperCase();
}

async function identify({ role, token }: SqlHeaders, verifier: Verifier): Promise<Identity> {
  if (token !== undefined) return verifier.verify(token, { role });
  if (role === 'anonymous') return visitor;
  throw new Refusal(`no token came with the request for the role '${role}'`, {
    code: '28000',
    hint:
      'authToken was probably a promise or empty, which the driver drops without a word: ' +
      'pass a string or a function, such as authToken: () => getToken()',
  });
}

// One object for all visitors, so that a connection's seal for it serves again.
const visitor: Identity = Object.freeze({ role: 'anonymous', claims: Object.freeze({}) });

const asText: TypeParsers = { getTypeParser: () => (value) => value };

function modesOf({ isolationLevel, readOnly, deferrable }: BatchOptions): readonly string[] {
  return [
    ...(isolationLevel ? [`ISOLATION LEVEL ${isolationLevels[isolationLevel]}`] : []),
    ...(readOnly ? ['READ ONLY'] : []),
    ...(deferrable ? ['DEFERRABLE'] : []),
  ];
}

function batchEcho({ isolationLevel, readOnly, deferrable }: BatchOptions): Record<string, string> {
  return {
    ...(isolationLevel && { 'neon-batch-isolation-level': isolationLevel }),
    ...(readOnly && { 'neon-batch-read-only': 'true' }),
    ...(deferrable && { 'neon-batch-deferrable': 'true' }),
  };
}

function preflight(response: ServerResponse): void {
  response.writeHead(200, {
    allow: 'OPTIONS, POST',
    'access-control-max-age': '86400',
    // Neon's list lacks the last two, without which a browser cannot send what its driver sends.
    'access-control-allow-headers':
      'Authorization, Neon-Connection-String, Neon-Raw-Text-Output, Neon-Array-Mode, Neon-Pool-Opt-In, ' +
      'Neon-Batch-Read-Only, Neon-Batch-Isolation-Level, Neon-Batch-Deferrable, Content-Type',
  });
  response.end();
}

function send(
  response: ServerResponse,
  status: number,
  body: string,
  headers: Readonly<Record<string, string>> = {},
): void {
  if (response.destroyed) return;
  response.writeHead(status, {
    'content-type': 'application/json',
    'content-length': Buffer.byteLength(body),
    ...headers,
  });
  response.end(body);
}
