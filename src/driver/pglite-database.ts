import { inspectLogin, type Login, type LoginRow } from '../database/login.ts';
import { quoteIdentifier } from '../database/quote-identifier.ts';
import { resetSessionAndStatements } from '../database/reset.ts';
import { AuthorizeError } from '../errors.ts';
import type { Identity } from '../session/identity.ts';
import { prologue } from '../session/prologue.ts';
import { ReusableSeals, type ReusableSeal } from '../session/reusable-seals.ts';
import type { SealKey } from '../session/seal-key.ts';
import { remembered, type Remembered } from './remembered.ts';

/** What `new PGlite()` makes, as far as it is used here. */
export interface PgliteClient extends PgliteQueries {
  /** Between BEGIN and COMMIT, and nobody else has the database meanwhile. */
  transaction<Result>(work: (tx: PgliteQueries) => Promise<Result>): Promise<Result>;
  /** Writes down what is in memory; not every client has it. */
  syncToFs?(): Promise<void>;
}

interface PgliteQueries {
  /** One statement, by the extended protocol. */
  query(text: string, values?: readonly unknown[], options?: object): Promise<PgliteResult>;
  /** Statements, by the simple protocol. */
  exec(text: string): Promise<readonly PgliteResult[]>;
}

export interface PgliteResult {
  readonly rows: readonly unknown[];
  readonly rowCount?: number;
  readonly affectedRows?: number;
}

export interface PgliteDatabaseOptions {
  readonly client: PgliteClient;
  readonly key: () => Promise<SealKey>;
  readonly authSchema: string;
  /** Statements other than plain DML may run, so that more has to be cleared away after each use. */
  readonly anyStatement: boolean;
}

/**
 * What the statements of a person can leave, if they read and write rows. What the application has on the same connection
 * stays: live queries are listeners, prepared statements and views that are temporary. Tells whether there can be temporary
 * tables, since to look for them takes longer than all else.
 */
function resetPerson(): string {
  // Made here: for Postgres to make it takes as long as all the rest.
  const [random = 0] = globalThis.crypto.getRandomValues(new Int32Array(1));
  return `RESET ALL; DISCARD SEQUENCES; SELECT pg_catalog.pg_advisory_unlock_all(),
    pg_catalog.setseed(${random} / 2147483648::float8), pg_catalog.pg_my_temp_schema() <> 0 AS has_temporary`;
}

const dropTemporaryTables = `DO $$ DECLARE name text; BEGIN
    FOR name IN SELECT oid::regclass FROM pg_catalog.pg_class
      WHERE relpersistence = 't' AND relkind = 'r' AND relowner <> session_user::regrole
    LOOP
      EXECUTE 'DROP TABLE ' || name || ' CASCADE';
    END LOOP;
  END $$`;

/** A PGlite in which one person at a time does what an identity was sealed for, and leaves nothing of it. */
export class PgliteDatabase {
  readonly #options: PgliteDatabaseOptions;
  readonly #login: Remembered<Login>;
  readonly #seals: ReusableSeals;
  #isClean = true;

