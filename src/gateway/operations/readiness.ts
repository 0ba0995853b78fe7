import pg from 'pg';

import type { Verifier } from '../../jwt/index.ts';
import { codeOf } from '../../observe.ts';

export interface ReadinessOptions {
  readonly connections: Readonly<Record<string, string>>;
  readonly verifier: Verifier;
}

interface ReadinessAnswer {
  readonly isReady: boolean;
  /** By what was looked at: `ok`, or a code. */
  readonly checks: Readonly<Record<string, string>>;
}

/** Whether requests would be answered. */
export interface Readiness {
  check(): Promise<ReadinessAnswer>;
  /** From now on they are not: whoever sends them here should send them elsewhere. */
  drain(): void;
}

const timeoutMs = 2_000;
/** Who asks more often gets the same answer. */
const answerLifetimeMs = 1_000;

/**
 * Looks whether each role can log in, on a connection that is none of the pool's, where requests may wait for good reason; and
 * whether the key sets of all providers are there.
 */
export function createReadiness({ connections, verifier }: ReadinessOptions): Readiness {
  let isDraining = false;
  let known: { readonly answer: Promise<ReadinessAnswer>; readonly staleAt: number } | undefined;

  async function look(): Promise<ReadinessAnswer> {
    const results = await Promise.all([
      ...Object.entries(connections).map(async ([role, url]): Promise<[string, string]> => [
        `database: ${role}`,
        await resultOf(() => logIn(url)),
      ]),
      resultOf(async () => verifier.loadKeySets?.()).then((result): [string, string] => ['key sets', result]),
    ]);
    return { isReady: results.every(([, result]) => result === 'ok'), checks: Object.fromEntries(results) };
  }

  return {
    async check() {
      if (isDraining) return { isReady: false, checks: { gateway: 'draining' } };
      const now = performance.now();
      if (known === undefined || now >= known.staleAt)
        known = { answer: look(), staleAt: now + answerLifetimeMs };
      return known.answer;
    },
    drain() {
      isDraining = true;
    },
  };
}

async function resultOf(check: () => Promise<unknown>): Promise<string> {
  try {
    await check();
    return 'ok';
  } catch (error) {
    return codeOf(error) ?? 'no answer';
  }
}

async function logIn(connectionString: string): Promise<void> {
  const client = new pg.Client({
    connectionString,
    connectionTimeoutMillis: timeoutMs,
    query_timeout: timeoutMs,
    application_name: 'drizzle-authorize readiness',
  });
  client.on('error', () => {});
  try {
    await client.connect();
    await client.query('SELECT 1');
  } finally {
    client.end().catch(() => {});
  }
}
