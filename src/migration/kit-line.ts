import { AuthorizeError } from '../errors.ts';
import type { GenerateConfig } from './generate-options.ts';
import { kit031 } from './kit-0.31/line.ts';
import type { Snapshot } from './snapshot.ts';

/** What one line of drizzle-kit does in a way of its own. */
export interface KitLine {
  /** Why `drizzle-kit push` is refused, as half a sentence. */
  readonly pushFault: string;
  /** The names of its migrations tell them apart by the second, so that of two in one second there would be one. */
  readonly oneASecond: (tag: string) => boolean;
  /** Views that are declared as `.existing()` stand in the snapshot, too. */
  readonly notesExistingViews: boolean;
  /**
   * What it has put into its `out` folder, in the order in which it is applied; nothing where there is no folder.
   *
   * @throws AuthorizeError `ERR_MIGRATION_INCOMPLETE` when part of it cannot be read, `ERR_KIT_UNSUPPORTED` when another
   *   line has written it
   */
  readonly readMigrations: (path: string) => readonly KeptMigration[];
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
}

/**
 * The line that a version of drizzle-kit belongs to.
 *
 * @throws AuthorizeError `ERR_KIT_UNSUPPORTED` for a version that nobody has tried
 */
export function kitLine(version: string): KitLine {
  if (version.startsWith('0.31.')) return kit031;
  throw new AuthorizeError(
    'ERR_KIT_UNSUPPORTED',
    `migrations need drizzle-kit 0.31; ${version} is not supported`,
    {
      hint: version.startsWith('1.')
        ? 'Generate them with drizzle-kit 0.31 and drizzle-orm 0.45; $withAuth runs on drizzle-orm 1.0 as well.'
        : 'Install drizzle-kit 0.31.',
    },
  );
}
