import { isReplicaSet } from './replica-set.ts';
import { isClone, type DrizzleDatabase, type DrizzleSession } from './session-clone.ts';

export interface DriverKind {
  /** Drizzle's name of the driver's session class: it holds across copies of drizzle-orm. */
  readonly session: string;
  readonly module: string;
}

const entityKind = Symbol.for('drizzle:entityKind');

/**
 * The session of a database that a driver's `withAuth()` was given.
 *
 * @param option how messages begin
 * @throws TypeError for a transaction, a handle, a set of replicas, and what is not a database of that driver
 */
export function sessionOf(database: object, option: string, driver: DriverKind): DrizzleSession {
  if ('nestedIndex' in database || ('rollback' in database && 'setTransaction' in database)) {
    throw new TypeError(
      `${option}: wrap the database, not a transaction; a handle has transactions of its own where the driver has any`,
    );
  }
  if (isClone(database)) {
    throw new TypeError(`${option}: wrap the database, not a handle, which is somebody's already`);
  }
  if (isReplicaSet(database)) {
    throw new TypeError(
      `${option}: wrap primary and replicas one by one: withReplicas(withAuth(primary), [withAuth(replica)])`,
    );
  }
  if (!isDrizzleDatabase(database) || kindOf(database.session) !== driver.session) {
    throw new TypeError(`${option}: pass a database made by drizzle() of ${driver.module}`);
  }
  return database.session;
}

function isDrizzleDatabase(database: object): database is DrizzleDatabase {
  return 'session' in database && typeof database.session === 'object' && database.session !== null;
}

function kindOf(value: object): unknown {
  return Reflect.get(value.constructor, entityKind);
}
