import type { Verifier } from '../jwt/index.ts';
import type { Identity } from '../session/identity.ts';
import { bearerIdentity, type IdentitySource, type TokenInput } from './bearer.ts';
import { callMethod, type HandleOf, isReplicaSet, replicaSetOf } from './replica-set.ts';

/**
 * A Drizzle database that can be asked for handles which act as somebody. So can a set of replicas that are wrapped one
 * by one, `withReplicas(withAuth(primary), [withAuth(replica)])`: a handle of it reads and writes where the set does.
 */
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
  $withAuth<Self>(this: Self, token: TokenInput): HandleOf<Database, Self>;
  /**
   * The same database, as a visitor without a token: role `anonymous`, no claims.
   *
   * @throws TypeError when `withAuth()` was given no `anonymous` client
   */
  $withAnonymous<Self>(this: Self): HandleOf<Database, Self>;
  /**
   * The same database, for code that has verified the caller already: jobs, workers, tests. Sealed in the same way.
   *
   * @throws TypeError when `withAuth()` was given no client for the role
   */
  $withIdentity<Self>(this: Self, identity: Identity): HandleOf<Database, Self>;
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
  return addHandles(database, {
    $withAuth(token) {
      if (verifier === undefined) throw new TypeError('$withAuth: pass { providers } to withAuth()');
      return handle(role, bearerIdentity(token, verifier, role));
    },
    $withAnonymous: () => handle('anonymous', () => Promise.resolve(visitor)),
    $withIdentity(identity) {
      const person = copyOf(identity);
      return handle(person.role, () => Promise.resolve(person));
    },
  });
}

interface HandleMakers<Database> {
  readonly $withAuth: (token: TokenInput) => Database;
  readonly $withAnonymous: () => Database;
  readonly $withIdentity: (identity: Identity) => Database;
}

/** A copy of the database that makes these handles; everything else shines through. */
export function addHandles<Database extends object>(
  database: Database,
  { $withAuth, $withAnonymous, $withIdentity }: HandleMakers<Database>,
): WithAuth<Database> {
  // drizzle's withReplicas() takes over what a database has of its own, and no more.
  return Object.assign(Object.create(database) as WithAuth<Database>, database, {
    $withAuth: alsoOfSets('$withAuth', $withAuth),
    $withAnonymous: alsoOfSets('$withAnonymous', $withAnonymous),
    $withIdentity: alsoOfSets('$withIdentity', $withIdentity),
  });
}

function alsoOfSets<Args extends readonly unknown[]>(
  name: string,
  make: (...args: Args) => object,
): (this: unknown, ...args: Args) => object {
  return function handleOf(...args) {
    if (!isReplicaSet(this)) return make(...args);
    for (const member of [this.$primary, ...this.$replicas]) assertWrapped(member, name);
    return replicaSetOf(this, (member) => callMethod(member, name, args) as object);
  };
}

function assertWrapped(member: object, name: string): void {
  // Not by $withAuth: neon-http has one from Drizzle, which mixes up whose token goes with which query.
  if ('$withIdentity' in member) return;
  throw new TypeError(
    `${name}: wrap the replicas as well: withReplicas(withAuth(primary), [withAuth(replica)])`,
  );
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
