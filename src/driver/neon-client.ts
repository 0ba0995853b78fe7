import { StatementError } from '../errors.ts';
import { neonFailure } from './neon-failure.ts';
import { assertDataStatement, firstKeyword } from './statement-kind.ts';
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
  one(query: NeonQuery): Promise<unknown>;
  /** In one transaction, with the options of the client's `transaction()`. */
  all(queries: readonly NeonQuery[], options: object | undefined): Promise<readonly unknown[]>;
}

/** The client as Drizzle sees it: every query and every batch of it belongs to one person. */
export function personalClient(client: NeonClient, runner: QueryRunner, statements: Statements): NeonClient {
  const own = (query: NeonQuery): NeonQuery => {
    const run = async (): Promise<unknown> => {
      assertSendable(query, statements);
      return rethrown(runner.one(query));
    };
    return withThen(query, run);
  };
  const template = (strings: TemplateStringsArray, ...values: readonly unknown[]): NeonQuery =>
    own(client(strings, ...values));
  return Object.assign(template, {
    query: (text: string, values?: readonly unknown[], options?: object) =>
      own(client.query(text, values, options)),
    unsafe: (text: string) => client.unsafe(text),
    async transaction(queries: NeonQueries, options?: object) {
      const listed = typeof queries === 'function' ? queries(client) : queries;
      for (const query of listed) assertSendable(query, statements);
      return rethrown(runner.all(listed, options));
    },
  });
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

const transactionControl: ReadonlySet<string> = new Set([
  'begin',
  'start',
  'commit',
  'end',
  'rollback',
  'abort',
]);

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
  if (!transactionControl.has(keyword) && !(keyword === 'prepare' && /\btransaction\b/iu.test(text))) return;
  throw new StatementError(
    'ERR_STATEMENT_REFUSED',
    `the statement ${keyword.toUpperCase()} cannot be sent over HTTP, where a request is one transaction`,
  );
}
