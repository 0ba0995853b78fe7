import { ejectStatements, plainSetting } from '../database/eject.ts';
import { preludeVersion } from '../database/prelude-version.ts';
import { AuthorizeError } from '../errors.ts';
import { readSoundSchema, roomFor, type GenerateOptions } from './generate.ts';
import {
  assertOneLine,
  isPlaceholder,
  ownNames,
  readMigrationsFolder,
  unfinishedMigrations,
  writeMigration,
} from './migrations-folder.ts';
import { emptyState, renderHeader } from './migration-state.ts';
import { accessChanged } from './rewrite.ts';
import { newAuthSchema } from './new-auth-schema.ts';
import { joinStatements } from './statements.ts';

/**
 * Refuses a project that is not at rest: what the migrations lead to must be what the schema declares, or plain drizzle-kit
 * would have to write what it cannot.
 *
 * @throws AuthorizeError `ERR_MIGRATIONS_MISSING`, `ERR_MIGRATION_INCOMPLETE`, and whatever `generate` refuses
 */
export function assertEjectable(options: GenerateOptions): void {
  const folder = readMigrationsFolder(options.out, options.line);
  assertOneLine(folder, options.line);
  if (folder.state.prelude === 0) {
    throw new AuthorizeError(
      'ERR_MIGRATIONS_MISSING',
      `no migration in ${options.out} makes the auth schema, so there is nothing to eject`,
    );
  }
  const model = readSoundSchema(options);
  const behind = folder.state.prelude !== preludeVersion || accessChanged(model, folder.state);
  if (!behind && unfinishedMigrations(folder).every(({ file }) => isPlaceholder(file, ownNames.eject)))
    return;
  throw new AuthorizeError('ERR_MIGRATION_INCOMPLETE', 'the migrations are not what the schema declares', {
    hint: 'Run `npx drizzle-kit generate` first.',
  });
}

/**
 * Writes the last migration that is ours. It says nothing of who may do what: none of that changes.
 *
 * @returns its path
 */
export function writeEjection(options: GenerateOptions): string {
  const authSchema = newAuthSchema(options.authSchema);
  const file = roomFor(options, ownNames.eject);
  const words = [
    'the last migration of drizzle-authorize: policies, grants and roles stay as they are',
    `who asks is what the setting ${plainSetting} says, which whoever can send SQL can set`,
  ];
  writeMigration(file, `${renderHeader(emptyState, words)}\n${joinStatements(ejectStatements(authSchema))}`);
  return file.path;
}
