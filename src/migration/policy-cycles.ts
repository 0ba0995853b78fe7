import type { AccessGraph, Command } from './access-graph.ts';
import type { TableAccess } from './access-model.ts';
import type { PolicyDefinition } from './policy-definition.ts';

/** A step on the way from a table to itself: a policy of the table reads the next one. */
export interface CycleStep {
  readonly table: TableAccess;
  readonly policy: PolicyDefinition;
}

/**
 * The way on which Postgres would come back to a table while it still writes out that table's policies, which it refuses
 * as infinite recursion (42P17), whatever the rows; undefined when there is none.
 *
 * Only policies that apply count: of the role, and for what is read those of SELECT. And a table that is read again is
 * none if no policy that applies to the reading has a sub-select, since there is nothing left to write out.
 */
export function findCycle(
  graph: AccessGraph,
  role: string,
  command: Command,
  table: TableAccess,
): readonly CycleStep[] | undefined {
  const follow = (
    current: TableAccess,
    how: Command,
    way: readonly CycleStep[],
  ): readonly CycleStep[] | undefined => {
    const applied = current.rowSecurity ? graph.applied(role, how, current) : [];
    if (!applied.some(({ policy }) => graph.hasSubselect(policy))) return undefined;
    const start = way.findIndex((step) => step.table === current);
    if (start !== -1) return way.slice(start);
    for (const { policy, reads } of applied) {
      for (const next of reads) {
        const cycle = follow(next, 'select', [...way, { table: current, policy }]);
        if (cycle) return cycle;
      }
    }
    return undefined;
  };
  return follow(table, command, []);
}
