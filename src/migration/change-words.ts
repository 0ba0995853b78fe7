import type { TableAccess } from './access-model.ts';
import { privilegeWords } from './grants.ts';
import { compareText } from './table-name.ts';
import type { TouchedTable } from './touched-tables.ts';

/** What a migration does to access, one line each, for whoever reviews it. */
export function changeWords(
  tables: readonly TouchedTable[],
  roles: { readonly added: readonly string[]; readonly removed: readonly string[] },
): readonly string[] {
  const lines = [
    ...roles.added.map((role) => `${role}: is an identity role from now on`),
    ...roles.removed.map((role) => `${role}: is no identity role any more`),
  ];
  for (const table of tables) {
    const place = `${table.schema}.${table.name}`;
    if (!table.existsAfter) {
      if (table.previous) lines.push(`${place}: goes, and all access with it`);
      continue;
    }
    const [had, has] = [table.previous?.grants ?? {}, table.next?.grants ?? {}];
    const dropped = Object.keys(table.previous?.policies ?? {}).filter(
      (policy) => !(policy in (table.next?.policies ?? {})),
    );
    const changed = table.drop.length > 0 || table.create.length > 0;
    for (const role of [...new Set([...Object.keys(had), ...Object.keys(has)])].toSorted(compareText)) {
      if (!changed && JSON.stringify(had[role]) === JSON.stringify(has[role])) continue;
      const who = role === 'public' ? 'everybody' : role;
      const held = has[role];
      lines.push(
        held
          ? `${who}: may ${privilegeWords(held)} on ${place} (${policiesFor(table.access, role)})`
          : `${who}: may do nothing on ${place} any more`,
      );
    }
    if (dropped.length > 0)
      lines.push(`${place}: loses ${dropped.map((policy) => `"${policy}"`).join(', ')}`);
    if (table.next?.forced && !table.previous?.forced) lines.push(`${place}: binds its owner, too`);
    if (table.previous?.forced && !table.next?.forced) lines.push(`${place}: binds its owner no more`);
    const closed = table.next?.rowSecurity && Object.keys(table.next.policies).length === 0;
    if (closed && dropped.length > 0) {
      lines.push(`${place}: keeps row level security, so that without a policy only its owner sees a row`);
    }
  }
  return lines.length > 0 ? lines : ['nobody gains or loses access'];
}

function policiesFor(table: TableAccess | undefined, role: string): string {
  const count = (table?.policies ?? []).filter(
    (policy) => policy.to.includes(role) || policy.to.includes('public') || policy.grantees.includes(role),
  ).length;
  return count === 1 ? '1 policy' : `${count} policies`;
}
