import { firstKeyword } from '../database/first-keyword.ts';
import { quoteIdentifier } from '../database/quote-identifier.ts';
import { watch } from '../observe.ts';
import type { Identity } from '../session/identity.ts';
import { isFromPostgres, type PostgresClient, type Query, type Rows } from './postgres-js-connection.ts';
import type { PostgresStatement } from './postgres-js-parameters.ts';
import { watched, type Person } from './postgres-js-person.ts';
import { assertSendable, refused, statementOf, withQueries, type RunQuery } from './postgres-js-queries.ts';
import type { SealedTransaction } from './postgres-js-sealed.ts';
import {
  endsTransaction,
  setsTransaction,
  staysInTransaction,
  transactionEnded,
} from './transaction-control.ts';

export type TransactionWork = (client: PostgresClient) => unknown;

interface Parts {
  readonly person: Person;
  readonly identity: Identity;
  readonly sealed: SealedTransaction;
  /** The BEGIN, with whatever the caller wants behind it. */
  readonly command: string;
}

/**
 * The transaction of `begin()`. BEGIN and the prologue go out with its first statement; a SET TRANSACTION, which Drizzle sends
 * first where it was asked for a level, goes ahead of the prologue. Statements are sent one after the other.
 */
export class PersonalTransaction {
  readonly #parts: Parts;
  /** `begun`: the transaction is open, and nobody's yet. */
  #state: 'new' | 'begun' | 'open' | 'ended' = 'new';
  /** The statement that is at work; resolves, and never rejects. */
  #busy: Promise<unknown> = Promise.resolve();
  #savepoints = 0;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  async run(work: TransactionWork): Promise<unknown> {
    let result: unknown;
    try {
      result = await this.#scope(work);
    } catch (error) {
      await this.#end('rollback').catch(() => {});
      throw error;
    }
    await this.#end('commit');
    return result;
  }

  /** As in postgres.js, the error of a statement is the error of its transaction or savepoint, also where it was caught. */
  async #scope(work: TransactionWork): Promise<unknown> {
    let failure: unknown;
    const run: RunQuery = async (query) => {
      try {
        return await this.#next(query);
      } catch (error) {
        if (isFromPostgres(error)) failure ??= error;
        throw error;
      }
    };
    const savepoint = async (first: unknown, second?: unknown): Promise<unknown> => {
      const [name, inner] = typeof first === 'string' ? [`_${first}`, second] : ['', first];
      if (typeof inner !== 'function') throw new TypeError('savepoint: pass a callback');
      return this.#savepoint(name, inner as TransactionWork);
    };
    const client = Object.assign(withQueries(this.#parts.person.client, run), {
      savepoint,
      ...refusedOfTransactions,
    });
    const given = work(client);
    const result: unknown = await (Array.isArray(given) ? Promise.all(given) : given);
    if (failure !== undefined) throw failure as Error;
    return result;
  }

  async #savepoint(name: string, work: TransactionWork): Promise<unknown> {
    const savepoint = quoteIdentifier(`s${this.#savepoints}${name}`);
    this.#savepoints += 1;
    const command = (text: string): Promise<Rows> => this.#next(this.#parts.person.client.unsafe(text));
    await command(`savepoint ${savepoint}`);
    try {
      return await this.#scope(work);
    } catch (error) {
      await command(`rollback to ${savepoint}`).catch(() => {});
      throw error;
    }
  }

  #next(query: Query): Promise<Rows> {
    const answer = this.#busy.then(() => this.#send(query));
    this.#busy = answer.catch(() => {});
    return answer;
  }

  async #send(query: Query): Promise<Rows> {
    const { person, sealed } = this.#parts;
    const statement = statementOf(query, person.client);
    const { text } = statement;
    const isAhead = this.#state === 'new' || this.#state === 'begun';
    if (isAhead && setsTransaction(text)) return this.#setTransaction(statement);
    return this.#watch(text, countOf, async () => {
      const ending = this.#assertSendable(statement);
      if (this.#state !== 'open') await sealed.renewSeal();
      const opened = this.#open();
      await sealed.readyFor(statement, opened);
      if (ending !== undefined) this.#state = 'ended';
      const answer =
        ending === undefined
          ? sealed.send(statement)
          : sealed.endBy(statement, { rollsBack: ending === 'rollback' });
      answer.catch(() => {});
      // Of several errors the first is the cause of the others.
      await opened;
      return answer;
    });
  }

  /** @returns how it ends the transaction, if it does */
  #assertSendable(statement: PostgresStatement): 'commit' | 'rollback' | undefined {
    const { text } = statement;
    if (this.#state === 'ended') throw transactionEnded();
    const keyword = firstKeyword(text);
    if (endsTransaction(text, keyword)) {
      return keyword === 'rollback' || keyword === 'abort' ? 'rollback' : 'commit';
    }
    // A savepoint ends with its transaction.
    if (staysInTransaction(text, keyword)) return undefined;
    assertSendable(text, this.#parts.person.statements);
    this.#parts.sealed.lookAt(statement);
    return undefined;
  }

  /** Resolves at once where the transaction is open. */
  #open(): Promise<void> {
    if (this.#state === 'open') return Promise.resolve();
    const { sealed, command } = this.#parts;
    const isNew = this.#state === 'new';
    this.#state = 'open';
    const open = (): Promise<void> => sealed.open(command);
    const opened = isNew ? this.#watch('begin', noRows, open) : open();
    opened.catch(() => {});
    return opened;
  }

  /** Ahead of the prologue, since it has to come before any query. The first one is told as the level of the BEGIN. */
  #setTransaction(statement: PostgresStatement): Promise<Rows> {
    const { sealed, command } = this.#parts;
    const isNew = this.#state === 'new';
    this.#state = 'begun';
    return this.#watch(isNew ? 'begin' : statement.text, noRows, () =>
      sealed.setTransaction(command, statement),
    );
  }

  async #end(command: 'commit' | 'rollback'): Promise<void> {
    for (let busy; busy !== this.#busy; await busy) busy = this.#busy;
    const { sealed } = this.#parts;
    const wasOpen = this.#state === 'open' || this.#state === 'begun';
    this.#state = 'ended';
    const end = (): Promise<void> => sealed.end(command, { isPlainRead: sealed.onlyReads });
    await (wasOpen ? this.#watch(command, noRows, end) : end());
  }

  #watch<Result>(
    text: string,
    rowsOf: (result: Result) => number | null,
    work: () => Promise<Result>,
  ): Promise<Result> {
    const { person, identity } = this.#parts;
    return watch(person.observe, watched(person, text, rowsOf), (identified) => {
      identified(identity);
      return work();
    });
  }
}

const refusedOfTransactions = refused('transaction', ['prepare', 'notify', 'file']);

function countOf({ count }: Rows): number | null {
  return count;
}

function noRows(): null {
  return null;
}