  constructor(options: PgliteDatabaseOptions) {
    this.#options = options;
    this.#seals = new ReusableSeals(options.key);
    this.#login = remembered(() =>
      inspectLogin(
        async (text) => (await options.client.query(text)).rows as readonly LoginRow[],
        options.authSchema,
      ),
    );
  }

  /**
   * Has the database for one person, from before the transaction begins until what it has left is cleared away.
   *
   * PGlite begins a transaction, and ends one that is open when the callback is over: the person's is ended, and one that is
   * empty begun, in between.
   *
   * @throws AuthorizeError `ERR_CONNECTION_IN_DOUBT` when it could not be cleared away; nobody has a turn until it is
   */
  async turn<Result>(identity: Identity, work: (turn: Turn) => Promise<Result>): Promise<Result> {
    const { client } = this.#options;
    const login = await this.#currentLogin();
    const seal = async (): Promise<ReusableSeal> =>
      this.#seals.find(identity, login) ?? this.#seals.make(identity, login);
    // An identity that cannot be sealed has no turn.
    await seal();
    let outcome: (() => Result) | undefined;
    try {
      await client.transaction(async (tx) => {
        const leave = async (command: string): Promise<void> => {
          await this.#leave(tx, command, login.role);
          this.#isClean = true;
        };
        if (!this.#isClean) await leave('ROLLBACK');
        this.#isClean = false;
        const turn = new Turn(tx, { seal, authSchema: login.authSchema, role: identity.role, leave });
        outcome = await turn.run(work);
        // Its own end has failed, or was a statement of the user's.
        if (!this.#isClean) await leave('ROLLBACK');
      });
    } catch (error) {
      if (this.#isClean) throw error;
      throw new AuthorizeError(
        'ERR_CONNECTION_IN_DOUBT',
        'what a statement has left in the database could not be cleared away',
        { cause: error },
      );
    }
    await client.syncToFs?.();
    if (outcome === undefined) throw new Error('PGlite has not called back');
    try {
      return outcome();
    } catch (error) {
      // A seal that is refused was perhaps made by a clock that has been set since, or for another database.
      if (error instanceof Error && 'code' in error && error.code === '28000') this.#login.forget();
      throw error;
    }
  }

  async #currentLogin(): Promise<Login> {
    const login = await this.#login.get();
    if (Date.now() < login.staleAt) return login;
    this.#login.forget();
    return this.#login.get();
  }

  /** Ends the transaction that is open, clears away what the person has left, and begins the one that PGlite will end. */
  async #leave(tx: PgliteQueries, command: string, role: string): Promise<void> {
    const { anyStatement } = this.#options;
    const reset = anyStatement ? resetSessionAndStatements : resetPerson();
    // PGlite runs Postgres in single-user mode, where DEFAULT is no login at all and would change nothing. All is sent as
    // one, since each call costs more than what it runs.
    const results = await tx.exec(
      `${command}; SET SESSION AUTHORIZATION ${quoteIdentifier(role)}; ${reset}; BEGIN`,
    );
    if (anyStatement) return;
    const told = results.at(-2)?.rows[0] as { readonly has_temporary?: unknown } | undefined;
    if (told?.has_temporary !== false) await tx.exec(dropTemporaryTables);
  }
}

interface TurnParts {
  readonly seal: () => Promise<ReusableSeal>;
  readonly authSchema: string;
  readonly role: string;
  /** Runs what ends the transaction, and takes the person off the connection. */
  readonly leave: (command: 'COMMIT' | 'ROLLBACK') => Promise<void>;
}

/** A transaction that is somebody's. */
export class Turn {
  readonly #tx: PgliteQueries;
  readonly #parts: TurnParts;
  #isOver = false;
  /** Of the last statement that failed. */
  #failure: unknown;

  constructor(tx: PgliteQueries, parts: TurnParts) {
    this.#tx = tx;
    this.#parts = parts;
  }

  /** Lets the work have the transaction, and ends it unless the work has. @returns gives its result, or throws its error */
  async run<Result>(work: (turn: Turn) => Promise<Result>): Promise<() => Result> {
    try {
      const result = await work(this);
      await this.end('COMMIT');
      return () => result;
    } catch (error) {
      await this.end('ROLLBACK');
      return () => {
        throw error;
      };
    }
  }

  /** Puts the seal into the transaction: nothing but SET TRANSACTION may be run before that. */
  async open(): Promise<PgliteResult> {
    const { seal: currentSeal, authSchema, role } = this.#parts;
    const seal = await currentSeal();
    const { text, values } = prologue(seal.text, { authSchema, role, checked: seal.checked });
    try {
      const opened = await this.#tx.query(text, values);
      seal.checked = true;
      return opened;
    } catch (error) {
      // PGlite adds them to an error.
      if (error instanceof Error) Reflect.set(error, 'params', []);
      throw error;
    }
  }

  /** Runs one statement. */
  async query(text: string, values?: readonly unknown[], options?: object): Promise<PgliteResult> {
    try {
      return await this.#tx.query(text, values, options);
    } catch (error) {
      this.#failure = error;
      throw error;
    }
  }

  /** A statement of the user is about to end it. */
  isEnding(): void {
    this.#isOver = true;
  }

  /** Does nothing when it is over. */
  async end(command: 'COMMIT' | 'ROLLBACK'): Promise<void> {
    if (this.#isOver) return;
    this.#isOver = true;
    // Postgres would roll back without a word.
    const failure = command === 'COMMIT' && (await this.#isAborted()) ? this.#failure : undefined;
    await this.#parts.leave(command);
    if (failure !== undefined) throw failure as Error;
  }

  /** Whether a statement failed that no savepoint has taken back. */
  async #isAborted(): Promise<boolean> {
    if (this.#failure === undefined) return false;
    return this.#tx.exec('SELECT').then(
      () => false,
      () => true,
    );
  }
}
