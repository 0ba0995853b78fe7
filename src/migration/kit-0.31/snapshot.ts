import { canonical, record, text } from '../json-fields.ts';
import { outline } from '../schema-outline.ts';
import type { LinkedPolicies, Snapshot, SnapshotPolicy, SnapshotTable } from '../snapshot.ts';
import { qualifiedName, type TableName } from '../table-name.ts';

/** @see https://orm.drizzle.team/docs/drizzle-kit-generate (format 7, drizzle-kit 0.31) */
export function parseSnapshot(json: string): Snapshot {
  const { id: _id, prevId: _prevId, _meta: _renames, ...content } = record(JSON.parse(json));
  const tables = Object.values(record(content['tables'])).map((value) => {
    const table = record(value);
    const columns = record(table['columns']);
    const policies = Object.entries(record(table['policies'])).map(policy);
    return {
      schema: text(table['schema']) || 'public',
      name: text(table['name']),
      content: canonical(table),
      columns: Object.keys(columns),
      policies,
      rowSecurity: table['isRLSEnabled'] === true || policies.length > 0,
      sequences: Object.values(columns).map(record).some(hasSequence),
    } satisfies SnapshotTable;
  });
  const linked = linkedPolicies(record(content['policies']));
  return {
    // drizzle-kit reorders keys and fills in empty objects when it copies a snapshot for `--custom`.
    content: canonical(content),
    outline: outline({
      tables,
      linked: [...linked.values()],
      roles: Object.keys(record(content['roles'])),
      schemas: Object.keys(record(content['schemas'])),
      enums: names(content['enums']),
      sequences: names(content['sequences']),
      views: names(content['views']),
    }),
    tables: new Map(tables.map((table) => [qualifiedName(table), table])),
    linked,
  };
}

function names(entities: unknown): readonly TableName[] {
  return Object.values(record(entities)).map((value) => {
    const { schema, name } = record(value);
    return { schema: text(schema) || 'public', name: text(name) };
  });
}

function linkedPolicies(policies: Readonly<Record<string, unknown>>): ReadonlyMap<string, LinkedPolicies> {
  const linked = new Map<string, LinkedPolicies>();
  for (const entry of Object.entries(policies)) {
    // drizzle-kit quotes both names and escapes neither.
    const [, schema, name] = /^"([^]*)"\."([^]*)"$/.exec(text(record(entry[1])['on'])) ?? [];
    if (schema === undefined || name === undefined) continue;
    const key = qualifiedName({ schema, name });
    linked.set(key, { schema, name, policies: [...(linked.get(key)?.policies ?? []), policy(entry)] });
  }
  return linked;
}

function policy([name, value]: readonly [string, unknown]): SnapshotPolicy {
  return { name, restrictive: record(value)['as'] === 'RESTRICTIVE' };
}

function hasSequence(column: Readonly<Record<string, unknown>>): boolean {
  return column['identity'] !== undefined || /^(small|big)?serial$/.test(text(column['type']));
}
