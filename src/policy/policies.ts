import type { AnyPgColumn, PgRole } from 'drizzle-orm/pg-core';
import { pgPolicy, type PgPolicy } from 'drizzle-orm/pg-core/policies';
import { sql, type SQL } from 'drizzle-orm/sql/sql';

import { policyExpression } from './expression.ts';
import { setPolicyMetadata } from './metadata.ts';

/** A role object, or the name of a role; `public` means everybody, in policy and grant alike. */
export type PolicyRole = PgRole | 'public' | (string & {});

interface PolicyOptions {
  /** Whom the policy is for; the same roles get the table privilege. Required, so that nobody gets it unnamed. */
  readonly to: PolicyRole | readonly PolicyRole[];
  /** `permissive` (the default) lets rows through; `restrictive` holds rows back and grants nothing. */
  readonly as?: 'permissive' | 'restrictive';
}

export interface SelectPolicyOptions extends PolicyOptions {
  /** Which rows may be read. */
  readonly using: SQL;
}

export interface InsertPolicyOptions extends PolicyOptions {
  /** What a new row must be like. */
  readonly withCheck: SQL;
  /** Only these columns may be written: the grant becomes a column grant. Default: every column. */
  readonly columns?: readonly [AnyPgColumn, ...AnyPgColumn[]];
}

export interface UpdatePolicyOptions extends PolicyOptions {
  /** Which rows may be changed. */
  readonly using: SQL;
  /** What a changed row must be like. Default: the same as `using`, which is Postgres' own rule. */
  readonly withCheck?: SQL;
  /** Only these columns may be written: the grant becomes a column grant. Default: every column. */
  readonly columns?: readonly [AnyPgColumn, ...AnyPgColumn[]];
}

export interface DeletePolicyOptions extends PolicyOptions {
  /** Which rows may be deleted. */
  readonly using: SQL;
}

export interface AllPolicyOptions extends PolicyOptions {
  /** Which rows may be read, changed and deleted. */
  readonly using: SQL;
  /** What a new or changed row must be like. Default: the same as `using`. */
  readonly withCheck?: SQL;
}

/**
 * Who may read which rows.
 *
 * Emits `CREATE POLICY … FOR SELECT TO … USING (…)` and `GRANT SELECT ON … TO …`.
 *
 * @throws TypeError when the name has no or more than 63 bytes, or `to` or the expression is missing
 * @example
 * selectPolicy('view own todos', { to: authenticatedRole, using: authUid(t.userId) })
 * @see https://www.postgresql.org/docs/current/sql-createpolicy.html
 */
export function selectPolicy(name: string, options: SelectPolicyOptions): PgPolicy {
  return policy(name, 'select', options);
}

/**
 * Who may add rows, and of which kind.
 *
 * Emits `CREATE POLICY … FOR INSERT TO … WITH CHECK (…)` and `GRANT INSERT [(columns)] ON … TO …`, with USAGE on
 * the sequences of serial columns.
 *
 * @throws TypeError as {@link selectPolicy}
 * @example
 * insertPolicy('add own todos', { to: authenticatedRole, withCheck: authUid(t.userId) })
 */
export function insertPolicy(name: string, options: InsertPolicyOptions): PgPolicy {
  return policy(name, 'insert', options);
}

/**
 * Who may change which rows, and into what.
 *
 * Emits `CREATE POLICY … FOR UPDATE TO … USING (…) WITH CHECK (…)` and `GRANT UPDATE [(columns)] ON … TO …`.
 *
 * @throws TypeError as {@link selectPolicy}
 * @example
 * updatePolicy('tick off own todos', { to: authenticatedRole, using: authUid(t.userId), columns: [t.done] })
 */
export function updatePolicy(name: string, options: UpdatePolicyOptions): PgPolicy {
  return policy(name, 'update', options);
}

/**
 * Who may delete which rows.
 *
 * Emits `CREATE POLICY … FOR DELETE TO … USING (…)` and `GRANT DELETE ON … TO …`.
 *
 * @throws TypeError as {@link selectPolicy}
 * @example
 * deletePolicy('delete own todos', { to: authenticatedRole, using: authUid(t.userId) })
 */
export function deletePolicy(name: string, options: DeletePolicyOptions): PgPolicy {
  return policy(name, 'delete', options);
}

/**
 * One rule for all four commands.
 *
 * Emits `CREATE POLICY … FOR ALL TO … USING (…) WITH CHECK (…)` and
 * `GRANT SELECT, INSERT, UPDATE, DELETE ON … TO …`.
 *
 * @throws TypeError as {@link selectPolicy}
 * @example
 * allPolicy('own todos', { to: authenticatedRole, using: authUid(t.userId) })
 */
export function allPolicy(name: string, options: AllPolicyOptions): PgPolicy {
  return policy(name, 'all', options);
}

interface AnyPolicyOptions extends PolicyOptions {
  readonly using?: SQL;
  readonly withCheck?: SQL;
  readonly columns?: readonly AnyPgColumn[];
}

type Command = 'select' | 'insert' | 'update' | 'delete' | 'all';

function policy(name: string, command: Command, options: AnyPolicyOptions): PgPolicy {
  const helper = `${command}Policy`;
  if (typeof name !== 'string' || name === '' || byteLength(name) > 63) {
    throw new TypeError(`${helper}: the name must have 1 to 63 bytes, or Postgres cuts it`);
  }
  const needed = command === 'insert' ? 'withCheck' : 'using';
  if (options[needed] === undefined) throw new TypeError(`${helper} '${name}': ${needed} is missing`);

  const to = [options.to].flat();
  if (to.length === 0 || to.some((role) => role === undefined || role === '')) {
    throw new TypeError(`${helper} '${name}': to is missing; name the roles, or 'public' for everybody`);
  }
  for (const keyword of ['current_user', 'current_role', 'session_user']) {
    if (to.includes(keyword)) {
      throw new TypeError(
        `${helper} '${name}': to cannot be ${keyword}, which Postgres fixes to the migrating role`,
      );
    }
  }

  const as = options.as ?? 'permissive';
  const written = (expression: SQL): SQL => {
    try {
      // Postgres takes NULL for false here; written out, so that a reader of the policy need not know.
      return as === 'restrictive'
        ? sql`coalesce(${policyExpression(expression)}, false)`
        : policyExpression(expression);
    } catch (cause) {
      if (!(cause instanceof TypeError)) throw cause;
      throw new TypeError(`${helper} '${name}': ${cause.message}`, { cause });
    }
  };

  const result = pgPolicy(name, {
    as,
    for: command,
    to: to.length === 1 && to[0] !== undefined ? to[0] : [...to],
    ...(options.using && { using: written(options.using) }),
    ...(options.withCheck && { withCheck: written(options.withCheck) }),
  });
  setPolicyMetadata(result, options.columns ? { columns: options.columns } : {});
  return result;
}

function byteLength(text: string): number {
  return new TextEncoder().encode(text).length;
}
