import { assertOwnBackend, databaseUnreachable } from '../database/backend.ts';
import { assertLoginIsRole } from '../database/login.ts';
import { pooledReset, type PooledReset } from '../database/pooled-reset.ts';
import { resetSession, resetSessionAndStatements } from '../database/reset.ts';
import { loadStatementJudge } from '../database/statement-judge.ts';
import { StatementMemory, type KnownStatement } from '../database/statement-memory.ts';
import { AuthorizeError } from '../errors.ts';
import type { Identity } from '../session/identity.ts';
import { prologue } from '../session/prologue.ts';
import { ReusableSeals, type ReusableSeal } from '../session/reusable-seals.ts';
import type { SealKey } from '../session/seal-key.ts';
import {
  errorOf,
  take,
  type HeldConnection,
  type PostgresClient,
  type Rows,
} from './postgres-js-connection.ts';
import { isSurelyWritten, ParameterTypes, type PostgresStatement } from './postgres-js-parameters.ts';

export interface SealedClientOptions {
  readonly client: PostgresClient;
  /** The identity role that the client logs in as. */
  readonly role: string;
  readonly key: () => Promise<SealKey>;
  readonly authSchema: string;
  /** The client logs in as somebody else, on purpose: the prologue then sets the role as well. */
  readonly allowPrivilegedLogin: boolean;
  /** Statements other than plain DML may run, so that more has to be cleared away after each use. */
  readonly anyStatement: boolean;
  /** Prepare what comes again on each connection, the prologue as well; never with `anyStatement`. */
  readonly prepare: boolean;
  /** Each transaction may have another backend, as behind a transaction pooler: nothing is prepared then. */
  readonly pooled: boolean;
}

const unknownStatement: KnownStatement = { name: undefined, isPlainRead: false };

/**
 * A client of postgres.js whose connections do nothing but what an identity was sealed for, and forget it afterwards. The
 * caller has its answer before the connection has been reset; the pool has the connection back after it.
 */
export class SealedClient {
  readonly #options: SealedClientOptions;
  readonly #prepares: boolean;
  readonly #seals: ReusableSeals;
  readonly #memory: StatementMemory;
  readonly #types: ParameterTypes;

  constructor(options: SealedClientOptions) {
    this.#options = options;
    // Where DEALLOCATE may run, nothing that is prepared is sure to be there.
    this.#prepares = options.prepare && !options.anyStatement && !options.pooled;
    this.#seals = new ReusableSeals(options.key, { anyBackend: options.pooled });
    this.#memory = new StatementMemory({
      prepare: this.#prepares,
      authSchema: options.authSchema,
      loadJudge: loadStatementJudge,
    });
    this.#types = new ParameterTypes(options.client);
  }

  /** Runs a statement as somebody, in a transaction of its own. */
  async run(identity: Identity, statement: PostgresStatement): Promise<Rows> {
    const { name, isPlainRead } = this.#recall(statement);
    const prepare = name !== undefined;
    const relies = prepare || this.#types.knows(statement);
    try {
      return await this.#run(identity, statement, { prepare, isPlainRead });
    } catch (error) {
      if (!(relies && isUnfit(error)) && !isGone(error)) throw error;
      // What was known of it is of a table that has changed since, or is not there any more. Nothing has been done: the
      // transaction ended with the error.
      const rows = await this.#run(identity, statement, { prepare: false, isPlainRead });
      this.#memory.forgetName(statement.text);
      return rows;
    }
  }

  #recall({ text, values }: PostgresStatement): KnownStatement {
    const { name, isPlainRead } = values === undefined ? unknownStatement : this.#memory.recall(text);
    // Where any statement is allowed, a function of the caller's own can stand behind the plainest read.
    return { name, isPlainRead: isPlainRead && !this.#options.anyStatement };
  }

  async #run(
    identity: Identity,
    statement: PostgresStatement,
    { prepare, isPlainRead }: { readonly prepare: boolean; readonly isPlainRead: boolean },
  ): Promise<Rows> {
    const transaction = await this.begin(identity);
    const opened = transaction.open('begin');
    opened.catch(() => {});
    await transaction.readyFor(statement, opened).catch(async (error: unknown) => {
      await transaction.end('rollback').catch(() => {});
      throw error;
    });
    let ended: Promise<void> | undefined;
    const end = (): Promise<void> => (ended ??= transaction.end('commit', { isPlainRead }));
    const answer = transaction.send(statement, { prepare, written: () => void end() });
    if (ended === undefined) await settled(answer);
    // Nothing is told before all of it is over; of several errors the first is the cause of the others.
    await settled(end());
    await opened;
    const rows = await answer;
    await ended;
    return prepare ? withOwnDescription(rows) : rows;
  }

  /** A connection for a transaction of somebody, which has to be opened. */
  async begin(identity: Identity): Promise<SealedTransaction> {
    const { client, role, authSchema, allowPrivilegedLogin, anyStatement, pooled } = this.#options;
    if (identity.role !== role) {
      throw new AuthorizeError(
        'ERR_ROLE_WITHOUT_CLIENT',
        `this client serves '${role}', not '${identity.role}'`,
      );
    }
    if (!pooled) for (const host of client.options.host) assertOwnBackend(host, role);
    const held = await take(client, authSchema).catch((error: unknown) => {
      throw connectionError(role, error);
    });
    try {
      if (!allowPrivilegedLogin) assertLoginIsRole(held.login, role);
      const currentSeal = async (): Promise<ReusableSeal> =>
        this.#seals.find(identity, held.login) ?? this.#seals.make(identity, held.login);
      const seal = await currentSeal();
      if (anyStatement) held.forgetPrepared();
      return new SealedTransaction({
        client,
        held,
        seal,
        currentSeal,
        types: this.#types,
        isPlainRead: (statement) => this.#recall(statement).isPlainRead,
        authSchema,
        role: allowPrivilegedLogin ? role : undefined,
        prepares: this.#prepares && held.keepsPrepared,
        reset: anyStatement ? resetSessionAndStatements : resetSession,
        pooled: pooled ? pooledReset(held.login, { anyStatement }) : undefined,
      });
    } catch (error) {
      void held.letGo('');
      throw error;
    }
  }
}

