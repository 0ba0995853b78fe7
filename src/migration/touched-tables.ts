import type { TableAccess } from './access-model.ts';
import type { MigrationInput } from './migration-input.ts';
import type { MigrationState, TableState } from './migration-state.ts';
import { createPolicy } from './policy-definition.ts';
import { compareText, qualifiedName, type TableName } from './table-name.ts';

/** A table whose access a migration asserts anew, with what there is to do. */
export interface TouchedTable extends TableName {
  readonly existsBefore: boolean;
  readonly existsAfter: boolean;
  readonly previous: TableState | undefined;
  readonly next: TableState | undefined;
  readonly access: TableAccess | undefined;
  /** The table has sequences of its own, or had them under the columns or the name that it had before. */
  readonly sequences: boolean;
  /** Names of policies to drop before drizzle-kit's statements. */
  readonly drop: readonly string[];
  /** Statements that create policies after them. */
  readonly create: readonly string[];
}

/**
 * The tables that a migration has to do with: their access changes, drizzle-kit changes them, or policies on them
 * have to make way.
 *
 * @param state what the migration leads to
 * @param anew every policy is written anew, because the migration takes away what one of them may mention
 */
export function touchedTables(
  input: MigrationInput,
  state: MigrationState,
  anew: boolean,
): readonly TouchedTable[] {
  const { before, after } = input;
  const previous = byName(input.previous.tables);
  const next = byName(state.tables);
  const access = byName(input.model.tables);
  const newlyManaged = state.managedRoles.some((role) => !input.previous.managedRoles.includes(role));

  const gone = [...before.tables.keys()].filter((key) => !after.tables.has(key));

  const touched: TouchedTable[] = [];
  for (const key of [...new Set([...previous.keys(), ...next.keys()])].toSorted(compareText)) {
    const [was, becomes, wanted] = [previous.get(key), next.get(key), access.get(key)];
    const name = becomes ?? was;
    if (!name) continue;
    const kept = new Set(
      Object.entries(becomes?.policies ?? {})
        .filter(([policy, digest]) => !anew && was?.policies[policy] === digest)
        .map(([policy]) => policy),
    );
    const known = [
      ...Object.keys(was?.policies ?? {}),
      ...(before.tables.get(key)?.policies ?? []),
      ...Object.keys(becomes?.policies ?? {}),
    ];
    const drop = [...new Set(known)].filter((policy) => !kept.has(policy)).toSorted(compareText);
    const changed =
      newlyManaged ||
      drop.length > 0 ||
      JSON.stringify(was) !== JSON.stringify(becomes) ||
      before.tables.get(key)?.content !== after.tables.get(key)?.content;
    if (!changed) continue;

    // Under a new name it is one of those that are gone.
    const names = before.tables.has(key) ? [key] : gone;
    const linked = was?.linked === true || becomes?.linked === true;
    touched.push({
      schema: name.schema,
      name: name.name,
      existsBefore: before.tables.has(key) || linked,
      existsAfter: after.tables.has(key) || linked,
      previous: was,
      next: becomes,
      access: wanted,
      sequences:
        names.some((old) => before.tables.get(old)?.sequences) ||
        after.tables.get(key)?.sequences === true ||
        (wanted?.serialColumns.length ?? 0) > 0,
      drop,
      create: (wanted?.policies ?? [])
        .filter((policy) => !kept.has(policy.name))
        .map((policy) => createPolicy(name, policy)),
    });
  }
  return touched;
}

function byName<T extends TableName>(tables: readonly T[]): ReadonlyMap<string, T> {
  return new Map(tables.map((table) => [qualifiedName(table), table]));
}
