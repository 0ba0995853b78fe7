import { firstKeyword } from '../database/first-keyword.ts';
import { StatementError } from '../errors.ts';
import { watch, type Identified, type Observe, type Outcome } from '../observe.ts';
import { neonFailure } from './neon-failure.ts';
import { assertDataStatement } from './statement-kind.ts';
import { controlsTransaction } from './transaction-control.ts';
import type { Statements } from './with-auth-options.ts';

/** What is used here of the client that `neon()` makes; @neondatabase/serverless 1.0 to 1.2 have it. */
export interface NeonClient {
  (strings: TemplateStringsArray, ...values: readonly unknown[]): NeonQuery;
  readonly query: (text: string, values?: readonly unknown[], options?: object) => NeonQuery;
  readonly unsafe: (text: string) => unknown;
  readonly transaction: (queries: NeonQueries, options?: object) => Promise<readonly unknown[]>;
}

type NeonQueries = readonly NeonQuery[] | ((client: NeonClient) => readonly NeonQuery[]);

/** A query of the client. Nothing is sent before somebody waits for it, and then once for each who does. */
export interface NeonQuery extends PromiseLike<unknown> {
  readonly queryData: NeonStatement | { toParameterizedQuery(): NeonStatement };
  readonly opts?: object;
}

export interface NeonStatement {
  readonly query: string;
  readonly params: readonly unknown[];
}

/** Text and parameters of a query, however it was written. */
export function statementOf({ queryData }: NeonQuery): NeonStatement {
  return 'toParameterizedQuery' in queryData ? queryData.toParameterizedQuery() : queryData;
}

export function isNeonClient(client: unknown): client is NeonClient {
  return (
    typeof client === 'function' &&
    ['query', 'unsafe', 'transaction'].every((member) => typeof Reflect.get(client, member) === 'function')
  );
}

/** Sends queries as somebody, in one request. */
export interface QueryRunner {
  one(query: NeonQuery, identified: Identified): Promise<unknown>;
  /** In one transaction, with the options of the client's `transaction()`. */
  all(
    queries: readonly NeonQuery[],
    options: object | undefined,
    identified: Identified,
  ): Promise<readonly unknown[]>;
}

export interface PersonalClientOptions {
  readonly runner: QueryRunner;
  readonly role: string;
  readonly statements: Statements;
  readonly observe: Observe | undefined;
}

/** The client as Drizzle sees it: every query and every batch of it belongs to one person. */
export function personalClient(client: NeonClient, options: PersonalClientOptions): NeonClient {
  const { runner, role, statements, observe } = options;
  const watched = { entry: 'neon-http', role } as const;
  const own = (query: NeonQuery): NeonQuery => {
    const run = (): Promise<unknown> =>
      watch(
        observe,
        {
          ...watched,
          statement: () => kindOf(query),
          outcomes: (result: unknown) => [outcomeOf(query, result)],
        },
        async (identified) => {
          assertSendable(query, statements);
          return rethrown(runner.one(query, identified));
        },
      );
    return withThen(query, run);
  };
  const template = (strings: TemplateStringsArray, ...values: readonly unknown[]): NeonQuery =>
    own(client(strings, ...values));
  return Object.assign(template, {
    query: (text: string, values?: readonly unknown[], queryOptions?: object) =>
      own(client.query(text, values, queryOptions)),
    unsafe: (text: string) => client.unsafe(text),
    transaction(queries: NeonQueries, transactionOptions?: object) {
      const listed = typeof queries === 'function' ? queries(client) : queries;
      return watch(
        observe,
        {
          ...watched,
          statement: () => 'BATCH',
          outcomes: (results: readonly unknown[]) =>
            listed.map((query, index) => outcomeOf(query, results[index])),
        },
        async (identified) => {
          for (const query of listed) assertSendable(query, statements);
          return rethrown(runner.all(listed, transactionOptions, identified));
        },
      );
    },
  });
}

function kindOf(query: NeonQuery): string {
  return firstKeyword(statementOf(query).query).toUpperCase();
}

// Rows alone, or with `fullResults` a result around them.
function outcomeOf(query: NeonQuery, result: unknown): Outcome {
  const { rowCount, length } = Object(result) as { rowCount?: number | null; length?: number };
  return { statement: kindOf(query), rows: rowCount ?? length ?? null };
}

// Derived from the client's own, which is what the client's templates and transactions accept.
function withThen(query: NeonQuery, run: () => Promise<unknown>): NeonQuery {
  const members: Pick<Promise<unknown>, 'then' | 'catch' | 'finally'> = {
    // A thenable is what the client gives, too.
    // oxlint-disable-next-line unicorn/no-thenable
    then: (resolve, reject) => run().then(resolve, reject),
    catch: (reject) => run().catch(reject),
    finally: (settled) => run().finally(settled),
  };
  return Object.assign(Object.create(query) as NeonQuery, members);
}

async function rethrown<Result>(work: Promise<Result>): Promise<Result> {
  try {
    return await work;
  } catch (error) {
    throw neonFailure(error);
  }
}

/**
 * The identity lives as long as the transaction that the request is: nothing in it may end that, whatever else is
 * allowed.
 *
 * @throws StatementError `ERR_STATEMENT_REFUSED`
 */
function assertSendable(query: NeonQuery, statements: Statements): void {
  const { query: text } = statementOf(query);
  if (statements === 'data') assertDataStatement(text);
  const keyword = firstKeyword(text);
  if (!controlsTransaction(text, keyword)) return;
  throw new StatementError(
    'ERR_STATEMENT_REFUSED',
    `the statement ${keyword.toUpperCase()} cannot be sent over HTTP, where a request is one transaction`,
  );
}
