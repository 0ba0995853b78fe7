import { firstKeyword } from '../database/first-keyword.ts';
import type { FlushStep } from '../database/one-flush.ts';
import type { PgPool, Result, TypeParsers } from '../database/pg-client.ts';
import type { SealedConnection, SealedPool } from '../database/sealed-pool.ts';
import { watch, type Observe, type ObservedEntry, type Watched } from '../observe.ts';
import type { Identity } from '../session/identity.ts';
import type { IdentitySource } from './bearer.ts';
import { assertDataStatement } from './statement-kind.ts';
import {
  endsTransaction,
  setsTransaction,
  staysInTransaction,
  transactionEnded,
} from './transaction-control.ts';
import type { Statements } from './with-auth-options.ts';

/** Who uses a pool, and how. */
export interface Person {
  readonly identity: IdentitySource;
  readonly role: string;
  readonly statements: Statements;
  readonly observe: Observe | undefined;
  readonly entry: ObservedEntry;
}

/** The pool as Drizzle sees it: every query and every connection of it belongs to one person. */
export function personalPool(pool: PgPool, sealed: SealedPool, person: Person): PgPool {
  const query = async (config: unknown, values?: unknown, callback?: unknown): Promise<Result> => {
    const step = stepOf(config, values, callback);
    return watch(person.observe, watchedStep(person, step), async (identified) => {
      if (person.statements === 'data') assertDataStatement(step.text);
      const identity = await person.identity();
      identified(identity);
      const [result] = await sealed.run(identity, [step]);
      if (result === undefined) throw new Error('the statement has no result');
      return result;
    });
  };
  const connect = async (callback?: unknown): Promise<unknown> => {
    if (callback !== undefined)
      throw new TypeError('$client.connect: callbacks are not supported, use the promise');
    return watch(
      person.observe,
      { ...watchedStep(person, { text: 'begin' }), outcomes: () => [] },
      async (identified) => {
        const identity = await person.identity();
        identified(identity);
        return new PersonalClient(await sealed.connect(identity), identity, person);
      },
    );
  };
  return Object.assign(Object.create(pool) as PgPool, { query, connect });
}

function watchedStep({ entry, role }: Person, { text }: FlushStep): Watched<Result> {
  const statement = (): string => firstKeyword(text).toUpperCase();
  return {
    entry,
    role,
    statement,
    outcomes: ({ rowCount }) => [{ statement: statement(), rows: rowCount }],
  };
}

/**
 * The connection as Drizzle's transaction sees it. Drizzle sends BEGIN first, then the user's statements and its own
 * savepoints, then COMMIT or ROLLBACK, and releases.
 */
class PersonalClient {
  readonly #connection: SealedConnection;
  readonly #identity: Identity;
  readonly #person: Person;
  #state: 'new' | 'open' | 'ended' = 'new';

  constructor(connection: SealedConnection, identity: Identity, person: Person) {
    this.#connection = connection;
    this.#identity = identity;
    this.#person = person;
  }

  async query(config: unknown, values?: unknown, callback?: unknown): Promise<Result> {
    const step = stepOf(config, values, callback);
    return watch(this.#person.observe, watchedStep(this.#person, step), (identified) => {
      identified(this.#identity);
      return this.#query(step);
    });
  }

  async #query(step: FlushStep): Promise<Result> {
    const keyword = firstKeyword(step.text);
    if (this.#state === 'new') return this.#begin(step, keyword);
    if (this.#state === 'ended') {
      // Drizzle rolls back when a commit has failed. PostgreSQL has done so, and its error is the one to be told.
      if (keyword === 'rollback' && endsTransaction(step.text, keyword)) return resultOf('ROLLBACK');
      throw transactionEnded();
    }
    if (endsTransaction(step.text, keyword)) {
      this.#state = 'ended';
      const command = keyword === 'rollback' || keyword === 'abort' ? 'rollback' : 'commit';
      return (await this.#connection.end(command, step)) ?? resultOf(command.toUpperCase());
    }
    if (setsTransaction(step.text)) return this.#connection.setTransaction(step);
    if (staysInTransaction(step.text, keyword)) {
      return this.#connection.run({ ...step, transactionControl: true });
    }
    if (this.#person.statements === 'data') assertDataStatement(step.text);
    return this.#connection.run(step);
  }

  release(): void {
    this.#state = 'ended';
    void this.#connection.release();
  }

  /** Drizzle 1 listens for a connection that breaks. Here whoever waits for an answer on it is told, and nobody else. */
  on(): this {
    return this;
  }

  off(): this {
    return this;
  }

  #begin(step: FlushStep, keyword: string): Result {
    if (keyword !== 'begin' && keyword !== 'start') {
      this.release();
      throw new TypeError('$client.connect: begin a transaction first; single queries go to $client.query');
    }
    this.#connection.begin(step);
    this.#state = 'open';
    return resultOf('BEGIN');
  }
}

function resultOf(command: string): Result {
  return { command, rowCount: null, oid: null, fields: [], rows: [] };
}

/** What `query()` of a client takes, as far as it is one statement. */
interface QueryConfig {
  readonly text: string;
  readonly values?: readonly unknown[];
  readonly name?: string;
  readonly rowMode?: 'array';
  readonly types?: TypeParsers;
}

function stepOf(config: unknown, values: unknown, callback: unknown): FlushStep {
  if (typeof config === 'function' || typeof values === 'function' || callback !== undefined) {
    throw new TypeError('$client.query: callbacks are not supported, use the promise');
  }
  if (typeof config === 'object' && config !== null && 'submit' in config) {
    throw new TypeError(
      '$client.query: cursors and streams are not supported, because they outlive a round trip',
    );
  }
  const query = typeof config === 'string' ? { text: config } : (config as QueryConfig);
  if (values !== undefined && !Array.isArray(values))
    throw new TypeError('$client.query: values must be an array');
  const given: readonly unknown[] | undefined = values ?? query.values;
  return {
    text: query.text,
    ...(given && { values: given }),
    ...(query.name !== undefined && { name: query.name }),
    ...(query.rowMode && { rowMode: query.rowMode }),
    ...(query.types && { types: query.types }),
  };
}
