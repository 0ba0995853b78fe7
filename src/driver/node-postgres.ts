import type pg from 'pg';

import { firstKeyword } from '../database/first-keyword.ts';
import type { FlushStep } from '../database/one-flush.ts';
import type { Result } from '../database/pg-client.ts';
import { SealedPool, type SealedConnection } from '../database/sealed-pool.ts';
import { loadStatementJudge } from '../database/statement-judge.ts';
import { AuthorizeError } from '../errors.ts';
import { watch, type Observe, type Watched } from '../observe.ts';
import type { Identity } from '../session/identity.ts';
import type { IdentitySource } from './bearer.ts';
import { sessionOf } from './drizzle-session.ts';
import { withHandles, type WithAuth } from './handle.ts';
import { cloneWithClient, type DrizzleDatabase } from './session-clone.ts';
import { assertDataStatement } from './statement-kind.ts';
import { parseWithAuthOptions, type Statements, type VerifyingOptions } from './with-auth-options.ts';

export type { TokenInput } from './bearer.ts';
export type { WithAuth } from './handle.ts';
export type { AuthorizeEvent, Observe, QueryEvent, RefusalEvent } from '../observe.ts';
export type { Identity } from '../session/identity.ts';

/** What `withAuth()` takes on every driver, and what this one can do besides. */
export interface WithAuthOptions extends VerifyingOptions {
  /**
   * Prepare statements that come again, from the fifth time on, a hundred at most, so that each connection plans them
   * once. Default: true. `false` where something between here and Postgres cannot keep prepared statements.
   */
  readonly prepare?: boolean;
}

/**
 * Gives a node-postgres Drizzle database `$withAuth(token)`, `$withAnonymous()` and `$withIdentity(identity)`. The type
 * stays that of the database.
 *
 * The pool must log in as the identity role itself, with the URL that `drizzle-authorize setup` wrote. A query costs one
 * round trip: prologue and query share one flush and one implicit transaction, and the query does not run when the
 * prologue fails. The first query on a new connection costs one more, which looks at the login. After each use the
 * connection is reset before the pool has it back.
 *
 * Emits, ahead of each query: `select auth.check(set_config('authorize.seal', $1, true))`.
 *
 * @throws TypeError when the database is not one of drizzle-orm/node-postgres over a pool, or an option is wrong
 * @throws AuthorizeError `ERR_KEY_MISSING`, `ERR_KEY_INVALID`; from a query `ERR_LOGIN_PRIVILEGED`, `ERR_LOGIN_ROLE`,
 *   `ERR_MIGRATIONS_MISSING`, `ERR_STATEMENT_REFUSED` and the errors of the verifier. Errors of PostgreSQL pass as
 *   Drizzle gives them.
 * @example
 * import { jwks } from 'drizzle-authorize/jwt';
 * import { withAuth } from 'drizzle-authorize/node-postgres';
 * import { drizzle } from 'drizzle-orm/node-postgres';
 *
 * const db = withAuth(drizzle(process.env.DATABASE_AUTHENTICATED_URL!), {
 *   providers: [jwks({ url: 'https://id.example/.well-known/jwks.json', issuer: 'https://id.example' })],
 * });
 * await db.$withAuth(token).select().from(todos);
 */
export function withAuth<Database extends object>(
  database: Database,
  options: WithAuthOptions,
): WithAuth<Database> {
  const { role, verifier, anonymous, statements, key, allowPrivilegedLogin, observe } =
    parseWithAuthOptions(options);
  const shared = {
    key,
    allowPrivilegedLogin,
    anyStatement: statements === 'any',
    prepare: options.prepare !== false,
    loadJudge: loadStatementJudge,
  };
  const handleOf = new Map<string, (identity: IdentitySource) => Database>();
  const serve = (servedRole: string, served: object, option: string): void => {
    const pool = poolOf(served, option);
    const sealed = new SealedPool({ ...shared, pool, role: servedRole });
    // The same structure, with another client: the type of the main database describes it.
    const base = served as Database & DrizzleDatabase;
    handleOf.set(servedRole, (identity) =>
      cloneWithClient(base, personalPool(pool, sealed, { identity, statements, observe, role: servedRole })),
    );
  };
  serve(role, database, 'withAuth');
  if (anonymous !== undefined) serve('anonymous', anonymous, 'withAuth: anonymous');

  return withHandles(database, { role, verifier, handleOf });
}

