import type pg from 'pg';

import { AuthorizeError } from '../errors.ts';
import type { Identity } from '../session/identity.ts';
import { prologue } from '../session/prologue.ts';
import type { SealKey } from '../session/seal-key.ts';
import { seal, sealLifetimeSeconds } from '../session/seal.ts';
import { assertLoginIsRole, inspectLogin, type Login } from './login.ts';
import { flush, FlushError, type Flushed, type FlushOptions, type FlushStep } from './one-flush.ts';
import { resetSession, resetSessionAndStatements } from './reset.ts';

export interface SealedPoolOptions {
  readonly pool: pg.Pool;
  /** The identity role that this pool serves. */
  readonly role: string;
  readonly key: () => Promise<SealKey>;
  /** The pool logs in as somebody else, on purpose: the prologue then sets the role as well. */
  readonly allowPrivilegedLogin?: boolean;
  /** Statements other than plain DML may run, so that more has to be cleared away after each use. */
  readonly anyStatement?: boolean;
}

/**
 * A pool whose connections do nothing but what an identity was sealed for, and forget it afterwards. The caller has
 * its answer before the connection has been reset; the pool has the connection back after it.
 */
export class SealedPool {
  readonly #options: SealedPoolOptions;
  readonly #logins = new WeakMap<pg.PoolClient, Login>();
  readonly #seals = new WeakMap<Identity, WeakMap<pg.PoolClient, ReusableSeal>>();

  constructor(options: SealedPoolOptions) {
    this.#options = options;
  }

  get #reset(): string {
    return this.#options.anyStatement === true ? resetSessionAndStatements : resetSession;
  }

  /**
   * Runs statements as somebody: prologue and statements in one round trip. Without a BEGIN among `before` they are
   * one implicit transaction; when the prologue fails, none of them runs.
   *
   * @param steps what to run; the results come in this order
   * @param options.before runs ahead of the prologue, such as a START TRANSACTION with its isolation level
   */
  async run(
    identity: Identity,
    steps: readonly FlushStep[],
    options: Omit<FlushOptions, 'followUp'> & { readonly before?: readonly FlushStep[] } = {},
  ): Promise<readonly pg.QueryResult[]> {
    const { before = [], ...flushOptions } = options;
    const client = await this.#take();
    let clean = Promise.resolve(true);
    try {
      const sealed = await this.#prologue(client, identity);
      clean = Promise.resolve(false);
      const flushed = await flush(client, [...before, sealed, ...steps], {
        ...flushOptions,
        followUp: this.#reset,
      });
      clean = flushed.clean;
      return flushed.results;
    } catch (error) {
      if (!(error instanceof FlushError)) throw error;
      clean = error.clean;
      throw error.cause;
    } finally {
      void this.#giveBack(client, clean);
    }
  }

  /** A connection for a transaction of several round trips. The caller must release it. */
  async connect(identity: Identity): Promise<SealedConnection> {
    const client = await this.#take();
    return new SealedConnection(client, {
      prologue: () => this.#prologue(client, identity),
      reset: this.#reset,
      giveBack: (clean) => this.#giveBack(client, clean),
    });
  }

  async #take(): Promise<pg.PoolClient> {
    const client = await this.#connect();
    // While a client is out, the pool does not listen: a connection that breaks would end the process.
    client.on('error', brokenConnection);
    try {
      if (!this.#logins.has(client)) {
        const login = await inspectLogin(client);
        if (this.#options.allowPrivilegedLogin !== true) assertLoginIsRole(login, this.#options.role);
        this.#logins.set(client, login);
      }
      return client;
    } catch (error) {
      void this.#giveBack(client, Promise.resolve(false));
      throw error;
    }
  }

  async #connect(): Promise<pg.PoolClient> {
    try {
      return await this.#options.pool.connect();
    } catch (error) {
      const code = error instanceof Error && 'syscall' in error && 'code' in error ? error.code : undefined;
      // Postgres' own words, and the pool's, say enough.
      if (typeof code !== 'string') throw error;
      throw new AuthorizeError(
        'ERR_DATABASE_UNREACHABLE',
        `the database of the role '${this.#options.role}' cannot be reached (${code})`,
        { cause: error, hint: 'check the connection URL of the role and that PostgreSQL runs there' },
      );
    }
  }

  async #giveBack(client: pg.PoolClient, clean: Promise<boolean>): Promise<void> {
    const ended = await clean;
    // The driver believes that its prepared statements are still there.
    if (this.#options.anyStatement === true) Reflect.set(client.connection, 'parsedStatements', {});
    client.off('error', brokenConnection);
    client.release(!ended);
  }

  async #prologue(client: pg.PoolClient, identity: Identity): Promise<FlushStep> {
    const { role, allowPrivilegedLogin } = this.#options;
    if (identity.role !== role) {
      throw new AuthorizeError(
        'ERR_ROLE_WITHOUT_CLIENT',
        `this pool serves '${role}', not '${identity.role}'`,
      );
    }
    const text = await this.#seal(client, identity);
    return { ...prologue(text, allowPrivilegedLogin === true ? role : undefined), internal: true };
  }

  // The same identity on the same connection within half a seal's lifetime: the same seal serves.
  async #seal(client: pg.PoolClient, identity: Identity): Promise<string> {
    const nowSeconds = Date.now() / 1000;
    const ofIdentity = this.#seals.get(identity) ?? new WeakMap<pg.PoolClient, ReusableSeal>();
    const made = ofIdentity.get(client);
    if (made !== undefined && nowSeconds < made.reuseUntil) return made.text;

    const login = this.#logins.get(client);
    if (login === undefined) throw new Error('the connection was not inspected');
    const offset = login.clockOffsetSeconds;
    const { expiresAt = Infinity } = identity;
    const text = await seal({ ...identity, expiresAt: expiresAt + offset }, await this.#options.key(), {
      database: login.database,
      backendPid: login.backendPid,
      nowSeconds: nowSeconds + offset,
    });
    ofIdentity.set(client, { text, reuseUntil: Math.min(nowSeconds + sealLifetimeSeconds / 2, expiresAt) });
    this.#seals.set(identity, ofIdentity);
    return text;
  }
}

