import { AuthorizeError } from '../errors.ts';
import type { GenerateConfig } from './generate-options.ts';
import { kit031 } from './kit-0.31/line.ts';
import { kit10 } from './kit-1.0/line.ts';
import type { PushQuestion, StructurePlan } from './push-plan.ts';
import type { Snapshot } from './snapshot.ts';

/** What one line of drizzle-kit does in a way of its own. */
export interface KitLine {
  readonly name: string;
  /** Why `drizzle-kit push` is refused, as half a sentence. */
  readonly pushFault: string;
  /** The names of its migrations tell them apart by the second, so that of two in one second there would be one. */
  readonly oneASecond: (tag: string) => boolean;
  /** Views that are declared as `.existing()` stand in the snapshot, too. */
  readonly notesExistingViews: boolean;
  /**
   * What it has put into its `out` folder, in the order in which it is applied; nothing where there is no folder.
   *
   * @throws AuthorizeError `ERR_MIGRATION_INCOMPLETE` when part of it cannot be read
   */
  readonly readMigrations: (path: string) => readonly KeptMigration[];
  /** It has put migrations into the folder. */
  readonly holds: (path: string) => boolean;
  /** What to do with migrations of another line. */
  readonly afterOthers: string;
  /** What to do with migrations of two branches that were made on top of one. */
  readonly afterMerge: string;
  /** What it would do to a database so that it has what the schema files have. Changes nothing. */
  readonly planPush: (question: PushQuestion) => Promise<StructurePlan>;
  /** @throws AuthorizeError `ERR_KIT_UNSUPPORTED` for a config or options with which nothing can be done safely */
  readonly assertUsable: (config: GenerateConfig, options: readonly string[]) => void;
}

/** A migration as drizzle-kit keeps it. */
export interface KeptMigration {
  /** Such as `0001_add_todos`. */
  readonly tag: string;
  /** The path as people know it, for messages. */
  readonly path: string;
  readonly sql: string;
  /** The schema after the migration, as drizzle-kit noted it. */
  readonly snapshot: Snapshot;
  /** Made on top of the migration before it, and of no other. */
  readonly inLine: boolean;
}

const lines: readonly KitLine[] = [kit031, kit10];

/** The line that has put migrations into the folder; undefined when none has. */
export function lineOfFolder(path: string): KitLine | undefined {
  return lines.find((line) => line.holds(path));
}

/** @throws AuthorizeError `ERR_KIT_UNSUPPORTED` when another line has put migrations into the folder */
export function assertNoOthers(path: string, line: KitLine): void {
  const other = lines.find((one) => one !== line && one.holds(path));
  if (!other) return;
  throw new AuthorizeError('ERR_KIT_UNSUPPORTED', `${path} holds migrations of drizzle-kit ${other.name}`, {
    hint: line.afterOthers,
  });
}

/**
 * The line that a version of drizzle-kit belongs to.
 *
 * @throws AuthorizeError `ERR_KIT_UNSUPPORTED` for a version that nobody has tried
 */
export function kitLine(version: string): KitLine {
  if (version.startsWith('0.31.')) return kit031;
  if (/^1\.(?!0\.0-(?:alpha|beta|rc\.[1-4](?:-|$)))/.test(version)) return kit10;
  throw new AuthorizeError(
    'ERR_KIT_UNSUPPORTED',
    `migrations need drizzle-kit 0.31, or 1.0 from 1.0.0-rc.5 on; ${version} is not supported`,
    { hint: 'Install drizzle-kit 0.31 beside drizzle-orm 0.45, or 1.0 beside drizzle-orm 1.0.' },
  );
}