const nodePostgres = { session: 'NodePgSession', module: 'drizzle-orm/node-postgres' };

function poolOf(database: object, option: string): pg.Pool {
  const { client } = sessionOf(database, option, nodePostgres);
  if (!isPool(client)) {
    throw new TypeError(
      `${option}: the database has a single client, on which the queries of two people would mix; give drizzle() a Pool`,
    );
  }
  return client;
}

// By what it does: pg can be installed twice, and pools can be wrapped.
function isPool(client: unknown): client is pg.Pool {
  return typeof client === 'object' && client !== null && 'connect' in client && 'totalCount' in client;
}

type QueryConfig = pg.QueryConfig & { readonly rowMode?: 'array'; readonly types?: pg.CustomTypesConfig };

interface Person {
  readonly identity: IdentitySource;
  readonly role: string;
  readonly statements: Statements;
  readonly observe: Observe | undefined;
}

/** The pool as Drizzle sees it: every query and every connection of it belongs to one person. */
function personalPool(pool: pg.Pool, sealed: SealedPool, person: Person): pg.Pool {
  const query = async (
    config: string | QueryConfig,
    values?: unknown,
    callback?: unknown,
  ): Promise<Result> => {
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
  return Object.assign(Object.create(pool) as pg.Pool, { query, connect });
}

function watchedStep({ role }: Person, { text }: FlushStep): Watched<Result> {
  const statement = (): string => firstKeyword(text).toUpperCase();
  return {
    entry: 'node-postgres',
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

  async query(config: string | QueryConfig, values?: unknown, callback?: unknown): Promise<Result> {
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
      throw new AuthorizeError(
        'ERR_TRANSACTION_ENDED',
        'the transaction that this handle belongs to has ended',
      );
    }
    if (endsTransaction(step.text, keyword)) {
      this.#state = 'ended';
      return this.#connection.run({ ...step, transactionControl: true });
    }
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

  async #begin(step: FlushStep, keyword: string): Promise<Result> {
    if (keyword !== 'begin' && keyword !== 'start') {
      this.release();
      throw new TypeError('$client.connect: begin a transaction first; single queries go to $client.query');
    }
    try {
      await this.#connection.begin(step);
      this.#state = 'open';
      return { command: 'BEGIN', rowCount: null, oid: null, fields: [], rows: [] };
    } catch (error) {
      // Drizzle does not release a connection on which BEGIN failed.
      this.release();
      throw error;
    }
  }
}

function endsTransaction(text: string, keyword: string): boolean {
  if (keyword === 'commit' || keyword === 'end' || keyword === 'abort') return true;
  return keyword === 'rollback' && !/^\s*rollback\s+(?:work\s+|transaction\s+)?to\s/iu.test(text);
}

function staysInTransaction(text: string, keyword: string): boolean {
  if (keyword === 'savepoint' || keyword === 'release' || keyword === 'rollback') return true;
  return /^\s*set\s+transaction\s/iu.test(text);
}

function stepOf(config: string | QueryConfig, values: unknown, callback: unknown): FlushStep {
  if (typeof config === 'function' || typeof values === 'function' || callback !== undefined) {
    throw new TypeError('$client.query: callbacks are not supported, use the promise');
  }
  if (typeof config === 'object' && 'submit' in config) {
    throw new TypeError(
      '$client.query: cursors and streams are not supported, because they outlive a round trip',
    );
  }
  const query: QueryConfig = typeof config === 'string' ? { text: config } : config;
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