function brokenConnection(): void {
  // Whoever waits for an answer on it is told, and the pool does not get it back.
}

interface ReusableSeal {
  readonly text: string;
  readonly reuseUntil: number;
}

interface SealedConnectionParts {
  readonly prologue: () => Promise<FlushStep>;
  readonly reset: string;
  readonly giveBack: (clean: Promise<boolean>) => Promise<void>;
}

/** A connection that is somebody's for one explicit transaction. */
export class SealedConnection {
  readonly #client: pg.PoolClient;
  readonly #parts: SealedConnectionParts;
  #status: Flushed['status'] = 'I';
  #released = false;

  constructor(client: pg.PoolClient, parts: SealedConnectionParts) {
    this.#client = client;
    this.#parts = parts;
  }

  /** Begins the transaction: BEGIN with its level, and the prologue behind it, in one round trip. */
  async begin(begin: FlushStep): Promise<void> {
    await this.#flush([{ ...begin, internal: true, transactionControl: true }, await this.#parts.prologue()]);
  }

  /** One statement in the transaction. */
  async run(step: FlushStep): Promise<pg.QueryResult> {
    const [result] = await this.#flush([step]);
    if (result === undefined) throw new Error('the statement has no result');
    return result;
  }

  /** Resets the connection and gives it back, or closes it when a transaction is still open. */
  async release(): Promise<void> {
    if (this.#released) return;
    this.#released = true;
    const clean =
      this.#status === 'I'
        ? this.#client.query(this.#parts.reset).then(
            () => true,
            () => false,
          )
        : Promise.resolve(false);
    await this.#parts.giveBack(clean);
  }

  async #flush(steps: readonly FlushStep[]): Promise<readonly pg.QueryResult[]> {
    if (this.#released) throw new AuthorizeError('ERR_TRANSACTION_ENDED', 'the transaction has ended');
    try {
      const { results, status } = await flush(this.#client, steps);
      this.#status = status;
      return results;
    } catch (error) {
      if (!(error instanceof FlushError)) throw error;
      this.#status = error.status;
      throw error.cause;
    }
  }
}
