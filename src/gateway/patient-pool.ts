import { setTimeout as delay } from 'node:timers/promises';

import pg from 'pg';

import type { PgClient, PgPool } from '../database/pg-client.ts';
import { AuthorizeError } from '../errors.ts';

export interface PatientPoolOptions {
  /** After it a database that cannot be reached is an error. */
  readonly patienceMs: number;
  /**
   * A connection that has been idle for longer is asked before it is used: a firewall forgets one, and tells neither side.
   * Default: 15,000.
   */
  readonly doubtAfterMs?: number;
  /** How long it has to answer. Default: 2,000. */
  readonly answerTimeoutMs?: number;
}

// Between attempts to reach a database that does not take connections.
const firstDelayMs = 50;
const longestDelayMs = 1_000;

/**
 * A pool of node-postgres that is patient: while Postgres restarts, whoever wants a connection gets one as soon as Postgres takes
 * it. A connection that is in doubt is tried first, and replaced.
 */
export class PatientPool implements PgPool {
  readonly #pool: pg.Pool;
  readonly #options: Required<PatientPoolOptions>;
  readonly #idleSince = new WeakMap<pg.PoolClient, number>();

  constructor(pool: pg.Pool, options: PatientPoolOptions) {
    this.#pool = pool;
    this.#options = { doubtAfterMs: 15_000, answerTimeoutMs: 2_000, ...options };
    // An idle connection that Postgres closed: the pool replaces it when one is needed.
    pool.on('error', ignore);
    pool.on('release', (_, client) => {
      this.#idleSince.set(client, performance.now());
    });
  }

  // By callback, as the pool's own: a connection can break before a promise has told of it.
  connect(callback: (error: unknown, client: PgClient | undefined) => void): void {
    this.#attempt(callback, performance.now() + this.#options.patienceMs, firstDelayMs);
  }

  #attempt(callback: Parameters<PgPool['connect']>[0], deadline: number, delayMs: number): void {
    const again = (nextDelayMs: number): void => {
      this.#attempt(callback, deadline, Math.min(nextDelayMs, longestDelayMs));
    };
    this.#pool.connect((error, client) => {
      if (client === undefined) {
        // Not all at the same moment.
        const waitMs = delayMs * (0.5 + Math.random());
        if (this.#pool.ending || !mayPass(error) || performance.now() + waitMs > deadline) {
          callback(error, undefined);
        } else {
          setTimeout(again, waitMs, delayMs * 2);
        }
      } else if (this.#isInDoubt(client)) {
        askWhetherAlive(client, this.#options.answerTimeoutMs, (isAlive) => {
          if (isAlive) {
            callback(undefined, client);
          } else {
            client.release(true);
            again(delayMs);
          }
        });
      } else {
        callback(undefined, client);
      }
    });
  }

  // A new one has just answered.
  #isInDoubt(client: pg.PoolClient): boolean {
    const idleSince = this.#idleSince.get(client);
    return idleSince !== undefined && performance.now() - idleSince > this.#options.doubtAfterMs;
  }
}

function askWhetherAlive(client: pg.PoolClient, timeoutMs: number, tell: (isAlive: boolean) => void): void {
  let isTold = false;
  const end = (isAlive: boolean): void => {
    if (isTold) return;
    isTold = true;
    clearTimeout(deadline);
    // One that is given up may still break.
    if (isAlive) client.off('error', ignore);
    tell(isAlive);
  };
  const deadline = setTimeout(end, timeoutMs, false);
  client.on('error', ignore);
  client.query('', (error: Error | null) => {
    end(error === null);
  });
}

/** The same for one connection that is in no pool. @param isPointless whoever wanted it has gone, or may not have it any more */
export async function connectPatiently<T>(
  connect: () => Promise<T>,
  {
    patienceMs,
    isPointless,
  }: Pick<PatientPoolOptions, 'patienceMs'> & { readonly isPointless: () => boolean },
): Promise<T> {
  const deadline = performance.now() + patienceMs;
  for (let delayMs = firstDelayMs; ; delayMs = Math.min(delayMs * 2, longestDelayMs)) {
    try {
      return await connect();
    } catch (error) {
      const waitMs = delayMs * (0.5 + Math.random());
      // Ours says whose database it is, and has that of the network as its cause.
      const reason = error instanceof AuthorizeError ? error.cause : error;
      if (!mayPass(reason) || isPointless() || performance.now() + waitMs > deadline) throw error;
      await delay(waitMs);
    }
  }
}

/** Whether it is over when Postgres has started, or has a connection to spare: nothing has been asked of it yet. */
function mayPass(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  const code = 'code' in error ? error.code : undefined;
  // cannot_connect_now, too_many_connections
  if (error instanceof pg.DatabaseError) return code === '57P03' || code === '53300';
  // Of the network; and what node-postgres says when a connection ends before it has begun.
  return typeof code === 'string' || error.message.startsWith('Connection terminated');
}

function ignore(): void {
  // Whoever waits for an answer is told, and the pool does not get it back.
}
