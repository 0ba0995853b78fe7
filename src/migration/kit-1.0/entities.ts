import type { Delta, Entity } from './changes.ts';

/** All rows of a schema, by key. */
export type Entities = ReadonlyMap<string, Entity>;

// What names a row, where that is not its schema, its table and its name.
const nameFields: Readonly<Record<string, readonly string[]>> = {
  schemas: ['name'],
  roles: ['name'],
  tables: ['schema', 'name'],
  enums: ['schema', 'name'],
  sequences: ['schema', 'name'],
  views: ['schema', 'name'],
  indexes: ['schema', 'name'],
  privileges: ['schema', 'table', 'grantor', 'grantee', 'type'],
};

// How drizzle-kit names a row in a delta.
function entityKey(row: Entity): string {
  const fields = nameFields[row.entityType] ?? ['schema', 'table', 'name'];
  return `${row.entityType}\0${JSON.stringify(fields.map((field) => row[field]))}`;
}

/**
 * The rows after a migration, as drizzle-kit works them out: what is in a schema or a table follows it to its new name.
 * Lists of columns in indexes and the like keep the old names of columns, since nothing here depends on them.
 *
 * @throws TypeError for a change of a row that is not there
 */
export function applyDeltas(entities: Entities, deltas: readonly Delta[]): Entities {
  const rows = new Map(entities);
  for (const delta of deltas) {
    if (delta.op === 'create') rows.set(entityKey(delta.row), delta.row);
    else if (delta.op === 'drop') rows.delete(delta.key);
    else change(rows, delta.key, delta.set);
  }
  return rows;
}

function change(rows: Map<string, Entity>, key: string, set: Readonly<Record<string, unknown>>): void {
  const row = rows.get(key);
  if (!row) throw new TypeError('a change of nothing');
  const next = { ...row, ...set };
  rows.delete(key);
  rows.set(entityKey(next), next);
  if (entityKey(next) === key) return;
  for (const [otherKey, other] of new Map(rows)) {
    if (row.entityType === 'schemas' && isInSchema(other) && other['schema'] === row['name']) {
      change(rows, otherKey, { schema: next['name'] });
    } else if (row.entityType === 'tables' && isOfTable(other, row)) {
      change(rows, otherKey, { schema: next['schema'], table: next['name'] });
    }
  }
}

// The others are of a table, and follow that; a policy may be linked to a table that is not here, and stays.
function isInSchema({ entityType }: Entity): boolean {
  return ['tables', 'enums', 'sequences', 'views'].includes(entityType);
}

function isOfTable(row: Entity, table: Entity): boolean {
  return row['schema'] === table['schema'] && row['table'] === table['name'];
}
