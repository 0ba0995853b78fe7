/**
 * What happens to statements, told to the application: who asked as which role, what kind of statement it was, and how it
 * ended. Nothing here prints, and no event holds a token, a claim, a parameter, a row or the text of a statement.
 */

/** Through which entry point a statement came. */
export type ObservedEntry =
  'node-postgres' | 'postgres-js' | 'pglite' | 'neon-http' | 'neon-serverless' | 'gateway';

interface Observed {
  readonly entry: ObservedEntry;
  /** The identity role; empty where the gateway was asked for one that it does not serve. */
  readonly role: string;
  /**
   * The claim `sub`; undefined for visitors, and where the token was refused before it said so. Not enumerable: an event that
   * is logged as a whole names nobody, and who wants the name in the log puts it there.
   */
  readonly subject: string | undefined;
  /**
   * Such as `SELECT`; `BATCH` for several that failed as one; `UNKNOWN` for what is no command of PostgreSQL; empty where it was
   * refused before it was read.
   */
  readonly statement: string;
  /**
   * Of the statement through the gateway: the same for those that differ in nothing but their values, 16 hexadecimal digits.
   * Undefined on other entries, for a batch that failed, and where there is no statement. Not enumerable, and worked out when it
   * is asked for.
   */
  readonly fingerprint: string | undefined;
  readonly durationMs: number;
}

/** A statement ran. Without rows, look at `role` and `subject` first: policies hide rows without a word. */
export interface QueryEvent extends Observed {
  readonly type: 'query';
  /** Read, or written; null where the statement counts none. */
  readonly rows: number | null;
}

/** A statement was refused, by us or by PostgreSQL, or failed. */
export interface RefusalEvent extends Observed {
  readonly type: 'refusal';
  /**
   * One of our codes, or a SQLSTATE: `28000` is an identity that Postgres did not accept, `42501` a missing privilege or
   * a row that a policy forbids to write. Undefined when the error had no code.
   */
  readonly code: string | undefined;
}

export type AuthorizeEvent = QueryEvent | RefusalEvent;

/**
 * Called once for each statement, after it, and not waited for. What it throws or rejects with is dropped: watching a
 * statement must not change it.
 */
export type Observe = (event: AuthorizeEvent) => void;

export interface Watched<Result> {
  readonly entry: ObservedEntry;
  readonly role: string;
  /** Its first word, in capitals. Asked for only when somebody watches. */
  readonly statement: () => string;
  /** Asked for only when somebody asks the event. */
  readonly fingerprint?: (() => string | undefined) | undefined;
  /** Kind and rows of each statement that ran. */
  readonly outcomes: (result: Result) => readonly Outcome[];
}

export interface Outcome {
  readonly statement: string;
  readonly fingerprint?: (() => string | undefined) | undefined;
  readonly rows: number | null;
}

/** Who turned out to be asking. */
export type Identified = (identity: { readonly claims: Readonly<Record<string, unknown>> }) => void;

/** Runs `work`, which says who asks as soon as it knows, and tells how it ended. */
export async function watch<Result>(
  observe: Observe | undefined,
  watched: Watched<Result>,
  work: (identified: Identified) => Promise<Result>,
): Promise<Result> {
  if (observe === undefined) return work(nobodyWatches);
  const startedAt = performance.now();
  let subject: string | undefined;
  const tell = (
    event: { type: 'query'; rows: number | null } | { type: 'refusal'; code: string | undefined },
    { statement, fingerprint }: Omit<Outcome, 'rows'>,
  ): void => {
    const { entry, role } = watched;
    const durationMs = performance.now() - startedAt;
    const whole = Object.defineProperties(
      { ...event, entry, role, statement: commandOf(statement), durationMs },
      { subject: { value: subject }, fingerprint: { get: fingerprint ?? noFingerprint } },
    );
    // What it gives is a promise where it is an async function.
    const told = async (): Promise<unknown> => observe(whole as AuthorizeEvent);
    told().catch(() => {
      // Dropped, as the type says.
    });
  };
  try {
    const result = await work(({ claims }) => {
      subject = typeof claims.sub === 'string' ? claims.sub : undefined;
    });
    for (const { rows, ...outcome } of watched.outcomes(result)) tell({ type: 'query', rows }, outcome);
    return result;
  } catch (error) {
    const { fingerprint } = watched;
    tell({ type: 'refusal', code: codeOf(error) }, { statement: watched.statement(), fingerprint });
    throw error;
  }
}

/** One observer that tells several, each as if it were alone; undefined where there is none, so that nothing is watched. */
export function observeAll(observers: readonly (Observe | undefined)[]): Observe | undefined {
  const all = observers.filter((observer) => observer !== undefined);
  if (all.length < 2) return all[0];
  return (event) => {
    for (const observer of all) {
      const told = async (): Promise<unknown> => observer(event);
      told().catch(() => {
        // Dropped, as the type says.
      });
    }
  };
}

// The commands of PostgreSQL, and ours.
const commands: ReadonlySet<string> = new Set(
  (
    'SELECT INSERT UPDATE DELETE MERGE VALUES WITH TABLE BATCH BEGIN START COMMIT END ROLLBACK ABORT SAVEPOINT RELEASE SET ' +
    'ALTER ANALYZE CALL CHECKPOINT CLOSE CLUSTER COMMENT COPY CREATE DEALLOCATE DECLARE DISCARD DO DROP EXECUTE EXPLAIN ' +
    'FETCH GRANT IMPORT LISTEN LOAD LOCK MOVE NOTIFY PREPARE REASSIGN REFRESH REINDEX RESET REVOKE SECURITY SHOW TRUNCATE ' +
    'UNLISTEN VACUUM'
  ).split(' '),
);

// What a text begins with that is not SQL can be anything: a token, a password, megabytes.
function commandOf(word: string): string {
  return word === '' || commands.has(word) ? word : 'UNKNOWN';
}

function noFingerprint(): undefined {
  return undefined;
}

function nobodyWatches(): void {
  // Who asks is of interest to observers alone.
}

/** What an error is known by. */
export function codeOf(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined;
}
