import type { SchemaOutline } from './schema-outline.ts';
import type { TableName } from './table-name.ts';

/** What drizzle-kit noted about the schema after a migration, as far as access is concerned. */
export interface Snapshot {
  /** Everything but the ids: differs between two migrations exactly if drizzle-kit found a change. */
  readonly content: string;
  readonly outline: SchemaOutline;
  /** By qualified name. */
  readonly tables: ReadonlyMap<string, SnapshotTable>;
  /** Policies that are linked to a table, of the schema or not, by the table's qualified name. */
  readonly linked: ReadonlyMap<string, LinkedPolicies>;
}

export interface SnapshotTable extends TableName {
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

export interface LinkedPolicies extends TableName {
  readonly policies: readonly SnapshotPolicy[];
}

/** The snapshot before the first migration. */
export const emptySnapshot: Snapshot = { content: '', outline: [], tables: new Map(), linked: new Map() };
