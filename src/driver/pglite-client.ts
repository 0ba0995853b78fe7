import { firstKeyword } from '../database/first-keyword.ts';
import { watch, type Identified, type Observe, type Watched } from '../observe.ts';
import type { Identity } from '../session/identity.ts';
import type { IdentitySource } from './bearer.ts';
import type { PgliteClient, PgliteDatabase, PgliteResult, Turn } from './pglite-database.ts';
import { assertDataStatement } from './statement-kind.ts';
import {
  assertNoTransactionControl,
  endsTransaction,
  setsTransaction,
  staysInTransaction,
  transactionEnded,
} from './transaction-control.ts';
import type { Statements } from './with-auth-options.ts';

/** Whose a client is, and what that person may do with it. */
export interface PglitePerson {
  readonly client: PgliteClient;
  readonly database: PgliteDatabase;
  readonly identity: IdentitySource;
  readonly role: string;
  readonly statements: Statements;
  readonly observe: Observe | undefined;
}

type Query = PgliteClient['query'];

/** The client as Drizzle sees it: every query and every transaction of it belongs to one person. */
export function personalClient(person: PglitePerson): object {
  const { client, database, observe, statements } = person;
  const query: Query = (text, values, options) =>
    watch(observe, watched(person, text, countOf), async (identified) => {
      assertSendable(text, statements);
      const identity = await person.identity();
      identified(identity);
      return database.turn(identity, async (turn) => {
        await turn.open();
        return turn.query(text, values, options);
      });
    });
  const transaction = async (work: unknown): Promise<unknown> => {
    if (typeof work !== 'function') throw new TypeError('$client.transaction: pass a callback');
    const beginning = { ...watched(person, 'begin', countOf), outcomes: () => [] };
    const identity = await watch(observe, beginning, async (identified) => {
      const known = await person.identity();
      identified(known);
      return known;
    });
    return database.turn(identity, (turn) =>
      new PersonalTransaction(turn, { person, identity }).run(work as TransactionWork),
    );
  };
  const close = (): unknown => Reflect.apply(Reflect.get(client, 'close') as () => unknown, client, []);
  return { query, transaction, close, ...refusedMembers };
}

const oneAtATime = 'statements are sent by the extended protocol, one at a time; use query()';
const forNobody = 'a notification is for nobody in particular; use the client that withAuth() was given';
const forEverybody = 'it is past everything that holds an identity; use the client that withAuth() was given';

const refusedMembers = Object.fromEntries(
  Object.entries({
    sql: oneAtATime,
    exec: oneAtATime,
    describeQuery: 'statements are sent to be run',
    listen: forNobody,
    unlisten: forNobody,
    runExclusive: forEverybody,
    execProtocol: forEverybody,
    execProtocolRaw: forEverybody,
    dumpDataDir: forEverybody,
    clone: forEverybody,
  }).map(([name, reason]) => [
    name,
    (): never => {
      throw new TypeError(`$client.${name} is not supported: ${reason}`);
    },
  ]),
);

function assertSendable(text: string, statements: Statements): void {
  if (statements === 'data') assertDataStatement(text);
  assertNoTransactionControl(text);
}

function watched<Result>(
  { role }: PglitePerson,
  text: string,
  rowsOf: (result: Result) => number | null,
): Watched<Result> {
  const statement = (): string => firstKeyword(text).toUpperCase();
  return {
    entry: 'pglite',
    role,
    statement,
    outcomes: (result) => [{ statement: statement(), rows: rowsOf(result) }],
  };
}

// Newer versions say it as PostgreSQL does, older ones what was written.
function countOf({ rowCount, affectedRows, rows }: PgliteResult): number | null {
  return rowCount ?? (rows.length > 0 ? rows.length : (affectedRows ?? null));
}

function noRows(): null {
  return null;
}

/** What Drizzle and the user are given for a transaction. */
interface TransactionClient {
  readonly query: Query;
  readonly rollback: () => Promise<void>;
  readonly closed: boolean;
}

type TransactionWork = (tx: TransactionClient) => unknown;

interface Parts {
  readonly person: PglitePerson;
  readonly identity: Identity;
}

/** The seal goes in ahead of the first statement, but behind SET TRANSACTION, which Drizzle sends first for a level. */
class PersonalTransaction {
  readonly #turn: Turn;
  readonly #parts: Parts;
  #opened: Promise<unknown> | undefined;
  #hasBegun = false;
  #hasEnded = false;

  constructor(turn: Turn, parts: Parts) {
    this.#turn = turn;
    this.#parts = parts;
  }

  async run(work: TransactionWork): Promise<unknown> {
    const hasEnded = (): boolean => this.#hasEnded;
    const tx: TransactionClient = {
      query: (text, values, options) => this.#query(text, values, options),
      rollback: () => this.#end('ROLLBACK'),
      get closed() {
        return hasEnded();
      },
      ...refusedMembers,
    };
    let result: unknown;
    try {
      result = await work(tx);
    } catch (error) {
      await this.#end('ROLLBACK');
      throw error;
    }
    await this.#end('COMMIT');
    return result;
  }

  async #query(...[text, values, options]: Parameters<Query>): Promise<PgliteResult> {
    if (this.#opened === undefined && setsTransaction(text)) return this.#setTransaction(text);
    this.#opened ??= this.#open();
    await this.#opened;
    return this.#watch(text, countOf, async () => {
      this.#assertOpen();
      const keyword = firstKeyword(text);
      if (endsTransaction(text, keyword)) {
        this.#hasEnded = true;
        this.#turn.isEnding();
      } else if (!staysInTransaction(text, keyword)) {
        assertSendable(text, this.#parts.person.statements);
      }
      return this.#turn.query(text, values, options);
    });
  }

  /** Ahead of the prologue, since it has to come before any query. */
  #setTransaction(text: string): Promise<PgliteResult> {
    return this.#begun(text, async () => {
      this.#assertOpen();
      return this.#turn.query(text);
    });
  }

  #open(): Promise<unknown> {
    if (this.#hasEnded) return Promise.resolve();
    const open = (): Promise<PgliteResult> => this.#turn.open();
    return this.#hasBegun ? open() : this.#begun('begin', open);
  }

  /** What is sent first is told as the BEGIN. */
  #begun(text: string, work: () => Promise<PgliteResult>): Promise<PgliteResult> {
    const isFirst = !this.#hasBegun;
    this.#hasBegun = true;
    return this.#watch(isFirst ? 'begin' : text, noRows, work);
  }

  #assertOpen(): void {
    if (this.#hasEnded) throw transactionEnded();
  }

  async #end(command: 'COMMIT' | 'ROLLBACK'): Promise<void> {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    if (this.#hasBegun) await this.#watch(command, noRows, () => this.#turn.end(command));
    else await this.#turn.end(command);
  }

  #watch<Result>(
    text: string,
    rowsOf: (result: Result) => number | null,
    work: () => Promise<Result>,
  ): Promise<Result> {
    const { person, identity } = this.#parts;
    return watch(person.observe, watched(person, text, rowsOf), (identified: Identified) => {
      identified(identity);
      return work();
    });
  }
}
