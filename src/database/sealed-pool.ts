import { AuthorizeError } from '../errors.ts';
import type { Identity } from '../session/identity.ts';
import { prologue } from '../session/prologue.ts';
import { ReusableSeals, type ReusableSeal } from '../session/reusable-seals.ts';
import type { SealKey } from '../session/seal-key.ts';
import { assertOwnBackend, databaseUnreachable } from './backend.ts';
import { assertLoginIsRole, inspectLogin, type Login, type LoginRow } from './login.ts';
import { flush, FlushError, type Flushed, type FlushOptions, type FlushStep } from './one-flush.ts';
import {
  connectionError,
  isDatabaseError,
  isEvent,
  type PgClient,
  type PgPool,
  type Result,
} from './pg-client.ts';
import { pooledReset, type PooledReset } from './pooled-reset.ts';
import { resetSession, resetSessionAndStatements } from './reset.ts';
import type { loadStatementJudge } from './statement-judge.ts';
import { StatementMemory, type KnownStatement } from './statement-memory.ts';

export interface SealedPoolOptions {
  readonly pool: PgPool;
  /** The identity role that this pool serves. */
  readonly role: string;
  readonly key: () => Promise<SealKey>;
  readonly authSchema: string;
  /** The pool logs in as somebody else, on purpose: the prologue then sets the role as well. */
  readonly allowPrivilegedLogin?: boolean;
  /** Statements other than plain DML may run, so that more has to be cleared away after each use. */
  readonly anyStatement?: boolean;
  /** Prepare what comes again on each connection, our own statements as well. Default: true; never with `anyStatement`. */
  readonly prepare?: boolean;
  /** Each transaction may have another backend, as behind a transaction pooler: nothing is prepared then. Default: false. */
  readonly pooled?: boolean;
  /** Looks at statements that come again: those that leave nothing need less of a reset, and may be prepared. */
  readonly loadJudge?: typeof loadStatementJudge | undefined;
}

/**
 * A pool whose connections do nothing but what an identity was sealed for, and forget it afterwards. The caller has
 * its answer before the connection has been reset; the pool has the connection back after it.
 */
export class SealedPool {
  readonly #options: SealedPoolOptions;
  readonly #logins = new WeakMap<PgClient, Login>();
  readonly #seals: ReusableSeals;
  readonly #memory: StatementMemory;

