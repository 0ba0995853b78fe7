import { canonical, text } from '../json-fields.ts';
import { outline } from '../schema-outline.ts';
import type { LinkedPolicies, Snapshot, SnapshotPolicy, SnapshotTable } from '../snapshot.ts';
import { compareText, qualifiedName, type TableName } from '../table-name.ts';
import type { Entity } from './changes.ts';
import type { Entities } from './entities.ts';

/** What all rows together say about access. Policies that are linked to a table of the schema count as its own. */
export function toSnapshot(entities: Entities): Snapshot {
  // In the order of their keys, for a row that gets another name comes last otherwise.
  const rows = [...entities].toSorted(([a], [b]) => compareText(a, b)).map(([, row]) => row);
  const ofType = (type: string): readonly Entity[] => rows.filter(({ entityType }) => entityType === type);
  const names = (type: string): readonly string[] => ofType(type).map(({ name }) => text(name));

  const tables = ofType('tables').map((table): SnapshotTable => {
    const parts = rows.filter((row) => row['schema'] === table['schema'] && row['table'] === table['name']);
    const columns = parts.filter(({ entityType }) => entityType === 'columns');
    return {
      ...placeOf(table),
      content: canonical([table, ...parts]),
      columns: columns.map(({ name }) => text(name)),
      policies: parts.filter(({ entityType }) => entityType === 'policies').map(policy),
      rowSecurity: table['isRlsEnabled'] === true,
      sequences: columns.some(hasSequence),
    };
  });
  const byName = new Map(tables.map((table) => [qualifiedName(table), table]));
  const linked = linkedPolicies(ofType('policies').filter((row) => !byName.has(qualifiedName(tableOf(row)))));
  return {
    content: canonical(rows),
    outline: outline({
      tables,
      linked: [...linked.values()],
      roles: names('roles'),
      schemas: names('schemas'),
      enums: ofType('enums').map(placeOf),
      sequences: ofType('sequences').map(placeOf),
      views: ofType('views').map(placeOf),
    }),
    tables: byName,
    linked,
  };
}

function linkedPolicies(rows: readonly Entity[]): ReadonlyMap<string, LinkedPolicies> {
  const linked = new Map<string, LinkedPolicies>();
  for (const row of rows) {
    const table = tableOf(row);
    const key = qualifiedName(table);
    linked.set(key, { ...table, policies: [...(linked.get(key)?.policies ?? []), policy(row)] });
  }
  return linked;
}

function policy(row: Entity): SnapshotPolicy {
  return { name: text(row['name']), restrictive: row['as'] === 'RESTRICTIVE' };
}

function placeOf(row: Entity): TableName {
  return { schema: text(row['schema']), name: text(row['name']) };
}

function tableOf(row: Entity): TableName {
  return { schema: text(row['schema']), name: text(row['table']) };
}

function hasSequence({ type, identity }: Entity): boolean {
  return (identity !== null && identity !== undefined) || /^(small|big)?serial$/.test(text(type));
}
