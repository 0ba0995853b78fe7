import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';

import { callerGone } from '../caller.ts';
import { Refusal } from '../refusal.ts';
import { parseConnectionString, type Target } from './connection-string.ts';
import { toPostgresText, type JsonValue } from './parameters.ts';

/** The headers of `POST /sql`. */
export interface SqlHeaders extends Target {
  /** The JWT; undefined when there is no Authorization header. */
  readonly token: string | undefined;
  readonly rawText: boolean;
  readonly arrayMode: boolean;
  readonly batch: BatchOptions;
}

export interface BatchOptions {
  readonly isolationLevel: keyof typeof isolationLevels | undefined;
  readonly readOnly: boolean;
  readonly deferrable: boolean;
}

/** Neon's names of the isolation levels, and SQL's. */
export const isolationLevels = {
  ReadUncommitted: 'READ UNCOMMITTED',
  ReadCommitted: 'READ COMMITTED',
  RepeatableRead: 'REPEATABLE READ',
  Serializable: 'SERIALIZABLE',
} as const;

/** One query of the body. */
export interface SqlQuery {
  readonly text: string;
  /** Parameters as Postgres' text; null is SQL's NULL. */
  readonly values: readonly (string | null)[];
  readonly arrayMode: boolean;
}

export interface SqlBody {
  readonly queries: readonly SqlQuery[];
  /** A batch is one transaction and answers with a list, also of one or none. */
  readonly isBatch: boolean;
}

/** @throws Refusal */
export function parseHeaders(headers: IncomingHttpHeaders): SqlHeaders {
  const isolationLevel = headers['neon-batch-isolation-level'];
  if (isolationLevel !== undefined && !isIsolationLevel(isolationLevel))
    throw new Refusal('invalid isolation level');
  return {
    ...parseConnectionString(single(headers['neon-connection-string'])),
    token: parseAuthorization(headers.authorization),
    rawText: headers['neon-raw-text-output'] === 'true',
    arrayMode: headers['neon-array-mode'] === 'true',
    batch: {
      isolationLevel,
      readOnly: headers['neon-batch-read-only'] === 'true',
      deferrable: headers['neon-batch-deferrable'] === 'true',
    },
  };
}

function single(header: string | string[] | undefined): string | undefined {
  return Array.isArray(header) ? header[0] : header;
}

function isIsolationLevel(value: string | string[]): value is keyof typeof isolationLevels {
  return typeof value === 'string' && Object.hasOwn(isolationLevels, value);
}

/** @see RFC 6750 section 2.1; one space and this spelling, as Neon has it */
function parseAuthorization(header: string | undefined): string | undefined {
  if (header === undefined) return undefined;
  if (!header.startsWith('Bearer ')) {
    throw new Refusal(
      'missing authentication credentials: required authorization bearer token in JWT format',
      { code: '28000' },
    );
  }
  return header.slice('Bearer '.length);
}

/**
 * Reads a body of at most `maxBytes`, and stops reading when it is longer.
 *
 * @throws Refusal 413
 */
export async function readBody(request: IncomingMessage, maxBytes: number): Promise<string> {
  if (Number(request.headers['content-length'] ?? 0) > maxBytes) throw tooLarge(maxBytes);
  // By its events: an iterator costs as much as the rest of reading.
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let length = 0;
    const gone = (): void => {
      reject(callerGone());
    };
    const take = (chunk: Buffer): void => {
      length += chunk.length;
      if (length <= maxBytes) {
        chunks.push(chunk);
        return;
      }
      request.off('data', take).pause();
      reject(tooLarge(maxBytes));
    };
    request.on('data', take);
    request.once('end', () => {
      request.off('error', gone).off('close', gone);
      resolve(Buffer.concat(chunks).toString('utf8'));
    });
    request.on('error', gone).on('close', gone);
    if (request.destroyed) gone();
  });
}

function tooLarge(maxBytes: number): Refusal {
  return new Refusal(`request is too large (max is ${maxBytes} bytes)`, { status: 413 });
}

/** @throws Refusal when it is not JSON or not of either form; the message never quotes the body */
export function parseBody(text: string, arrayMode: boolean): SqlBody {
  let body: unknown;
  try {
    body = JSON.parse(text);
  } catch {
    throw new Refusal('could not parse the HTTP request body: not JSON');
  }
  if (isObject(body) && 'query' in body) return { queries: [parseQuery(body, arrayMode)], isBatch: false };
  if (isObject(body) && Array.isArray(body.queries)) {
    return { queries: body.queries.map((query) => parseQuery(query, arrayMode)), isBatch: true };
  }
  throw wrongShape();
}

function parseQuery(query: unknown, arrayMode: boolean): SqlQuery {
  if (!isObject(query) || typeof query.query !== 'string') throw wrongShape();
  const { params = [], arrayMode: ownArrayMode } = query;
  if (!Array.isArray(params)) throw wrongShape();
  // The protocol counts parameters in 16 bits.
  if (params.length > 65_535) throw new Refusal('a query takes at most 65535 parameters', { code: '54000' });
  if (ownArrayMode !== undefined && ownArrayMode !== null && typeof ownArrayMode !== 'boolean')
    throw wrongShape();
  return {
    text: query.query,
    // What JSON.parse returns is JSON.
    values: (params as readonly JsonValue[]).map(toPostgresText),
    arrayMode: ownArrayMode ?? arrayMode,
  };
}

function wrongShape(): Refusal {
  return new Refusal(
    'could not parse the HTTP request body: expected {"query": string, "params"?: array} or {"queries": [...]}',
  );
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
