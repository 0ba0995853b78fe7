import { quoteIdentifier } from '../database/quote-identifier.ts';
import type { PolicyCommand, PolicyDefinition } from './policy-definition.ts';
import { isRoleKeyword } from './quote-role.ts';
import { compareText } from './table-name.ts';

/** In the order in which a GRANT names them. */
const privileges = ['SELECT', 'INSERT', 'UPDATE', 'DELETE'] as const;

export type Privilege = (typeof privileges)[number];

/** What a role may do to a table: `true` for the whole table, or the columns. */
export type TablePrivileges = Readonly<Partial<Record<Privilege, true | readonly string[]>>>;

/** By role, where the role `public` is everybody. */
export type Grants = Readonly<Record<string, TablePrivileges>>;

/**
 * The privileges without which the policies of a table would have nothing to permit, and no more.
 * Restrictive policies give none.
 */
export function grantsOf(policies: readonly PolicyDefinition[]): Grants {
  const byRole = new Map<string, Map<Privilege, true | readonly string[]>>();
  for (const policy of policies) {
    if (policy.as === 'restrictive') continue;
    for (const role of policy.grantees) {
      if (isRoleKeyword(role)) continue;
      const held = byRole.get(role) ?? new Map<Privilege, true | readonly string[]>();
      byRole.set(role, held);
      for (const privilege of privilegesFor[policy.for]) {
        held.set(privilege, widen(held.get(privilege), policy.columns ?? true));
      }
    }
  }
  return Object.fromEntries(
    [...byRole].toSorted(([a], [b]) => compareText(a, b)).map(([role, held]) => [role, inOrder(held)]),
  );
}

export const privilegesFor: Readonly<Record<PolicyCommand, readonly Privilege[]>> = {
  all: privileges,
  select: ['SELECT'],
  insert: ['INSERT'],
  update: ['UPDATE'],
  delete: ['DELETE'],
};

function widen(
  held: true | readonly string[] | undefined,
  added: true | readonly string[],
): true | readonly string[] {
  if (held === true || added === true) return true;
  return [...new Set([...(held ?? []), ...added])].toSorted(compareText);
}

function inOrder(held: ReadonlyMap<Privilege, true | readonly string[]>): TablePrivileges {
  return Object.fromEntries(
    privileges.flatMap((privilege) => {
      const columns = held.get(privilege);
      return columns === undefined ? [] : [[privilege, columns]];
    }),
  );
}

/** `SELECT, INSERT ("title")`: the list of a GRANT. */
export function privilegeList(held: TablePrivileges): string {
  return privileges
    .flatMap((privilege) => {
      const columns = held[privilege];
      if (columns === undefined) return [];
      return columns === true ? [privilege] : [`${privilege} (${columns.map(quoteIdentifier).join(', ')})`];
    })
    .join(', ');
}