interface SealedTransactionParts {
  readonly client: PostgresClient;
  readonly held: HeldConnection;
  readonly seal: ReusableSeal;
  readonly currentSeal: () => Promise<ReusableSeal>;
  readonly types: ParameterTypes;
  readonly isPlainRead: (statement: PostgresStatement) => boolean;
  readonly authSchema: string;
  readonly role: string | undefined;
  readonly prepares: boolean;
  readonly reset: string;
  /** The reset, where it has to be part of the transaction. */
  readonly pooled: PooledReset | undefined;
}

/** A transaction that is somebody's. What is sent goes on the wire at once; nobody need wait for what was sent before. */
export class SealedTransaction {
  readonly #parts: SealedTransactionParts;
  #state: 'new' | 'open' | 'ended' = 'new';
  #hasOptions = false;
  #onlyReads = true;
  #seal: ReusableSeal;

  constructor(parts: SealedTransactionParts) {
    this.#parts = parts;
    this.#seal = parts.seal;
  }

  /** Whoever opens it later than at once must call this before: a seal does not live for long. */
  async renewSeal(): Promise<void> {
    this.#seal = await this.#parts.currentSeal();
  }

  /**
   * BEGIN, if it has not been sent, and the prologue.
   *
   * @returns rejects when one of them fails, and then no statement behind them runs
   */
  async open(begin: string): Promise<void> {
    const begun = this.#begin(begin);
    const sealed = this.#prologue();
    await settled(sealed);
    await begun;
    await sealed;
    this.#seal.checked = true;
  }

  /** BEGIN, if it has not been sent, and a SET TRANSACTION, which has to come ahead of the prologue. */
  async setTransaction(begin: string, statement: PostgresStatement): Promise<Rows> {
    const begun = this.#begin(begin);
    const set = this.#parts.held.send(statement.query({ prepare: false }));
    await settled(set);
    await begun;
    return set;
  }

  #begin(command: string): Promise<unknown> {
    if (this.#state !== 'new') return Promise.resolve();
    this.#state = 'open';
    this.#hasOptions = command.trim() !== 'begin';
    const { held } = this.#parts;
    const begun = held.command(command);
    begun.catch(() => {
      // There is no transaction that could be ended.
      held.close();
    });
    return begun;
  }

