import { renameSync, writeFileSync } from 'node:fs';

import { AuthorizeError } from '../errors.ts';
import { assertNoOthers, type KeptMigration, type KitLine } from './kit-line.ts';
import { emptyState, parseHeader, type MigrationState } from './migration-state.ts';
import { emptySnapshot, type Snapshot } from './snapshot.ts';
import { compareText, qualifiedName } from './table-name.ts';

/** What drizzle-kit has put into its `out` folder, in the order in which it is applied. */
export interface MigrationsFolder {
  readonly path: string;
  readonly migrations: readonly MigrationFile[];
  /** What the newest header says; the empty state when there is none. */
  readonly state: MigrationState;
}

export interface MigrationFile extends KeptMigration {
  /** Ours, when we wrote or completed the file. */
  readonly state: MigrationState | undefined;
}

/** An unfinished migration, with the schema as it was before. */
export interface UnfinishedMigration {
  readonly file: MigrationFile;
  readonly before: Snapshot;
}

/** The names of migrations that we ask drizzle-kit to make room for. */
export const ownNames = {
  prelude: 'authorize_prelude',
  upgrade: 'authorize_upgrade',
  access: 'authorize',
  eject: 'authorize_eject',
} as const;

const placeholder = '-- Custom SQL migration file, put your code below! --';

/**
 * Reads the folder; one that is missing is empty.
 *
 * @throws AuthorizeError `ERR_MIGRATION_INCOMPLETE` when part of it cannot be read, `ERR_KIT_UNSUPPORTED` when another
 *   line of drizzle-kit or a newer release has written it
 */
export function readMigrationsFolder(path: string, line: KitLine): MigrationsFolder {
  assertNoOthers(path, line);
  const migrations = line
    .readMigrations(path)
    .map((kept) => ({ ...kept, state: parseHeader(kept.sql, kept.path) }));
  return { path, migrations, state: migrations.findLast((file) => file.state)?.state ?? emptyState };
}

/**
 * Migrations that we have still to complete: drizzle-kit's own that are newer than our last header, and files of
 * ours that are still empty. What people write after `generate --custom` leaves drizzle-kit's snapshot as it was,
 * and what is older than our first header was there before us.
 */
export function unfinishedMigrations(folder: MigrationsFolder): readonly UnfinishedMigration[] {
  const { migrations, state } = folder;
  const last = migrations.findLastIndex((file) => file.state);
  return migrations.flatMap((file, index) => {
    const before = migrations[index - 1]?.snapshot ?? emptySnapshot;
    if (index <= last) return [];
    const unchanged =
      before === emptySnapshot ? saysTheSame(state, file.snapshot) : file.snapshot.content === before.content;
    const byKit = last >= 0 && !unchanged;
    return byKit || isPlaceholder(file) ? [{ file, before }] : [];
  });
}

// Where the snapshot before is gone, the state still tells tables and policies. To take what people wrote for
// drizzle-kit's would be worse than to overlook a column.
function saysTheSame(state: MigrationState, snapshot: Snapshot): boolean {
  const known = state.tables
    .filter((table) => !table.linked)
    .map((table) => [qualifiedName(table), ...Object.keys(table.policies)]);
  const noted = [...snapshot.tables].map(([key, { policies }]) => {
    const linked = snapshot.linked.get(key)?.policies ?? [];
    return [key, ...[...policies, ...linked].map(({ name }) => name)];
  });
  const lines = (tables: readonly (readonly string[])[]): string =>
    JSON.stringify(tables.map((table) => table.toSorted(compareText).join()).toSorted(compareText));
  return lines(known) === lines(noted);
}

/**
 * Refuses what a merge of two branches leaves behind. What a migration was made on top of is what it knows: it would write
 * policies anew that the other branch has changed.
 *
 * @throws AuthorizeError `ERR_KIT_UNSUPPORTED`
 */
export function assertOneLine({ migrations }: MigrationsFolder, line: KitLine): void {
  const first = migrations.findIndex((file) => file.state);
  const index = migrations.findIndex((file, at) => first >= 0 && at > first && !file.inLine);
  const [before, file] = [migrations[index - 1], migrations[index]];
  if (!before || !file) return;
  throw new AuthorizeError('ERR_KIT_UNSUPPORTED', `${file.path} was not made on top of ${before.path}`, {
    hint: line.afterMerge,
  });
}

/**
 * Refuses to have migrations applied that are half-made, or made on two branches.
 *
 * @throws AuthorizeError `ERR_MIGRATION_INCOMPLETE`, `ERR_KIT_UNSUPPORTED`
 */
export function assertApplicable(folder: MigrationsFolder, line: KitLine): void {
  assertOneLine(folder, line);
  const [unfinished] = unfinishedMigrations(folder);
  if (!unfinished) return;
  throw new AuthorizeError(
    'ERR_MIGRATION_INCOMPLETE',
    `${unfinished.file.path} is half-made: its access rules are missing`,
    { hint: 'Run `npx drizzle-kit generate`, which completes it.' },
  );
}

/** True for a file of this name, or of any of ours, that drizzle-kit made for us and that we have not filled. */
export function isPlaceholder(file: MigrationFile, name?: string): boolean {
  const names: readonly string[] = name === undefined ? Object.values(ownNames) : [name];
  return names.includes(file.tag.slice(file.tag.indexOf('_') + 1)) && file.sql.trim() === placeholder;
}

/** Replaces the file in one step: whoever reads it sees the old text or the new one. */
export function writeMigration(file: MigrationFile, sql: string): void {
  const temporary = `${file.path}.${process.pid}.tmp`;
  writeFileSync(temporary, sql);
  renameSync(temporary, file.path);
}
