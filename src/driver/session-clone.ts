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
  readonly options?: { readonly cache?: object };
  readonly cache?: object;
}

/**
 * A database that is the given one in everything but the client: a clone on the level of the session, so that no
 * builder has to be known. Nothing is written to the original.
 *
 * The query cache is bypassed, because its key does not say whose rows it holds; writes still invalidate it.
 */
export function cloneWithClient<Database extends DrizzleDatabase>(database: Database, client: unknown): Database {
  const session = derive(database.session, {
    client,
    ...(database.session.cache && { cache: withoutReads(database.session.cache) }),
    ...(database.session.options && {
      options: {
        ...database.session.options,
        ...(database.session.options.cache && { cache: withoutReads(database.session.options.cache) }),
      },
    }),
  });
  return derive(database, {
    session,
    _: { ...database._, session },
    $client: client,
    ...(database.query && { query: derive(queriesOf(database.query), { session }) }),
  });
}

function derive<Base extends object>(base: Base, own: Record<string, unknown>): Base {
  // Base's own members shine through the prototype; only what is named here differs.
  return Object.defineProperties(
    Object.create(base) as Base,
    Object.fromEntries(
      Object.entries(own).map(([name, value]) => [name, { value, enumerable: true, writable: true, configurable: true }]),
    ),
  );
}

function withoutReads(cache: object): object {
  return derive(cache, { get: () => Promise.resolve(undefined), put: () => Promise.resolve() });
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
