import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';

import type { KeptMigration } from '../kit-line.ts';
import { parseFile, readText } from '../read-file.ts';
import { emptySnapshot } from '../snapshot.ts';
import { createHistory } from './history.ts';
import { parseChanges } from './changes.ts';
import { toSnapshot } from './snapshot.ts';

const hint = 'Restore it from version control.';

/**
 * The migrations of a folder: a folder each, with migration.sql and snapshot.json, applied in the order of their names.
 *
 * A folder without snapshot.json is applied, too; drizzle-kit knows nothing of it.
 */
export function readFolders(path: string): readonly KeptMigration[] {
  if (!existsSync(path)) return [];
  const history = createHistory();
  const migrations: KeptMigration[] = [];
  let newest: string | undefined;
  for (const tag of foldersIn(path)) {
    const file = join(path, tag, 'migration.sql');
    const noted = join(path, tag, 'snapshot.json');
    const sql = readText(file, hint);
    if (!existsSync(noted)) {
      const snapshot = migrations.at(-1)?.snapshot ?? emptySnapshot;
      migrations.push({ tag, path: file, sql, snapshot, inLine: true });
      continue;
    }
    const changes = parseFile(noted, (text) => parseChanges(text, noted), hint);
    const snapshot = parseFile(noted, () => toSnapshot(history.add(changes)), hint);
    const inLine = changes.parents.length === (newest === undefined ? 0 : 1) && changes.parents[0] === newest;
    migrations.push({ tag, path: file, sql, snapshot, inLine });
    newest = changes.id;
  }
  return migrations;
}

/** True where there is at least one. */
export function hasFolders(path: string): boolean {
  return existsSync(path) && foldersIn(path).length > 0;
}

// As the migrator of drizzle-orm sorts them.
function foldersIn(path: string): readonly string[] {
  return readdirSync(path)
    .filter((name) => ['migration.sql', 'snapshot.json'].some((file) => existsSync(join(path, name, file))))
    .toSorted((a, b) => a.localeCompare(b));
}
