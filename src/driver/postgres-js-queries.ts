import { firstKeyword } from '../database/first-keyword.ts';
import { StatementError } from '../errors.ts';
import type { PostgresClient, Query, QueryOptions, Rows } from './postgres-js-connection.ts';
import type { PostgresStatement } from './postgres-js-parameters.ts';
import { assertDataStatement } from './statement-kind.ts';
import { assertNoTransactionControl } from './transaction-control.ts';
import type { Statements } from './with-auth-options.ts';

/** Sends a query as somebody. */
export type RunQuery = (query: Query) => Promise<Rows>;

/** A client whose queries are sent by `run`; all else that it has is what queries are made of. */
export function withQueries(client: PostgresClient, run: RunQuery): PostgresClient {
  const own = (first: unknown, ...rest: readonly unknown[]): unknown => {
    const made = client(first, ...rest);
    return isQuery(made) ? sentBy(run, made) : made;
  };
  const unsafe = (text: string, values: readonly unknown[] = [], options: QueryOptions = {}): Query =>
    sentBy(run, client.unsafe(text, values, options));
  const shared = ['parameters', 'types', 'array', 'json', 'PostgresError'];
  const members = Object.fromEntries(shared.map((name) => [name, Reflect.get(client, name)]));
  return Object.assign(own, members, { unsafe, typed: client.typed, options: client.options });
}

/** The query with a way of its own to be sent. It still can become a part of another one. */
function sentBy(run: RunQuery, query: Query): Query {
  const base = Object.getPrototypeOf(query) as object;
  const prototype = prototypes.get(base) ?? personalPrototype(base);
  prototypes.set(base, prototype);
  return Object.assign(Object.setPrototypeOf(query, prototype) as Query, { [runBy]: run });
}

const prototypes = new WeakMap<object, object>();
const runBy = Symbol('run by');
const answered = Symbol('answered');

interface PersonalQuery extends Query {
  readonly [runBy]: RunQuery;
  [answered]?: Promise<Rows>;
}

function send(query: PersonalQuery): Promise<Rows> {
  return (query[answered] ??= query[runBy](query));
}

type Waiting = Pick<Promise<Rows>, 'then' | 'catch' | 'finally'>;

function personalPrototype(base: object): object {
  const members: Waiting & ThisType<PersonalQuery> = {
    // A thenable is what the client gives, too.
    // oxlint-disable-next-line unicorn/no-thenable
    then(resolve, reject) {
      return send(this).then(resolve, reject);
    },
    catch(reject) {
      return send(this).catch(reject);
    },
    finally(settled) {
      return send(this).finally(settled);
    },
  };
  const execute = function execute(this: PersonalQuery): Query {
    // Whoever waits for it is told.
    send(this).catch(() => {});
    return this;
  };
  const none = refused('query', [
    'simple',
    'cursor',
    'forEach',
    'describe',
    'readable',
    'writable',
    'cancel',
  ]);
  // In postgres.js the one sends it, and the other is called by what waits for it.
  return Object.assign(Object.create(base) as object, members, { execute, handle: execute }, none);
}

const reasons = {
  reserve: 'a connection that is kept would outlive the identity; use begin()',
  listen: 'a notification is for nobody in particular; use the client that withAuth() was given',
  notify: 'a notification is for nobody in particular; use the client that withAuth() was given',
  subscribe: 'no policy binds replication',
  largeObject: 'no policy binds large objects',
  file: 'read the file, and pass its statement to unsafe()',
  prepare: 'a transaction that is prepared would outlive the identity',
  simple: 'statements are sent by the extended protocol, one at a time',
  cursor: 'rows are given when the transaction that holds the identity has ended; use limit',
  forEach: 'rows are given when the transaction that holds the identity has ended; use for … of',
  describe: 'statements are sent to be run',
  readable: 'COPY has no place in a query of a person',
  writable: 'COPY has no place in a query of a person',
  cancel: 'it can hit whoever has the connection next; use statement_timeout',
} as const;

/** Members that say why they are not there. */
export function refused(
  of: string,
  names: readonly (keyof typeof reasons)[],
): Readonly<Record<string, () => never>> {
  const refuse = (name: keyof typeof reasons) => (): never => {
    throw new TypeError(`${of}.${name} is not supported: ${reasons[name]}`);
  };
  return Object.fromEntries(names.map((name) => [name, refuse(name)]));
}

function isQuery(value: unknown): value is Query {
  return typeof value === 'object' && value !== null && 'strings' in value && 'args' in value;
}

/** What a query says, apart from how it is sent. */
export function statementOf(query: Query, client: PostgresClient): PostgresStatement {
  const { strings, args } = query;
  // What postgres.js makes of a template is known when it has sent it.
  const isTemplate = strings.raw !== undefined;
  return {
    text: textOf(query),
    values: isTemplate ? undefined : args,
    query: ({ prepare, types }) => {
      const values = types === undefined ? args : args.map((value, n) => client.typed(value, types[n] ?? 0));
      const made = isTemplate
        ? (client(strings, ...values) as Query)
        : client.unsafe(strings[0] ?? '', values);
      // By itself it prepares every template, and sends what has no values by the simple protocol.
      Object.assign(made.options, { simple: false, prepare: prepare && !isTemplate });
      if (query.isRaw !== undefined) made.isRaw = query.isRaw;
      return made;
    },
  };
}

/** The text, with `$1` for values and names that postgres.js has yet to write. Its first keyword is the one that is sent. */
function textOf({ strings, args }: Query): string {
  return strings.reduce((text, string, index) => `${text}${partOf(args[index - 1])}${string}`);
}

function partOf(value: unknown): string {
  if (Array.isArray(value) && isQuery(value[0])) return value.map((part) => ` ${partOf(part)}`).join('');
  return isQuery(value) ? textOf(value) : '$1';
}

/**
 * Lets pass what a person may send: rows are read and written, unless any statement was asked for. Whatever was asked for,
 * the transaction holds the identity, so that no statement begins or ends it; and COPY needs an answer that a query has not.
 *
 * @throws StatementError `ERR_STATEMENT_REFUSED`
 */
export function assertSendable(text: string, statements: Statements): void {
  if (statements === 'data') assertDataStatement(text);
  assertNoTransactionControl(text);
  if (firstKeyword(text) !== 'copy') return;
  throw new StatementError('ERR_STATEMENT_REFUSED', 'the statement COPY has no place in a query of a person');
}
