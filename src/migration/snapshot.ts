import { outline, type SchemaOutline } from './schema-outline.ts';
import { compareText, qualifiedName, type TableName } from './table-name.ts';

/** What drizzle-kit noted in meta/ about the schema after a migration, as far as access is concerned. */
export interface Snapshot {
  /** Everything but the ids: differs between two migrations exactly if drizzle-kit found a change. */
  readonly content: string;
  readonly outline: SchemaOutline;
  /** By qualified name. */
  readonly tables: ReadonlyMap<string, SnapshotTable>;
  /** Policies that are linked to a table, of the schema or not, by the table's qualified name. */
  readonly linked: ReadonlyMap<string, LinkedPolicies>;
}

interface SnapshotTable extends TableName {
  readonly content: string;
  readonly columns: readonly string[];
  readonly policies: readonly SnapshotPolicy[];
  readonly rowSecurity: boolean;
  /** A column has a sequence of its own: it is serial or an identity. */
  readonly sequences: boolean;
}

export interface SnapshotPolicy {
  readonly name: string;
  readonly restrictive: boolean;
}

interface LinkedPolicies extends TableName {
  readonly policies: readonly SnapshotPolicy[];
}

/** The snapshot before the first migration. */
export const emptySnapshot: Snapshot = { content: '', outline: [], tables: new Map(), linked: new Map() };

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

// drizzle-kit reorders keys and fills in empty objects when it copies a snapshot for `--custom`.
function canonical(value: unknown): string {
  return JSON.stringify(value, (_key, part: unknown) => {
    if (typeof part !== 'object' || part === null || Array.isArray(part)) return part;
    return Object.fromEntries(
      Object.entries(part)
        .filter(([, inner]) => !isEmptyObject(inner))
        .toSorted(([a], [b]) => compareText(a, b)),
    );
  });
}

function isEmptyObject(value: unknown): boolean {
  return typeof value === 'object' && value !== null && Object.keys(value).length === 0;
}

function record(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null ? { ...value } : {};
}

function text(value: unknown): string {
  return typeof value === 'string' ? value : '';
}
