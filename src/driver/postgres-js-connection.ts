import { inspectLogin, type Login, type LoginRow } from '../database/login.ts';
import { AuthorizeError } from '../errors.ts';

/**
 * What `postgres()` makes, as far as it is used here. postgres.js 3.4.8 and 3.4.9 have it; older ones settle a query before
 * ReadyForQuery.
 */
export interface PostgresClient {
  (first: unknown, ...rest: readonly unknown[]): unknown;
  /** A value for a parameter of that type. */
  readonly typed: (value: unknown, type: number) => object;
  readonly unsafe: (text: string, values?: readonly unknown[], options?: QueryOptions) => Query;
  readonly options: ClientOptions;
}

export interface ClientOptions {
  readonly host: readonly string[];
  readonly port: readonly number[];
  readonly path: string | false;
  readonly prepare: boolean;
  /** Writes the values for parameters of a type. */
  readonly serializers: Readonly<Record<number, Serialize | undefined>>;
  /** Those of the user's. */
  readonly types: Readonly<Record<string, { readonly serialize?: Serialize }>>;
  socket?: unknown;
}

type Serialize = (value: unknown) => unknown;

/** Rows, with what Postgres said of them. */
export interface Rows extends Array<unknown> {
  readonly count: number | null;
  readonly command: string | null;
  columns: readonly object[] | null;
  statement: object | null;
}

export interface QueryOptions {
  readonly prepare?: boolean;
  readonly simple?: boolean;
  readonly onexecute?: (wire: Wire) => void;
}

/** A query as an object, which is sent when somebody waits for it, or becomes a part of another one. */
export interface Query extends Promise<Rows> {
  readonly strings: readonly string[] & { readonly raw?: readonly string[] };
  readonly args: readonly unknown[];
  readonly options: QueryOptions;
  /** Rows as objects, as arrays (`'values'`), or as arrays of bytes, which postgres.js does not transform. */
  isRaw?: true | 'values';
  /** Text to be sent as it is, in place of `args`. */
  parameters?: readonly (string | null)[];
  /** When its prepared statement is gone, it is sent again: behind all that is on the wire by then. */
  prepared?: boolean;
  /** Postgres has yet to be asked for the types of its parameters before they are sent, which is a round trip. */
  describeFirst?: unknown;
  /** Once it has been sent; with the types, once Postgres has told them. */
  readonly statement: { readonly types: readonly number[] } | null;
  readonly state: Backend | null;
  resolve: (rows: Rows) => void;
  reject: (error: unknown) => void;
}

interface Backend {
  /** Changes when the connection is made anew. */
  readonly pid: number;
}

/** A connection from inside of postgres.js. */
interface Wire {
  /** Sends a query behind what is on the wire already. False: the pool gives no more to this connection for now. */
  execute: (query: Query) => boolean | undefined;
  /**
   * Called once everything has been answered. Without `release` only where a transaction is open; else the connection
   * goes to the next in the queue, or is closed if that is what `end()` waits for.
   */
  reserved: ((() => void) & { release?: boolean }) | null;
  onclose: ((error: unknown) => void) | null;
  connect: (query: unknown) => void;
  /** Ends it as soon as nobody has it and everything is answered. */
  end: () => Promise<unknown>;
  terminate(): void;
}

interface Known {
  readonly login: Login;
  readonly backend: Backend | null;
  readonly pid: number | undefined;
}

const known = new WeakMap<Wire, Known>();
const takers = new WeakMap<Query, (wire: Wire, login: Login) => void>();
const wrapped = new WeakSet<Wire>();
/**
 * Closed while somebody had it, and not made anew since. postgres.js still waits there for the answer to what was on the wire,
 * and `end()` of the client would with it.
 */
const closed = new WeakSet<Wire>();
/** Something has thrown away what was prepared there, of which postgres.js has not heard. */
const forgetful = new WeakSet<Wire>();
/** postgres.js does not tell which connection it uses where it lets a query wait behind `max_pipeline` others. */
const maxAttempts = 100;
const stay = Object.assign(() => {}, { release: true });

/**
 * Takes a connection out of the pool, until {@link HeldConnection.letGo} or {@link HeldConnection.close}.
 *
 * A connection that is taken for the first time is asked who it is logged in as, which is one round trip. Later nothing
 * is sent: a seal is for one backend, so that it has to be known before there is anything to send.
 *
 * This is how `begin()` of postgres.js reserves a connection. Its `reserve()` does not tell which one it gives, waits for
 * ever for a new one with `fetch_types: false`, and lets `end()` wait for ever for one that is released meanwhile (3.4.9).
 *
 * @throws AuthorizeError `ERR_MIGRATIONS_MISSING`, `ERR_SERVER_UNSUPPORTED`
 */
