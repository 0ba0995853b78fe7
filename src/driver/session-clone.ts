import { isAuthorizeError } from '../errors.ts';

/**
 * The parts of a Drizzle database that a handle has to exchange. Both supported lines of drizzle-orm keep them under
 * these names, and share no class that could be imported.
 */
export interface DrizzleDatabase {
  readonly session: DrizzleSession;
  readonly _: object;
  readonly query?: Readonly<Record<string, object>>;
  readonly $client?: unknown;
}

export interface DrizzleSession {
  readonly client: unknown;
  readonly options?: { readonly cache?: DrizzleCache };
  readonly cache?: DrizzleCache;
  readonly prepareQuery: (...args: unknown[]) => PreparedQuery;
  readonly transaction: (work: (tx: DrizzleTransaction) => unknown, ...config: unknown[]) => Promise<unknown>;
}

interface DrizzleCache {
  strategy(): unknown;
  onMutate(mutation: unknown): Promise<void>;
}

interface DrizzleTransaction {
  readonly session: DrizzleSession;
  readonly transaction: DrizzleSession['transaction'];
}

interface PreparedQuery {
  execute: (...args: unknown[]) => PromiseLike<unknown>;
  all?: (...args: unknown[]) => PromiseLike<unknown>;
}

export interface OwnMembers {
  readonly session?: Readonly<Record<string, unknown>>;
  readonly database?: Readonly<Record<string, unknown>>;
}

/**
 * A database that is the given one in everything but the client: a clone on the level of the session, so that no
 * builder has to be known. Nothing is written to the original.
 *
 * The query cache is bypassed, because its key does not say whose rows it holds; writes still invalidate it.
 *
 * @param own members that the driver exchanges besides the client
 */
export function cloneWithClient<Database extends DrizzleDatabase>(
  database: Database,
  client: unknown,
  own: OwnMembers = {},
): Database {
  const session = derive(database.session, {
    client,
    ...own.session,
    ...withOwnErrors(database.session),
    ...(database.session.cache && { cache: withoutReads(database.session.cache) }),
    ...(database.session.options && {
      options: {
        ...database.session.options,
        ...(database.session.options.cache && { cache: withoutReads(database.session.options.cache) }),
      },
    }),
  });
  const clone = derive(database, {
    // drizzle's withReplicas() takes over what a database has of its own, and no more.
    ...database,
    session,
    _: { ...database._, session },
    $client: client,
    ...own.database,
    ...(database.query && { query: derive(queriesOf(database.query), { session }) }),
  });
  clones.add(clone);
  return clone;
}

const clones = new WeakSet<object>();

/** Whether {@link cloneWithClient} made it, so that it is somebody's. */
export function isClone(database: object): boolean {
  return clones.has(database);
}

function derive<Base extends object>(base: Base, own: object): Base {
  // Base's own members shine through the prototype; only what is named here differs.
  return Object.defineProperties(
    Object.create(base) as Base,
    Object.fromEntries(
      Object.entries(own).map(([name, value]: [string, unknown]) => [
        name,
        { value, enumerable: true, writable: true, configurable: true },
      ]),
    ),
  );
}

/**
 * Drizzle wraps whatever a query throws in an error whose message quotes the query and its parameters. A refusal of ours
 * is no failure of the query and reaches the caller as it is; errors of PostgreSQL stay as Drizzle gives them.
 */
function withOwnErrors(base: DrizzleSession): Pick<DrizzleSession, 'prepareQuery' | 'transaction'> {
  const { prepareQuery, transaction } = base;
  return {
    prepareQuery(this: DrizzleSession, ...args) {
      const prepared = prepareQuery.apply(this, args);
      const { execute, all } = prepared;
      prepared.execute = (...values) => unwrapped(execute.apply(prepared, values));
      if (all !== undefined) prepared.all = (...values) => unwrapped(all.apply(prepared, values));
      return prepared;
    },
    transaction(this: DrizzleSession, work, ...config) {
      return unwrapped(transaction.call(this, (tx) => work(ownErrorsOf(tx)), ...config));
    },
  };
}

function ownErrorsOf(tx: DrizzleTransaction): DrizzleTransaction {
  // The session was made for this transaction alone.
  const { session, transaction } = tx;
  Object.defineProperty(session, 'prepareQuery', { value: withOwnErrors(session).prepareQuery });
  // On some drivers a savepoint has a session of its own.
  const nested = (inner: DrizzleTransaction): DrizzleTransaction =>
    inner.session === session ? inner : ownErrorsOf(inner);
  const value: DrizzleTransaction['transaction'] = (work, ...config) =>
    transaction.call(tx, (inner) => work(nested(inner)), ...config);
  return Object.defineProperty(tx, 'transaction', { value });
}

async function unwrapped<T>(work: PromiseLike<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    // By what it has: a bundler gives the class another name.
    const isQueryError = error instanceof Error && 'query' in error && 'params' in error;
    const cause = isQueryError ? error.cause : undefined;
    throw isAuthorizeError(cause) || cause instanceof TypeError ? cause : error;
  }
}

function withoutReads(cache: DrizzleCache): DrizzleCache {
  return derive(cache, {
    get: () => Promise.resolve(undefined),
    put: () => Promise.resolve(),
    // On the cache itself, which may have private fields.
    strategy: () => cache.strategy(),
    onMutate: (mutation: unknown) => cache.onMutate(mutation),
  });
}

// `db.query.todos` keeps the session it was made with. One prototype a database holds a getter for each table that
// makes the table's builder anew for the handle at hand, so that a handle costs the same with 1 table and with 100.
const queryPrototypes = new WeakMap<object, object>();

function queriesOf(query: Readonly<Record<string, object>>): object {
  const known = queryPrototypes.get(query);
  if (known !== undefined) return known;
  const prototype: object = {};
  for (const [table, builder] of Object.entries(query)) {
    Object.defineProperty(prototype, table, {
      enumerable: true,
      get(this: { session: unknown }) {
        return derive(builder, { session: this.session });
      },
    });
  }
  queryPrototypes.set(query, prototype);
  return prototype;
}
