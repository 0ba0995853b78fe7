import type { TableAccess } from './access-model.ts';
import type { MigrationInput } from './migration-input.ts';
import type { MigrationState, TableState } from './migration-state.ts';
import { createPolicy } from './policy-definition.ts';
import type { SnapshotPolicy } from './snapshot.ts';
import { compareText, qualifiedName, type TableName } from './table-name.ts';

/** A table whose access a migration asserts anew, with what there is to do. */
export interface TouchedTable extends TableName {
  /** The table is not drizzle-kit's: only a linked policy names it. */
  readonly linked: boolean;
  readonly existsBefore: boolean;
  readonly existsAfter: boolean;
  readonly previous: TableState | undefined;
  readonly next: TableState | undefined;
  readonly access: TableAccess | undefined;
  /** The table bound its owner before, under this name or another. */
  readonly wasForced: boolean;
  /** The table has sequences of its own, or had them under the columns or the name that it had before. */
  readonly sequences: boolean;
  /** Names of policies to drop before drizzle-kit's statements, those that hold rows back at the end. */
  readonly drop: readonly string[];
  /** Statements that create policies after them, those that hold rows back at the start. */
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
  const keys = [...previous.keys(), ...next.keys(), ...before.tables.keys(), ...before.linked.keys()];
  for (const key of [...new Set(keys)].toSorted(compareText)) {
    const [was, becomes, wanted] = [previous.get(key), next.get(key), access.get(key)];
    const name = becomes ?? was ?? before.tables.get(key) ?? before.linked.get(key);
    if (!name) continue;
    const noted = [...(before.tables.get(key)?.policies ?? []), ...(before.linked.get(key)?.policies ?? [])];
    const { drop, kept } = policiesInTheWay(was?.policies, becomes?.policies, { noted, anew });
    const changed =
      newlyManaged ||
      drop.length > 0 ||
      JSON.stringify(was) !== JSON.stringify(becomes) ||
      before.tables.get(key)?.content !== after.tables.get(key)?.content;
    if (!changed) continue;

    // Under a new name it is one of those that are gone.
    const names = before.tables.has(key) ? [key] : gone;
    const known = becomes ?? was;
    const linked = known ? known.linked === true : !before.tables.has(key);
    touched.push({
      schema: name.schema,
      name: name.name,
      linked,
      existsBefore: was !== undefined || before.tables.has(key) || linked,
      existsAfter: after.tables.has(key) || linked,
      previous: was,
      next: becomes,
      access: wanted,
      wasForced:
        was?.forced === true || names.some((old) => old !== key && previous.get(old)?.forced === true),
      sequences:
        names.some((old) => before.tables.get(old)?.sequences) ||
        after.tables.get(key)?.sequences === true ||
        (wanted?.serialColumns.length ?? 0) > 0,
      drop,
      create: (wanted?.policies ?? [])
        .filter((policy) => !kept.has(policy.name))
        .toSorted((a, b) => Number(b.as === 'restrictive') - Number(a.as === 'restrictive'))
        .map((policy) => createPolicy(name, policy)),
    });
  }
  return touched;
}

interface PoliciesInTheWay {
  readonly drop: readonly string[];
  readonly kept: ReadonlySet<string>;
}

// A policy that holds rows back makes way for nobody to see them: all of its table's go before it, and it comes back
// before they do. The roles that we manage see nothing meanwhile, but others may have grants of their own.
function policiesInTheWay(
  was: TableState['policies'] = {},
  becomes: TableState['policies'] = {},
  { noted, anew }: { readonly noted: readonly SnapshotPolicy[]; readonly anew: boolean },
): PoliciesInTheWay {
  // What drizzle-kit has lost sight of may hold rows back, too.
  const holds = new Map([
    ...Object.keys(becomes).map((name) => [name, false] as const),
    ...Object.keys(was).map((name) => [name, true] as const),
    ...noted.map(({ name, restrictive }) => [name, restrictive] as const),
  ]);
  const stays = (name: string): boolean =>
    !anew && was[name] !== undefined && was[name].digest === becomes[name]?.digest;
  const all = [...holds].some(([name, restrictive]) => restrictive && !stays(name));
  const kept = new Set(all ? [] : [...holds.keys()].filter(stays));
  return {
    kept,
    drop: [...holds]
      .filter(([name]) => !kept.has(name))
      .toSorted(([a, one], [b, other]) => Number(one) - Number(other) || compareText(a, b))
      .map(([name]) => name),
  };
}

function byName<T extends TableName>(tables: readonly T[]): ReadonlyMap<string, T> {
  return new Map(tables.map((table) => [qualifiedName(table), table]));
}
