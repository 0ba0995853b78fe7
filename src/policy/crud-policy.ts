import { is } from 'drizzle-orm/entity';
import type { PgPolicy } from 'drizzle-orm/pg-core';
import { PgRole } from 'drizzle-orm/pg-core/roles';
import { sql, type SQL } from 'drizzle-orm/sql/sql';

import { deletePolicy, insertPolicy, selectPolicy, updatePolicy, type PolicyRole } from './policies.ts';

export interface CrudPolicyOptions {
  /** Whom the policies are for. */
  readonly role: PolicyRole | readonly PolicyRole[];
  /** Which rows may be read: an expression, `true` for all, `false` for none, `null` for no policy at all. */
  readonly read: SQL | boolean | null;
  /** Which rows may be added, changed and deleted, in the same way. */
  readonly modify: SQL | boolean | null;
}

/**
 * Up to four policies in one: select by `read`; insert, update and delete by `modify`.
 *
 * Takes the place of `crudPolicy` of drizzle-orm/neon, with the same names of policies:
 * `crud-<roles>-policy-select` and so on, shortened with a digest when the roles' names are too long for Postgres.
 * Put the result into the table's third argument, spread or not.
 *
 * @throws TypeError when `role`, `read` or `modify` is undefined
 * @example
 * import { authenticatedRole, authUid, crudPolicy } from 'drizzle-authorize';
 * import { pgTable, text } from 'drizzle-orm/pg-core';
 *
 * export const todos = pgTable('todos', { userId: text('user_id').notNull() }, (t) => [
 *   crudPolicy({ role: authenticatedRole, read: authUid(t.userId), modify: authUid(t.userId) }),
 * ]);
 */
export function crudPolicy(options: CrudPolicyOptions): PgPolicy[] {
  const { role: to } = options;
  if (to === undefined) throw new TypeError('crudPolicy: role is missing');
  const read = expression('read', options.read);
  const modify = expression('modify', options.modify);

  const roles = [to].flat().map((role) => (is(role, PgRole) ? role.name : role));
  const name = (command: string): string => fit(`crud-${roles.join('-')}-policy-${command}`);

  const policies: PgPolicy[] = [];
  if (read) policies.push(selectPolicy(name('select'), { to, using: read }));
  if (modify) {
    policies.push(
      insertPolicy(name('insert'), { to, withCheck: modify }),
      updatePolicy(name('update'), { to, using: modify, withCheck: modify }),
      deletePolicy(name('delete'), { to, using: modify }),
    );
  }
  return policies;
}

function expression(option: 'read' | 'modify', value: SQL | boolean | null | undefined): SQL | undefined {
  if (value === undefined) throw new TypeError(`crudPolicy: ${option} is missing; null means no policy`);
  if (value === null) return undefined;
  return typeof value === 'boolean' ? sql.raw(String(value)) : value;
}

const maxNameBytes = 63;

function fit(name: string): string {
  const bytes = new TextEncoder().encode(name);
  if (bytes.length <= maxNameBytes) return name;
  const digest = fnv1a(bytes).toString(16).padStart(8, '0');
  // A character cut in two decodes to U+FFFD, which is dropped.
  const start = new TextDecoder().decode(bytes.slice(0, maxNameBytes - 9)).replace(/\uFFFD+$/u, '');
  return `${start}-${digest}`;
}

/** FNV-1a, 32 bits: tells long names apart; no secret depends on it. @see RFC 9923 */
function fnv1a(bytes: Uint8Array): number {
  return bytes.reduce((hash, byte) => Math.imul(hash ^ byte, 0x01000193) >>> 0, 0x811c9dc5);
}
