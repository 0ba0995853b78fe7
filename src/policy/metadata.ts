import type { AnyPgColumn, PgPolicy, PgRole, PgTable } from 'drizzle-orm/pg-core';
import { sql, type SQL, type SQLChunk } from 'drizzle-orm/sql/sql';

// What drizzle's own objects have no field for hangs on registered symbols: drizzle-orm can be loaded twice
// in one process (drizzle-kit does), and a WeakMap in one copy would not be seen by the other.
const policyKey = Symbol.for('drizzle-authorize:policy');
const identityRoleKey = Symbol.for('drizzle-authorize:identity-role');
const forcedKey = Symbol.for('drizzle-authorize:force');
const membershipKey = Symbol.for('drizzle-authorize:membership');
const authSchemaKey = Symbol.for('drizzle-authorize:auth-schema');

export interface PolicyMetadata {
  /** Columns that an insert or update policy is limited to; absent means the whole table. */
  readonly columns?: readonly AnyPgColumn[];
}

/** What `memberOf()` was told. */
export interface Membership {
  readonly user: AnyPgColumn;
  readonly group: AnyPgColumn;
  readonly on: SQL | undefined;
  readonly where: SQL | undefined;
}

/** Marks a policy as written by a helper of this package. */
export function setPolicyMetadata(policy: PgPolicy, metadata: PolicyMetadata): void {
  Object.defineProperty(policy, policyKey, { value: metadata });
}

/** What a helper of this package noted on the policy; empty for a plain `pgPolicy`. */
export function policyMetadata(policy: PgPolicy): PolicyMetadata {
  const metadata: unknown = Reflect.get(policy, policyKey);
  return typeof metadata === 'object' && metadata !== null ? metadata : {};
}

export function markIdentityRole(role: PgRole): void {
  Object.defineProperty(role, identityRoleKey, { value: true });
}

/** True for the roles that people's SQL runs as. */
export function isIdentityRole(role: PgRole): boolean {
  return Reflect.get(role, identityRoleKey) === true;
}

export function markForced(table: PgTable): void {
  Object.defineProperty(table, forcedKey, { value: true });
}

/** True for a table whose owner is to be bound by its policies, too. */
export function isForced(table: PgTable): boolean {
  return Reflect.get(table, forcedKey) === true;
}

/** Marks a piece of SQL text as a call of a function that the migration has yet to name. */
export function markMembership(chunk: SQLChunk, membership: Membership): void {
  if (typeof chunk === 'object' && chunk !== null) {
    Object.defineProperty(chunk, membershipKey, { value: membership });
  }
}

export function membershipOf(chunk: SQLChunk): Membership | undefined {
  if (typeof chunk !== 'object' || chunk === null) return undefined;
  return Reflect.get(chunk, membershipKey) as Membership | undefined;
}

/** SQL text of a helper that calls functions of the auth schema, and says which. */
export function rawOfAuth<T>(text: string, authSchema: string): SQL<T> {
  const raw = sql.raw(text) as SQL<T>;
  for (const chunk of raw.queryChunks) {
    if (typeof chunk === 'object' && chunk !== null) {
      Object.defineProperty(chunk, authSchemaKey, { value: authSchema });
    }
  }
  return raw;
}

/** Whose functions the piece of SQL text calls; undefined where it is not a helper's. */
export function authSchemaOf(chunk: SQLChunk): string | undefined {
  if (typeof chunk !== 'object' || chunk === null) return undefined;
  return Reflect.get(chunk, authSchemaKey) as string | undefined;
}
