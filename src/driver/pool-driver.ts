import type { PgPool } from '../database/pg-client.ts';
import { SealedPool, type SealedPoolOptions } from '../database/sealed-pool.ts';
import type { ObservedEntry } from '../observe.ts';
import type { IdentitySource } from './bearer.ts';
import { sessionOf, type DriverKind } from './drizzle-session.ts';
import { withHandles, type WithAuth } from './handle.ts';
import { personalPool } from './personal-pool.ts';
import { parsePooler, type PoolerOptions } from './pooler-options.ts';
import { cloneWithClient, type DrizzleDatabase, type OwnMembers } from './session-clone.ts';
import { parseWithAuthOptions, type VerifyingOptions } from './with-auth-options.ts';

/** A driver that is node-postgres, or a copy of it. */
export interface PoolDriver extends DriverKind {
  readonly entry: ObservedEntry;
  /** What its session has besides the client that queries could go through. */
  readonly ownMembers?: OwnMembers;
  /** Where PostgreSQL's parser can be loaded. */
  readonly loadJudge?: SealedPoolOptions['loadJudge'];
}

/**
 * `withAuth()` over pools of connections that log in as the identity role.
 *
 * @throws TypeError when the database is not one of that driver over a pool, or an option is wrong
 * @throws AuthorizeError `ERR_KEY_MISSING`, `ERR_KEY_INVALID`
 */
export function withAuthOverPools<Database extends object>(
  database: Database,
  options: VerifyingOptions & PoolerOptions,
  driver: PoolDriver,
): WithAuth<Database> {
  const { role, verifier, anonymous, statements, key, authSchema, allowPrivilegedLogin, observe } =
    parseWithAuthOptions(options);
  const { entry, loadJudge, ownMembers } = driver;
  const shared = {
    key,
    authSchema,
    allowPrivilegedLogin,
    anyStatement: statements === 'any',
    prepare: options.prepare !== false,
    pooled: parsePooler(options),
    loadJudge,
  };
  const handleOf = new Map<string, (identity: IdentitySource) => Database>();
  const serve = (servedRole: string, served: object, option: string): void => {
    const pool = poolOf(served, option, driver);
    const sealed = new SealedPool({ ...shared, pool, role: servedRole });
    // The same structure, with another client: the type of the main database describes it.
    const base = served as Database & DrizzleDatabase;
    handleOf.set(servedRole, (identity) =>
      cloneWithClient(
        base,
        personalPool(pool, sealed, { identity, statements, observe, entry, role: servedRole }),
        ownMembers,
      ),
    );
  };
  serve(role, database, 'withAuth');
  if (anonymous !== undefined) serve('anonymous', anonymous, 'withAuth: anonymous');

  return withHandles(database, { role, verifier, handleOf });
}

function poolOf(database: object, option: string, driver: DriverKind): PgPool {
  const { client } = sessionOf(database, option, driver);
  if (!isPool(client)) {
    throw new TypeError(
      `${option}: the database has a single client, on which the queries of two people would mix; give drizzle() a Pool`,
    );
  }
  return client;
}

// By what it does: the driver can be installed twice, and pools can be wrapped.
function isPool(client: unknown): client is PgPool {
  return typeof client === 'object' && client !== null && 'connect' in client && 'totalCount' in client;
}