export function take(client: PostgresClient, authSchema: string): Promise<HeldConnection> {
  return new Promise((resolve, reject) => {
    const taken = (wire: Wire, login: Login): void => {
      resolve(new HeldConnection(client, wire, login));
    };
    // Goes on for ever where the connection is known.
    inspect(client, authSchema, taken).catch(reject);
  });
}

async function inspect(
  client: PostgresClient,
  authSchema: string,
  taken: (wire: Wire, login: Login) => void,
  attempts = 1,
): Promise<void> {
  const fresh: { wire?: Wire | undefined; backend?: Backend | null } = {};
  const ask = async (statement: string): Promise<readonly LoginRow[]> => {
    const text = `select row_to_json(login) from (${statement}) as login`;
    const query = client.unsafe(text, [], {
      simple: false,
      onexecute: (wire) => {
        letItselfBeTaken(wire);
        wire.reserved = stay;
        whenClosed(wire, () => {
          fresh.wire = undefined;
          hasClosed(wire);
        });
        fresh.wire = wire;
      },
    });
    // As bytes: columns, values and rows can be something else by the time that postgres.js has transformed them.
    query.isRaw = true;
    takers.set(query, taken);
    try {
      const rows = await query;
      fresh.backend = query.state;
      return rows.map((row) => JSON.parse(String(Object.values(Object(row) as object)[0])) as LoginRow);
    } catch (error) {
      // On a connection that was broken by Postgres and made anew, postgres.js blames its first query for that (3.4.9).
      if (!isOfAnotherQuery(error, text)) throw error;
      return ask(statement);
    }
  };
  try {
    const login = await inspectLogin(ask, authSchema);
    const { wire, backend = null } = fresh;
    if (wire === undefined) {
      if (attempts < maxAttempts) return await inspect(client, authSchema, taken, attempts + 1);
      throw new TypeError('withAuth: this version of postgres.js does not tell which connection it uses');
    }
    known.set(wire, { login, backend, pid: backend?.pid });
    taken(wire, login);
  } catch (error) {
    if (fresh.wire) terminate(fresh.wire);
    throw error;
  }
}

function letItselfBeTaken(wire: Wire): void {
  if (wrapped.has(wire)) return;
  wrapped.add(wire);
  const { execute, connect, end } = wire;
  wire.connect = (query) => {
    closed.delete(wire);
    connect(query);
  };
  wire.end = () => (closed.has(wire) ? Promise.resolve() : end());
  wire.execute = (query) => {
    const taken = takers.get(query);
    const here = taken && known.get(wire);
    const isKnown = here !== undefined && here.pid === here.backend?.pid && Date.now() < here.login.staleAt;
    if (!isKnown) return execute(query);
    wire.reserved = stay;
    taken?.(wire, here.login);
    return false;
  };
}

/**
 * A connection that is nobody else's. Queries go on the wire in the order in which they are sent, each with a Sync of its
 * own, whether or not those before have been answered.
 */
export class HeldConnection {
  readonly login: Login;
  readonly #client: PostgresClient;
  readonly #wire: Wire;
  #unanswered = 0;
  #isBeingWritten = false;
  /** Why nothing can be sent any more. */
  #lost: unknown;

  constructor(client: PostgresClient, wire: Wire, login: Login) {
    this.#client = client;
    this.#wire = wire;
    this.login = login;
    whenClosed(wire, (error) => {
      this.#lost ??= error;
      hasClosed(wire);
    });
  }

