/** Who takes a turn on the connections of an application, or beside it. */
export type Actor =
  /** The attacker: a person with a good token of their own, whose SQL is run as theirs. */
  | 'mallory'
  /** The person who is attacked, and who uses the same pool. */
  | 'alice'
  /** The application itself, on the same pool, as nobody. */
  | 'app'
  /** Whoever owns the tables, on a connection of their own. */
  | 'owner';

/** What one actor runs before the next has the connection. A turn of Mallory's ends with the first statement that fails. */
export interface Turn {
  readonly by: Actor;
  readonly sql: readonly string[];
}

/**
 * What it takes to stop an attack, where the SQL comes in through `$withAuth` or the gateway:
 *
 * - `stopped`: nothing more; it succeeds nowhere.
 * - `harden`: `setup --harden` as the owner, or the gateway.
 * - `superuser`: `setup --harden` as a superuser, or the gateway.
 * - `gateway`: the gateway, which judges the parse tree.
 * - `any-host`: the schema. PostgreSQL answers so on any host.
 */
export type Tier = 'stopped' | 'harden' | 'superuser' | 'gateway' | 'any-host';

/** What an attacker has gained. */
type Gain = 'identity' | 'rows' | 'writes' | 'leftovers' | 'other sessions' | 'knowledge';

export interface Attack {
  /** Stable, such as `A02`. */
  readonly id: string;
  /** What it tries, in one line. */
  readonly name: string;
  readonly gain: Gain;
  readonly tier: Tier;
  /** `{service}` stands for a role that passes policies by, `{bystander}` for the process id of another session. */
  readonly turns: readonly Turn[];
  /** Found in what the last turn got back, rows as JSON or the SQLSTATE and message of an error, when it has succeeded. */
  readonly proof: RegExp;
  /** What a schema or an operator can do against it, in one line. */
  readonly fix: string;
  /** The first major version of PostgreSQL where it can succeed. Default: 15. */
  readonly since?: number;
  /** Changes more than rows and its own connection, as long as the transaction is not rolled back. */
  readonly lasting?: boolean;
  /** What it needs besides the range, and cannot be tried without. */
  readonly needs?: string;
}

const turn =
  (by: Actor) =>
  (...sql: readonly string[]): Turn => ({ by, sql });

export const mallory = turn('mallory');
export const alice = turn('alice');
export const app = turn('app');
export const owner = turn('owner');
