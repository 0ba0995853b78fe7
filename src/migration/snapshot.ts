import { compareText, qualifiedName, type TableName } from './table-name.ts';

/** What drizzle-kit noted in meta/ about the schema after a migration, as far as access is concerned. */
export interface Snapshot {
  /** Everything but the ids: differs between two migrations exactly if drizzle-kit found a change. */
  readonly content: string;
  /** By qualified name. */
  readonly tables: ReadonlyMap<string, SnapshotTable>;
}

interface SnapshotTable extends TableName {
  readonly content: string;
  readonly columns: readonly string[];
  /** Names of policies, linked ones included. */
  readonly policies: readonly string[];
  readonly rowSecurity: boolean;
  /** A column has a sequence of its own: it is serial or an identity. */
  readonly sequences: boolean;
}

/** The snapshot before the first migration. */
export const emptySnapshot: Snapshot = { content: '', tables: new Map() };

/** @see https://orm.drizzle.team/docs/drizzle-kit-generate (format 7, drizzle-kit 0.31) */
export function parseSnapshot(json: string): Snapshot {
  const { id: _id, prevId: _prevId, _meta: _renames, ...content } = record(JSON.parse(json));
  const tables = Object.values(record(content['tables'])).map((value) => {
    const table = record(value);
    const columns = record(table['columns']);
    const policies = Object.keys(record(table['policies']));
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
  return {
    content: canonical(content),
    tables: new Map(tables.map((table) => [qualifiedName(table), table])),
  };
}

function hasSequence(column: Readonly<Record<string, unknown>>): boolean {
  return column['identity'] !== undefined || /^(small|big)?serial$/i.test(text(column['type']));
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