  /** Whether what is prepared stays prepared. */
  get keepsPrepared(): boolean {
    return !forgetful.has(this.#wire);
  }

  /** What is prepared is about to be thrown away. */
  forgetPrepared(): void {
    forgetful.add(this.#wire);
  }

  /** Sends a statement without parameters by the simple protocol. */
  command(text: string): Promise<Rows> {
    return this.send(this.#client.unsafe(text, [], { simple: true }));
  }

  /**
   * Sends a query, which must be used for nothing else.
   *
   * @returns resolves or rejects as the query would have done. A rejection need not be looked at
   */
  send(query: Query): Promise<Rows> {
    if (this.#lost !== undefined) return ownedRejection(this.#lost);
    const answer = new Promise<Rows>((resolve, reject) => {
      query.resolve = (rows) => {
        this.#unanswered -= 1;
        resolve(rows);
      };
      query.reject = (error) => {
        this.#unanswered -= 1;
        reject(error);
        const { code, routine } = errorOf(error);
        // postgres.js takes queries for a socket that has failed until it has closed as well, and answers none of them.
        if (isFromNetwork(error)) this.close(error);
        // A seal that is refused was perhaps made by a clock that has been set since the connection was looked at.
        if (code === '28000') known.delete(this.#wire);
        // One that could not be written waits for an answer all the same, and would take the next one for its own; and
        // where what was prepared is gone, postgres.js would rely on it again.
        if (this.#isBeingWritten || routine === 'FetchPreparedStatement') this.close();
      };
    });
    answer.catch(() => {});

    // postgres.js blames the query that is to be answered next for one that cannot be written.
    this.#isBeingWritten = this.#unanswered > 0;
    this.#unanswered += 1;
    this.#wire.execute(query);
    this.#isBeingWritten = false;
    query.prepared = false;
    return answer;
  }

  /**
   * Sends a command that gives the connection back as soon as it has succeeded. If it fails, `otherwise` is sent in its
   * place; without that, or if that fails too, the connection is closed.
   */
  letGo(command: string, otherwise?: string): Promise<Rows> {
    const last = this.#client.unsafe(command, [], { simple: true });
    const answer = this.send(last);
    const { resolve, reject } = last;
    last.reject = (error) => {
      reject(error);
      if (otherwise === undefined) this.close();
      else void this.letGo(otherwise);
    };
    // In this very moment postgres.js looks for who has the connection next: later nobody would.
    last.resolve = (rows) => {
      if (this.#lost === undefined) {
        this.#lost = new Error('the connection has been given back');
        const wire = this.#wire;
        whenClosed(wire, null);
        const goesOn = (): void => {
          wire.terminate();
        };
        wire.reserved = goesOn;
        // Where it has not become somebody's, it has been terminated.
        queueMicrotask(() => {
          if (wire.reserved === goesOn) wire.reserved = null;
        });
      }
      resolve(rows);
    };
    return answer;
  }

  /** Ends the connection; what was sent and has not been answered is rejected. */
  close(reason: unknown = connectionInDoubt()): void {
    if (this.#lost !== undefined) return;
    this.#lost = reason;
    // Behind what postgres.js is about to write: it would wait for that write for ever on the next connection.
    const closing = setImmediate(() => {
      terminate(this.#wire);
    });
    whenClosed(this.#wire, () => {
      clearImmediate(closing);
      hasClosed(this.#wire);
    });
  }
}

function connectionInDoubt(): AuthorizeError {
  return new AuthorizeError(
    'ERR_CONNECTION_IN_DOUBT',
    'the connection was in an unknown state and has been closed',
  );
}

function terminate(wire: Wire): void {
  wire.terminate();
  // While it is reserved, `end()` waits for it to be given back.
  wire.reserved = null;
  whenClosed(wire, () => {
    hasClosed(wire);
  });
}

function hasClosed(wire: Wire): void {
  closed.add(wire);
  // Tells an `end()` that came while it was about to close.
  wire.terminate();
}

/** There is one listener, and whoever holds the connection has it. */
function whenClosed(wire: Wire, listener: Wire['onclose']): void {
  // It is no event target.
  // oxlint-disable-next-line unicorn/prefer-add-event-listener
  wire.onclose = listener;
}

function ownedRejection(reason: unknown): Promise<never> {
  const rejection = Promise.reject(reason);
  rejection.catch(() => {});
  return rejection;
}

function isOfAnotherQuery(error: unknown, text: string): boolean {
  const { query } = errorOf(error);
  return isFromPostgres(error) && typeof query === 'string' && query !== text;
}

export function isFromPostgres(error: unknown): boolean {
  return errorOf(error).severity !== undefined;
}

/** Whether the connection is gone: by the codes of the system, of TLS and streams, and of postgres.js. */
function isFromNetwork(error: unknown): boolean {
  const { code } = errorOf(error);
  return (
    !isFromPostgres(error) &&
    typeof code === 'string' &&
    /^(?:E[A-Z]+$|ERR_(?:SSL|TLS|STREAM|SOCKET)_|CONNECTION_)/u.test(code)
  );
}

type ErrorMember = 'code' | 'query' | 'routine' | 'severity' | 'syscall';

/** What PostgreSQL, the network and postgres.js say of an error. */
export function errorOf(error: unknown): Readonly<Partial<Record<ErrorMember, unknown>>> {
  return error instanceof Error ? (error as Partial<Record<ErrorMember, unknown>>) : {};
}
