import type { AccessModel } from './access-model.ts';
import type { MigrationState } from './migration-state.ts';
import type { Snapshot } from './snapshot.ts';

/** Everything that decides what a migration says. */
export interface MigrationInput {
  /** What drizzle-kit wrote; empty when only access changes. */
  readonly statements: readonly string[];
  /** drizzle-kit's tables before the migration and after it. */
  readonly before: Snapshot;
  readonly after: Snapshot;
  /** What the migrations before this one have put into the database. */
  readonly previous: MigrationState;
  readonly model: AccessModel;
}