  /**
   * Waits for {@link open} where the statement must not be sent before. What has set the role cannot have failed when it
   * runs, nor a BEGIN with options of the caller's; and what postgres.js might not be able to write is written when nothing
   * else waits for an answer.
   */
  async readyFor(statement: PostgresStatement, opened: Promise<void>): Promise<void> {
    if (this.#parts.role !== undefined || this.#hasOptions || !isSurelyWritten(statement)) await opened;
  }

  /** @param options.written called when all of the statement is on the wire: in this call, or never if it fails before */
  send(
    statement: PostgresStatement,
    {
      prepare = false,
      written = () => {},
    }: { readonly prepare?: boolean; readonly written?: () => void } = {},
  ): Promise<Rows> {
    const { held, types, prepares } = this.#parts;
    const { query, asks } = types.queryOf(statement, { prepare: prepare && prepares, written });
    const answer = held.send(query);
    answer.catch((error: unknown) => {
      if (isUnfit(error)) types.forget(statement);
    });
    if (!asks) {
      written();
      return answer;
    }
    const learnt = answer.then((rows) => {
      types.learn(statement, query);
      return rows;
    });
    // Nobody looks at it where the prologue has failed.
    learnt.catch(() => {});
    return learnt;
  }

  /** Of several statements, each must be looked at before it is sent. */
  lookAt(statement: PostgresStatement): void {
    if (!this.#parts.isPlainRead(statement)) this.#onlyReads = false;
  }

  /** Whether none that was looked at can have left anything. */
  get onlyReads(): boolean {
    return this.#onlyReads;
  }

  /** Sends a statement of the user that ends the transaction: there is nothing left then but to give the connection back. */
  async endBy(statement: PostgresStatement, { rollsBack }: { readonly rollsBack: boolean }): Promise<Rows> {
    this.#state = 'ended';
    const { held, pooled } = this.#parts;
    if (pooled !== undefined) {
      const instead = pooled.instead.join('; ');
      if (rollsBack) await held.command(instead);
      else {
        await held.command(pooled.ahead.join('; ')).catch(async (error: unknown) => {
          await held.command(`${instead}; COMMIT`);
          throw error;
        });
      }
    }
    return this.send(statement);
  }

  /** Ends the transaction, if it is open, and gives the connection back once it has been reset. */
  async end(
    command: 'commit' | 'rollback',
    { isPlainRead = false }: { readonly isPlainRead?: boolean } = {},
  ): Promise<void> {
    const { held, reset, pooled } = this.#parts;
    const state = this.#state;
    this.#state = 'ended';
    if (state === 'new' || (state === 'ended' && pooled !== undefined)) {
      void held.letGo('');
    } else if (state === 'open' && isPlainRead && !held.login.readsLeaveTraces) {
      await held.letGo(command);
    } else if (pooled !== undefined) {
      const instead = [...pooled.instead, 'COMMIT'].join('; ');
      if (command === 'commit') await held.letGo([...pooled.ahead, 'COMMIT'].join('; '), instead);
      else await held.letGo(instead);
    } else {
      const ended = state === 'open' ? held.command(command) : undefined;
      void held.letGo(reset);
      await ended;
    }
  }

  #prologue(): Promise<Rows> {
    const { client, held, authSchema, role, prepares, pooled } = this.#parts;
    // Behind a pooler it was another backend that has found it genuine.
    const checked = this.#seal.checked && pooled === undefined;
    const { text: statement, values } = prologue(this.#seal.text, { authSchema, role, checked });
    const query = client.unsafe(statement, [], { simple: false, prepare: prepares });
    query.parameters = [...values];
    const answer = held.send(query);
    // postgres.js adds them to an error.
    query.parameters = [];
    return answer;
  }
}

// That of a prepared statement is the connection's, and callers may change what they are given.
function withOwnDescription(rows: Rows): Rows {
  rows.columns &&= rows.columns.map((column) => ({ ...column }));
  rows.statement &&= { ...rows.statement, columns: rows.columns };
  return rows;
}

async function settled(work: Promise<unknown>): Promise<void> {
  await work.then(undefined, () => {});
}

function connectionError(role: string, error: unknown): unknown {
  const { syscall, code } = errorOf(error);
  return syscall !== undefined && typeof code === 'string' ? databaseUnreachable(role, code, error) : error;
}

/** What was prepared on the connection is not there any more: somebody has thrown it away. */
function isGone(error: unknown): boolean {
  return errorOf(error).routine === 'FetchPreparedStatement';
}

// What PostgreSQL says when a statement that was prepared is of no use: its columns have changed ("cached plan must not
// change result type"), it cannot be planned any more, or its parameters have the types of before.
const unfit = /^(?:42(?!501)\w{3}|0A000|22P0[23]|2200[3789]|22015|22023|2202E)$/u;

function isUnfit(error: unknown): boolean {
  const { code } = errorOf(error);
  return typeof code === 'string' && unfit.test(code);
}
