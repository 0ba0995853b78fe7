import type { Verifier } from '../jwt/index.ts';
import type { Identity } from '../session/identity.ts';
import { bearerIdentity, type IdentitySource, type TokenInput } from './bearer.ts';

/** A Drizzle database that can be asked for handles which act as somebody. */
export type WithAuth<Database extends object> = Database & {
  /**
   * The same database, as the person whom the token names. Every query, relational query, prepared statement and
   * transaction of the handle runs under that identity; the database itself and other handles are not touched.
   *
   * The token is verified at the first query, and again when it has expired.
   *
   * @throws TypeError when the token is undefined, null or empty
   * @throws TokenError from the query, when the token is refused
   */
  $withAuth(token: TokenInput): Database;
  /**
   * The same database, as a visitor without a token: role `anonymous`, no claims.
   *
   * @throws TypeError when `withAuth()` was given no `anonymous` client
   */
  $withAnonymous(): Database;
  /**
   * The same database, for code that has verified the caller already: jobs, workers, tests. Sealed in the same way.
   *
   * @throws TypeError when `withAuth()` was given no client for the role
   */
  $withIdentity(identity: Identity): Database;
};

export interface HandleOptions<Database extends object> {
  /** The role of whoever shows a token. */
  readonly role: string;
  readonly verifier: Verifier | undefined;
  /** The database as seen by somebody, for each identity role that has a client. */
  readonly handleOf: ReadonlyMap<string, (identity: IdentitySource) => Database>;
}

/** Adds the three members to a copy of the database; its own members and type stay. */
export function withHandles<Database extends object>(
  database: Database,
  options: HandleOptions<Database>,
): WithAuth<Database> {
  const { role, verifier } = options;
  const handle = (identityRole: string, identity: IdentitySource): Database => {
    const make = options.handleOf.get(identityRole);
    if (make !== undefined) return make(identity);
    if (identityRole === 'anonymous') throw noAnonymousDatabase();
    throw new TypeError(`$withIdentity: withAuth() was given no client for the role '${identityRole}'`);
  };
  const members = {
    $withAuth(token: TokenInput): Database {
      if (verifier === undefined) throw new TypeError('$withAuth: pass { providers } to withAuth()');
      return handle(role, bearerIdentity(token, verifier, role));
    },
    $withAnonymous(): Database {
      return handle('anonymous', () => Promise.resolve(visitor));
    },
    $withIdentity(identity: Identity): Database {
      const person = copyOf(identity);
      return handle(person.role, () => Promise.resolve(person));
    },
  };
  return addMembers(database, members);
}

/** A copy of the database with members of its own; everything else shines through. */
export function addMembers<Database extends object, Members extends object>(
  database: Database,
  members: Members,
): Database & Members {
  return Object.assign(Object.create(database) as Database, members);
}

export function noAnonymousDatabase(): TypeError {
  return new TypeError(
    '$withAnonymous: pass { anonymous: drizzle(…) }, a database that logs in as anonymous, to withAuth()',
  );
}

// One object for all visitors, so that a seal for it serves again.
const visitor: Identity = Object.freeze({ role: 'anonymous', claims: Object.freeze({}) });

// The identity is the caller's object: what it becomes later must not change who a handle is.
function copyOf(identity: Identity): Identity {
  if (typeof identity !== 'object' || identity === null || typeof identity.role !== 'string') {
    throw new TypeError('$withIdentity: pass { role, claims }');
  }
  if (typeof identity.claims !== 'object' || identity.claims === null || Array.isArray(identity.claims)) {
    throw new TypeError('$withIdentity: claims must be an object');
  }
  return structuredClone(identity);
}