  constructor(options: SealedPoolOptions) {
    this.#options = options;
    this.#seals = new ReusableSeals(options.key, { anyBackend: this.#pooled });
    this.#memory = new StatementMemory({
      prepare: this.#prepares,
      loadJudge: options.loadJudge,
      authSchema: options.authSchema,
    });
  }

  get #pooled(): boolean {
    return this.#options.pooled === true;
  }

  get #prepares(): boolean {
    // Where DEALLOCATE may have run, no name is sure to be there.
    return this.#options.prepare !== false && this.#options.anyStatement !== true && !this.#pooled;
  }

  get #reset(): string {
    return this.#options.anyStatement === true ? resetSessionAndStatements : resetSession;
  }

  /**
   * Runs statements as somebody: prologue and statements in one round trip. Without a BEGIN among `before` they are
   * one implicit transaction; when the prologue fails, none of them runs.
   *
   * @param steps what to run; the results come in this order
   */
  async run(
    identity: Identity,
    steps: readonly FlushStep[],
    options: RunOptions = {},
  ): Promise<readonly Result[]> {
    const known = steps.map(({ text }) => this.#memory.recall(text));
    const named = steps.map((step, index) =>
      step.internal === true ? step : this.#named({ name: known[index]?.name, ...step }),
    );
    try {
      return await this.#run(identity, named, {
        ...options,
        plain: known.every(({ isPlainRead }) => isPlainRead),
      });
    } catch (error) {
      if (!(error instanceof FlushError)) throw error;
      // Perhaps a table has changed its columns. Nothing has run: the transaction ended with the error.
      const unnamed = steps.map((step) => ({ ...step, name: undefined }));
      const results = await this.#run(identity, unnamed, { ...options, plain: false });
      for (const { text } of steps) this.#memory.forgetName(text);
      return results;
    }
  }

  /** @throws FlushError when a prepared statement was unfit; else what is its cause */
  async #run(
    identity: Identity,
    steps: readonly FlushStep[],
    options: RunOptions & { readonly plain: boolean },
  ): Promise<readonly Result[]> {
    const { before = [], plain, taken, ...flushOptions } = options;
    const client = await this.#take();
    taken?.(client);
    let clean = Promise.resolve(true);
    const pooled = this.#pooledReset(client);
    try {
      const login = this.#loginOf(client, identity);
      const reusable = this.#seals.find(identity, login) ?? (await this.#seals.make(identity, login));
      const opened = [...before, this.#prologue(reusable), ...steps];
      clean = Promise.resolve(false);
      // What is said of a transaction needs one.
      const isTransaction =
        this.#pooled && before.some(({ transactionControl }) => transactionControl === true);
      const leavesNothing = !isTransaction && this.#leavesNothing(plain, login);
      const flushed =
        leavesNothing || pooled === undefined
          ? await flush(client, opened, {
              ...flushOptions,
              ...(!leavesNothing && { followUp: this.#reset }),
            })
          : await flush(
              client,
              [beginStep, ...opened, ...pooled.ahead.map(internal), commitStep],
              flushOptions,
            );
      clean = flushed.clean;
      reusable.checked = true;
      return flushed.results;
    } catch (error) {
      if (!(error instanceof FlushError)) throw error;
      clean = pooled !== undefined && error.status === 'E' ? endPooled(client, pooled) : error.clean;
      this.#doubtLogin(client, error.cause);
      throw error.isUnfit ? error : error.cause;
    } finally {
      void this.#giveBack(client, clean);
    }
  }

  /** A connection for a transaction of several round trips. The caller must release it. */
  async connect(identity: Identity): Promise<SealedConnection> {
    const client = await this.#take();
    return new SealedConnection(client, {
      seal: async () => {
        const login = this.#loginOf(client, identity);
        return this.#seals.find(identity, login) ?? this.#seals.make(identity, login);
      },
      prologue: (seal) => this.#prologue(seal),
      named: (step) => this.#named(step),
      reset: this.#reset,
      pooled: this.#pooledReset(client),
      recall: (text) => {
        const { isPlainRead, name } = this.#memory.recall(text);
        const login = this.#logins.get(client);
        return { name, isPlainRead: login !== undefined && this.#leavesNothing(isPlainRead, login) };
      },
      forgetName: (text) => {
        this.#memory.forgetName(text);
      },
      failed: (cause) => {
        this.#doubtLogin(client, cause);
      },
      giveBack: (clean) => this.#giveBack(client, clean),
    });
  }

  async #take(): Promise<PgClient> {
    const { pool, role } = this.#options;
    const client = await takeFrom(pool).catch(unreachable(role));
    if (Date.now() >= (this.#logins.get(client)?.staleAt ?? 0)) await this.#inspect(client);
    return client;
  }

  async #inspect(client: PgClient): Promise<void> {
    try {
      if (!this.#pooled) assertOwnBackend(client.host, this.#options.role);
      const login = await inspectLogin(
        async (text) => (await client.query({ text, values: [] })).rows as readonly LoginRow[],
        this.#options.authSchema,
      );
      if (this.#options.allowPrivilegedLogin !== true) assertLoginIsRole(login, this.#options.role);
      this.#logins.set(client, login);
    } catch (error) {
      void this.#giveBack(client, Promise.resolve(false));
      throw connectionError(error);
    }
  }

  // A seal that is refused was perhaps made by a clock that has been set since the connection was looked at.
  #doubtLogin(client: PgClient, cause: unknown): void {
    if (isDatabaseError(cause) && cause.code === '28000') this.#logins.delete(client);
  }

  async #giveBack(client: PgClient, clean: Promise<boolean>): Promise<void> {
    const isClean = await clean;
    const { connection } = client;
    // The driver believes that its prepared statements are still there.
    if (this.#options.anyStatement === true && connection !== undefined) {
      Reflect.set(connection, 'parsedStatements', {});
    }
    client.off('error', brokenConnection);
    const hasEnded = connection?.stream.destroyed === true;
    client.release(!isClean);
    // The pool of @neondatabase/serverless waits for the end of a connection that has ended before, and with it whoever
    // waits for a connection.
    if (hasEnded) connection.emit('end');
  }

  #prologue({ text, checked }: ReusableSeal): FlushStep {
    const { role, authSchema, allowPrivilegedLogin } = this.#options;
    const step = prologue(text, {
      authSchema,
      role: allowPrivilegedLogin === true ? role : undefined,
      // Behind a pooler it was another backend that has found it genuine.
      checked: checked && !this.#pooled,
    });
    return { ...step, internal: true, name: this.#prepares ? step.name : undefined };
  }

  /** A name that the caller gives a statement is of no use either where the next transaction has another backend. */
  #named(step: FlushStep): FlushStep {
    return this.#pooled ? { ...step, name: undefined } : step;
  }

  #pooledReset(client: PgClient): PooledReset | undefined {
    const login = this.#logins.get(client);
    if (!this.#pooled || login === undefined) return undefined;
    return pooledReset(login, { anyStatement: this.#options.anyStatement === true });
  }

  // Where any statement is allowed, a function of the caller's own can stand behind the plainest read.
  #leavesNothing(isPlainRead: boolean, login: Login): boolean {
    return isPlainRead && this.#options.anyStatement !== true && !login.readsLeaveTraces;
  }

  #loginOf(client: PgClient, identity: Identity): Login {
    const { role } = this.#options;
    if (identity.role !== role) {
      throw new AuthorizeError(
        'ERR_ROLE_WITHOUT_CLIENT',
        `this pool serves '${role}', not '${identity.role}'`,
      );
    }
    const login = this.#logins.get(client);
    if (login === undefined) throw new Error('the connection was not inspected');
    return login;
  }
}

const beginStep = controlling('BEGIN');
const commitStep = controlling('COMMIT');

function controlling(text: string): FlushStep {
  return { ...internal(text), transactionControl: true };
}

function internal(text: string): FlushStep {
  return { text, internal: true };
}

/** Clears up behind a transaction that is open or has failed, and ends it. Resolves, never rejects: true when that worked. */
function endPooled(client: PgClient, { instead }: PooledReset): Promise<boolean> {
  return client.query([...instead, 'COMMIT'].join('; ')).then(
    () => true,
    () => false,
  );
}

// While a client is out, the pool does not listen: a connection that breaks would end the process. By callback, because
// one can break before a promise has told of it.
function takeFrom(pool: PgPool): Promise<PgClient> {
  return new Promise((resolve, reject) => {
    pool.connect((error, client) => {
      if (client === undefined) {
        reject(error);
        return;
      }
      client.on('error', brokenConnection);
      resolve(client);
    });
  });
}

// Postgres' own words, and the pool's, say enough; those of the network do not.
function unreachable(role: string): (failure: unknown) => never {
  return (failure) => {
    const error = connectionError(failure);
    const code = error instanceof Error && 'syscall' in error && 'code' in error ? error.code : undefined;
    if (typeof code !== 'string' && !isEvent(failure)) throw error;
    const reason = typeof code === 'string' ? code : 'the WebSocket failed';
    throw databaseUnreachable(role, reason, error);
  };
}

export interface RunOptions extends Omit<FlushOptions, 'followUp'> {
  /** Told which connection the statements go to, before they do; perhaps a second time. */
  readonly taken?: (client: PgClient) => void;
  /**
   * Runs ahead of the prologue, such as a START TRANSACTION with its isolation level. Where `pooled`, there is a transaction
   * already, and it is a SET TRANSACTION.
   */
  readonly before?: readonly FlushStep[];
}

function brokenConnection(): void {
  // Whoever waits for an answer on it is told, and the pool does not get it back.
}

interface SealedConnectionParts {
  readonly seal: () => Promise<ReusableSeal>;
  readonly prologue: (seal: ReusableSeal) => FlushStep;
  readonly named: (step: FlushStep) => FlushStep;
  readonly reset: string;
  /** The reset, where it has to be part of the transaction. */
  readonly pooled: PooledReset | undefined;
  /** What is known of a statement; a plain read is one after which there is nothing to be cleared away. */
  readonly recall: (text: string) => KnownStatement;
  readonly forgetName: (text: string) => void;
  readonly failed: (cause: unknown) => void;
  readonly giveBack: (clean: Promise<boolean>) => Promise<void>;
}

/**
 * A connection that is somebody's for one explicit transaction. BEGIN and the prologue go out with its first statement, and
 * so cost no round trip; a SET TRANSACTION, which has to come before any query, goes ahead of the prologue. Statements are
 * sent one after the other.
 */
export class SealedConnection {
  readonly #client: PgClient;
  readonly #parts: SealedConnectionParts;
  #begin = openingOf({ text: 'begin' });
  /** `new`: nothing has been sent. `begun`: the transaction is open, and nobody's yet. */
  #state: 'new' | 'begun' | 'sealed' | 'ended' = 'new';
  #status: Flushed['status'] | 'unused' = 'unused';
  /** Of the reset that went out with the end of the transaction: whether it succeeded. */
  #reset: Promise<boolean> | undefined;
  #leftSomething = false;
  #released = false;
  /** The statement that is at work; resolves, and never rejects. */
  #busy: Promise<unknown> = Promise.resolve();

  constructor(client: PgClient, parts: SealedConnectionParts) {
    this.#client = client;
    this.#parts = parts;
  }

  /** How the transaction begins: BEGIN, with its level. Nothing is sent before its first statement. */
  begin(begin: FlushStep): void {
    this.#begin = openingOf(begin);
  }

  /** One statement in the transaction. */
  run(step: FlushStep): Promise<Result> {
    return this.#inTurn(() => this.#run(this.#parts.named(step), 'sealed'));
  }

  /** A SET TRANSACTION. */
  setTransaction(step: FlushStep): Promise<Result> {
    return this.#inTurn(() => this.#run(step, this.#state === 'sealed' ? 'sealed' : 'begun'));
  }

  /**
   * Ends the transaction. A rollback of one that has ended is none.
   *
   * @returns undefined where there was nothing to be ended, so that nothing was sent
   */
  end(command: 'commit' | 'rollback', step: FlushStep): Promise<Result | undefined> {
    return this.#inTurn(async () => {
      const isNothing = this.#state === 'new' || (this.#state === 'ended' && command === 'rollback');
      const ending = { ...step, transactionControl: true };
      const { pooled, reset } = this.#parts;
      if (isNothing) {
        this.#state = 'ended';
        return undefined;
      }
      if (!this.#leftSomething) return this.#flush([ending], 'ended');
      if (pooled === undefined) return this.#flush([ending], 'ended', { followUp: reset });
      return this.#flush(this.#pooledEnd(command, ending, pooled), 'ended');
    });
  }

  #pooledEnd(
    command: 'commit' | 'rollback',
    ending: FlushStep,
    { ahead, instead }: PooledReset,
  ): readonly FlushStep[] {
    // PostgreSQL makes a rollback of the commit of what has failed.
    if (command === 'commit' && this.#status !== 'E') return [...ahead.map(internal), ending];
    const [rollback = '', ...others] = instead;
    return [{ text: rollback, transactionControl: true }, ...others.map(internal), commitStep];
  }

  /** Gives the connection back once it is reset, or closes it when a transaction is still open. */
  async release(): Promise<void> {
    if (this.#released) return;
    this.#released = true;
    // What is still at work would leave its transaction behind the reset.
    await this.#busy;
    await this.#parts.giveBack(this.#cleanedUp());
  }

  async #cleanedUp(): Promise<boolean> {
    const { pooled } = this.#parts;
    if (this.#status === 'unused') return true;
    if (pooled !== undefined && this.#status === 'I') return true;
    if (pooled !== undefined && this.#status !== undefined) return endPooled(this.#client, pooled);
    if (this.#reset !== undefined) return this.#reset;
    if (this.#status !== 'I') return false;
    return this.#client.query(this.#parts.reset).then(
      () => true,
      () => false,
    );
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const answer = this.#busy.then(work);
    this.#busy = answer.catch(() => {});
    return answer;
  }

  async #run(step: FlushStep, next: 'begun' | 'sealed'): Promise<Result> {
    // A savepoint ends with its transaction, and leaves nothing either.
    const isControl = step.transactionControl === true;
    const { name, isPlainRead } = isControl ? unknownStatement : this.#parts.recall(step.text);
    if (!isControl && !isPlainRead) this.#leftSomething = true;
    const opening = this.#state === 'new' ? [this.#begin] : [];
    const seal = next === 'sealed' && this.#state !== 'sealed' ? await this.#parts.seal() : undefined;
    if (seal !== undefined) opening.push(this.#parts.prologue(seal));
    const isPrepared = isPlainRead && name !== undefined && step.name === undefined;
    const result = await (isPrepared
      ? this.#read(opening, { ...step, name })
      : this.#flush([...opening, step], next));
    if (seal !== undefined) seal.checked = true;
    return result;
  }

  /**
   * A plain read that has been prepared, or is now. What it reads may have changed meanwhile: in a savepoint of its own it
   * can be run once more, and the transaction goes on. As it writes nothing, the savepoint costs no transaction id.
   */
  async #read(opening: readonly FlushStep[], step: FlushStep): Promise<Result> {
    try {
      return await this.#flush([...opening, savepoint, step, releaseSavepoint], 'sealed');
    } catch (error) {
      if (!(error instanceof FlushError)) throw error;
      const again = { ...step, name: undefined };
      const result = await this.#flush([rollbackToSavepoint, releaseSavepoint, again], 'sealed');
      this.#parts.forgetName(step.text);
      return result;
    }
  }

  /** @throws FlushError when a prepared read was unfit; else what is its cause */
  async #flush(
    steps: readonly FlushStep[],
    next: 'begun' | 'sealed' | 'ended',
    options: FlushOptions = {},
  ): Promise<Result> {
    if (this.#released || this.#state === 'ended') {
      throw new AuthorizeError('ERR_TRANSACTION_ENDED', 'the transaction has ended');
    }
    try {
      const flushed = await flush(this.#client, steps, options);
      this.#becomes(next, flushed);
      const [result] = flushed.results;
      if (result === undefined) throw new Error('the statement has no result');
      return result;
    } catch (error) {
      if (!(error instanceof FlushError)) throw error;
      if (error.wasSent) this.#becomes(next, error);
      this.#parts.failed(error.cause);
      throw error.isUnfit && steps.includes(savepoint) ? error : error.cause;
    }
  }

  // Behind a BEGIN that failed, a statement would run without a transaction, as nobody.
  #becomes(next: 'begun' | 'sealed' | 'ended', { status, clean }: Pick<Flushed, 'status' | 'clean'>): void {
    this.#status = status;
    this.#state = status === 'T' || status === 'E' ? next : 'ended';
    if (next === 'ended') this.#reset = clean;
  }
}

const unknownStatement: KnownStatement = { name: undefined, isPlainRead: false };

const savepoint = savepointStep('savepoint drizzle_authorize', 'drizzle-authorize:savepoint');
const releaseSavepoint = savepointStep('release drizzle_authorize', 'drizzle-authorize:release');
const rollbackToSavepoint = savepointStep('rollback to drizzle_authorize');

function savepointStep(text: string, name?: string): FlushStep {
  return { text, name, internal: true, transactionControl: true };
}

function openingOf(begin: FlushStep): FlushStep {
  return { ...begin, internal: true, transactionControl: true };
}
