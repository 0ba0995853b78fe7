import type { Socket } from 'node:net';

import pg from 'pg';

import type { FlushStep } from '../database/one-flush.ts';
import type { PgClient, Result } from '../database/pg-client.ts';
import { SealedPool, type RunOptions } from '../database/sealed-pool.ts';
import { loadStatementJudge } from '../database/statement-judge.ts';
import type { Identity } from '../session/identity.ts';
import type { SealKey } from '../session/seal-key.ts';
import { callerGone, type Caller } from './caller.ts';
import { cancelBackend, type Cancellable } from './cancel-backend.ts';
import { FairQueue } from './fair-queue.ts';
import { PatientPool } from './patient-pool.ts';
import { personOf } from './person.ts';
import { pinInTransaction, withPinnedSettings } from './pinned-settings.ts';

export interface RolePoolsOptions {
  /** A connection URL for each identity role that is served, logged in as that role. */
  readonly connections: Readonly<Record<string, string>>;
  readonly key: () => Promise<SealKey>;
  readonly authSchema: string;
  readonly maxConnections: number;
  readonly maxConnectionsPerSubject: number;
  readonly maxWaiting: number;
  readonly waitTimeoutMs: number;
  readonly idleTimeoutMs: number;
  readonly maxLifetimeMs: number;
  readonly statementTimeoutMs: number;
  readonly searchPath: string;
  readonly pooler: 'transaction' | undefined;
}

/** One pool a role. */
export interface RolePools {
  readonly roles: readonly string[];
  get(role: string): RolePool | undefined;
  counts(): readonly PoolCounts[];
  close(): Promise<void>;
}

/** Makes the pools; nothing connects yet. */
export function createRolePools(options: RolePoolsOptions): RolePools {
  const pools = new Map(
    Object.keys(options.connections).map((role) => [role, new RolePool(role, options)] as const),
  );
  return {
    roles: [...pools.keys()],
    get: (role) => pools.get(role),
    counts: () => [...pools.values()].map((pool) => pool.counts),
    close: async () => {
      await Promise.all([...pools.values()].map((pool) => pool.close()));
    },
  };
}

export interface RunForPersonOptions extends Omit<RunOptions, 'taken' | 'before'> {
  /** The modes of START TRANSACTION: the statements are one transaction, whatever they are. */
  readonly transaction?: readonly string[];
  readonly caller: Caller;
}

/** How many connections or requests there are of a role. */
export interface PoolCounts {
  readonly role: string;
  readonly busy: number;
  readonly idle: number;
  /** Requests without a turn. */
  readonly waiting: number;
}

/** The connections of one role. */
export class RolePool {
  readonly #role: string;
  readonly #pool: pg.Pool;
  readonly #sealed: SealedPool;
  readonly #queue: FairQueue;
  /** Pins the settings in each transaction; undefined where the connection has them pinned. */
  readonly #pins: FlushStep | undefined;

  constructor(role: string, options: RolePoolsOptions) {
    this.#role = role;
    const { maxConnections, maxConnectionsPerSubject, maxWaiting, waitTimeoutMs } = options;
    const url = options.connections[role] ?? '';
    const pooled = options.pooler === 'transaction';
    this.#pins = pooled ? { text: pinInTransaction(options), internal: true } : undefined;
    this.#pool = new pg.Pool({
      connectionString: pooled ? url : withPinnedSettings(url, options),
      max: maxConnections,
      connectionTimeoutMillis: waitTimeoutMs,
      idleTimeoutMillis: options.idleTimeoutMs,
      maxLifetimeSeconds: Math.ceil(options.maxLifetimeMs / 1000),
      application_name: 'drizzle-authorize gateway',
      keepAlive: true,
    });
    this.#sealed = new SealedPool({
      pool: new PatientPool(this.#pool, { patienceMs: waitTimeoutMs }),
      role,
      key: options.key,
      authSchema: options.authSchema,
      pooled,
      loadJudge: loadStatementJudge,
    });
    this.#queue = new FairQueue({
      places: maxConnections,
      placesPerSubject: maxConnectionsPerSubject,
      maxWaiting,
      timeoutMs: waitTimeoutMs,
    });
  }

  /**
   * Runs statements as somebody, once it is their turn: as `SealedPool` does. When the caller goes away, Postgres is asked to
   * stop, and the connection is closed: nobody else's statement may be what is stopped.
   *
   * @throws Refusal 53300 when there is no turn in time
   * @throws Refusal 57014 when the caller has gone
   */
  async run(
    identity: Identity,
    steps: readonly FlushStep[],
    { caller, transaction, ...options }: RunForPersonOptions,
  ): Promise<readonly Result[]> {
    const person = personOf(identity);
    await this.#queue.enter(person, caller);
    try {
      if (caller.hasGone) throw callerGone();
      const taken = (client: PgClient): void => {
        caller.whenGone = () => {
          giveUp(client);
        };
        if (caller.hasGone) giveUp(client);
      };
      return await this.#sealed.run(
        identity,
        transaction === undefined || this.#pins !== undefined ? steps : [...steps, commit],
        { ...options, taken, before: this.#before(transaction) },
      );
    } catch (error) {
      // How the connection was broken is of no interest.
      throw caller.hasGone ? callerGone() : error;
    } finally {
      caller.whenGone = undefined;
      // What resets the connection is under way: whoever is next waits for no more than that.
      this.#queue.leave(person);
    }
  }

  #before(transaction: readonly string[] | undefined): readonly FlushStep[] {
    if (this.#pins === undefined) {
      return transaction === undefined ? [] : [control(['START TRANSACTION', transaction.join(', ')])];
    }
    // There is a transaction already.
    const modes = transaction?.length === 0 ? ['ISOLATION LEVEL READ COMMITTED'] : transaction;
    return modes === undefined ? [this.#pins] : [control(['SET TRANSACTION', modes.join(', ')]), this.#pins];
  }

  get counts(): PoolCounts {
    const { totalCount, idleCount } = this.#pool;
    return {
      role: this.#role,
      busy: totalCount - idleCount,
      idle: idleCount,
      waiting: this.#queue.waiting,
    };
  }

  async close(): Promise<void> {
    await this.#pool.end();
  }
}

const commit = control(['COMMIT']);

function control(words: readonly string[]): FlushStep {
  return { text: words.join(' ').trimEnd(), internal: true, transactionControl: true };
}

function giveUp(client: PgClient): void {
  const parts = client as unknown as Cancellable & { readonly connection: { readonly stream: Socket } };
  cancelBackend(parts);
  parts.connection.stream.destroy();
}
