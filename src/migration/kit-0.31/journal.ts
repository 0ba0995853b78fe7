import { existsSync } from 'node:fs';
import { join } from 'node:path';

import type { KeptMigration } from '../kit-line.ts';
import { parseFile, readText } from '../read-file.ts';
import { emptySnapshot } from '../snapshot.ts';
import { parseSnapshot } from './snapshot.ts';

/** The migrations that meta/_journal.json names: one file of SQL each, and its snapshot in meta/. */
export function readJournal(path: string): readonly KeptMigration[] {
  if (!hasJournal(path)) return [];
  const snapshots = new Set<string>();
  return parseFile(journalOf(path), parseTags, hint).map((tag) => {
    const file = join(path, `${tag}.sql`);
    const sql = readText(file, hint);
    const meta = join(path, 'meta', `${tag.slice(0, tag.indexOf('_'))}_snapshot.json`);
    // drizzle-kit needs the newest only, and projects lose older ones.
    const snapshot = existsSync(meta) ? parseFile(meta, parseSnapshot, hint) : emptySnapshot;
    // Of two that follow one, drizzle-kit complains itself, unless one snapshot is all that a merge has left of theirs.
    const inLine = !snapshots.has(meta);
    snapshots.add(meta);
    return { tag, path: file, sql, snapshot, inLine };
  });
}

/** True where there is a journal, which may be empty. */
export function hasJournal(path: string): boolean {
  return existsSync(journalOf(path));
}

function journalOf(path: string): string {
  return join(path, 'meta', '_journal.json');
}

const hint =
  'Restore it, or take its entry out of meta/_journal.json and its snapshot away, if it was never applied.';

function parseTags(text: string): readonly string[] {
  const content: unknown = JSON.parse(text);
  if (typeof content !== 'object' || content === null) throw new TypeError('no journal');
  if (!('entries' in content) || !Array.isArray(content.entries)) throw new TypeError('no entries');
  return content.entries.map((entry: unknown) => {
    if (typeof entry !== 'object' || entry === null || !('tag' in entry)) throw new TypeError('no tag');
    return String(entry.tag);
  });
}
