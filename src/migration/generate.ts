import { defaultAuthSchema } from '../auth-schema.ts';
import { preludeStatements } from '../database/prelude.ts';
import { upgradeStatements, upgradeWords } from '../database/prelude-upgrade.ts';
import { preludeComment, preludeVersion } from '../database/prelude-version.ts';
import { AuthorizeError } from '../errors.ts';
import { readAccessModel, type AccessModel, type AccessModelOptions } from './access-model.ts';
import { checkAccess, type CheckAccessOptions } from './check-access.ts';
import { generateCustom, type KitInvocation } from './drizzle-kit.ts';
import type { KitLine } from './kit-line.ts';
import {
  assertOneLine,
  isPlaceholder,
  ownNames,
  readMigrationsFolder,
  unfinishedMigrations,
  writeMigration,
  type MigrationFile,
  type UnfinishedMigration,
} from './migrations-folder.ts';
import { preludeState, renderHeader, type MigrationState } from './migration-state.ts';
import { accessChanged, closedModel, rewriteMigration, type Migration } from './rewrite.ts';
import { findSchemaFiles, loadSchemaFiles } from './schema-files.ts';
import { outlineOfSchema, type SchemaOutline } from './schema-outline.ts';
import { joinStatements, splitStatements } from './statements.ts';
import { readViews } from './view-definitions.ts';

export interface GenerateOptions extends AccessModelOptions, CheckAccessOptions {
  /** As in drizzle.config.ts. */
  readonly schema: string | readonly string[];
  /** The migrations folder. */
  readonly out: string;
  /** As in `withAuthorize()`. */
  readonly takeOverRoles?: readonly string[] | undefined;
  readonly kit: KitInvocation;
  readonly line: KitLine;
}

type SchemaOptions = AccessModelOptions & Pick<GenerateOptions, 'schema'>;

/** What the schema files say, before drizzle-kit has seen them. */
export interface DeclaredSchema {
  readonly model: AccessModel;
  readonly outline: SchemaOutline;
}

/** What a run has written, one short line each. */
export type GenerateReport = readonly string[];

/**
 * The part of `drizzle-kit generate` before drizzle-kit looks at the schema: reads the access model, and writes
 * the first migration where there is none yet.
 *
 * @returns what the schema declares, and what was written
 * @throws AuthorizeError `ERR_SCHEMA_UNREADABLE`, `ERR_POLICY_INVALID`, `ERR_VIEW_UNPROTECTED`: nothing has been written
 */
export function beforeKit(options: GenerateOptions): {
  readonly declared: DeclaredSchema;
  readonly report: GenerateReport;
} {
  const { exported, model } = loadSound(options);
  const declared = { model, outline: outlineOfSchema(exported, model, options.line) };
  return { declared, report: ensurePrelude(options, model) };
}

/**
 * Writes the migration that makes the auth schema, or that takes an older one to this version, whatever else generate would
 * have to say about the schema.
 *
 * @throws AuthorizeError `ERR_SCHEMA_UNREADABLE`, `ERR_POLICY_INVALID`
 */
export function writePrelude(options: GenerateOptions): GenerateReport {
  return ensurePrelude(options, readSchema(options));
}

function ensurePrelude(options: GenerateOptions, model: AccessModel): GenerateReport {
  const folder = readMigrationsFolder(options.out, options.line);
  assertOneLine(folder, options.line);
  const { prelude: version } = folder.state;
  if (version > 0) assertSameAuthSchema(model, folder.state);
  if (version === preludeVersion) return [];
  const writeOwn = (name: string, sql: string): GenerateReport => {
    const file = roomFor(options, name);
    writeMigration(file, sql);
    return [`the auth schema written into ${file.path}`];
  };
  if (version === 0) return writeOwn(ownNames.prelude, preludeSql(model, options));
  // An interrupted run is completed first: what it left is older, and an upgrade after it would say that it is done.
  const isRoom = ({ file }: UnfinishedMigration): boolean => isPlaceholder(file, ownNames.upgrade);
  return unfinishedMigrations(folder).every(isRoom)
    ? writeOwn(ownNames.upgrade, upgradeSql(folder.state))
    : [];
}

/**
 * What the schema files say about access.
 *
 * @throws AuthorizeError `ERR_SCHEMA_UNREADABLE`, `ERR_POLICY_INVALID`
 */
export function readSchema(options: SchemaOptions): AccessModel {
  return load(options).model;
}

/**
 * The same, of a schema that `generate` would take.
 *
 * @throws AuthorizeError `ERR_SCHEMA_UNREADABLE`, `ERR_POLICY_INVALID`, `ERR_VIEW_UNPROTECTED`
 */
export function readSoundSchema(options: SchemaOptions & CheckAccessOptions): AccessModel {
  return loadSound(options).model;
}

/**
 * The same, with all that the schema files export.
 *
 * @throws AuthorizeError `ERR_SCHEMA_UNREADABLE`, `ERR_POLICY_INVALID`, `ERR_VIEW_UNPROTECTED`
 */
export function loadSound(options: SchemaOptions & CheckAccessOptions): ReturnType<typeof load> {
  const loaded = load(options);
  checkAccess(loaded.model, readViews(loaded.exported, options), options);
  return loaded;
}

function load(options: SchemaOptions): {
  readonly exported: readonly unknown[];
  readonly model: AccessModel;
} {
  const exported = loadSchemaFiles(findSchemaFiles(options.schema, process.cwd()));
  return { exported, model: readAccessModel(exported, options) };
}

/**
 * The part after drizzle-kit: completes what it wrote, or writes a migration when only access has changed.
 *
 * @throws AuthorizeError `ERR_MIGRATION_INCOMPLETE` when drizzle-kit stopped without writing its part
 */
export function afterKit(options: GenerateOptions, { model, outline }: DeclaredSchema): GenerateReport {
  const folder = readMigrationsFolder(options.out, options.line);
  const latest = folder.migrations.at(-1);
  if (!latest) return [];
  refuseStaleSnapshot(outline, latest);

  let state = folder.state;
  const unfinished = unfinishedMigrations(folder);
  if (unfinished.length === 0) {
    if (!accessChanged(model, state)) return [];
    const file = makeRoom(options, ownNames.access);
    const input = { statements: [], before: latest.snapshot, after: latest.snapshot, previous: state, model };
    return [write(file, rewriteMigration(input))];
  }
  return unfinished.map(({ file, before }, index) => {
    const statements = isPlaceholder(file, ownNames.access) ? [] : splitStatements(file.sql);
    // An interrupted run may have left one behind, for which the schema of that time is gone: it closes what it
    // touches, and the last one opens it again.
    const target = index === unfinished.length - 1 ? model : closedModel(state, file.snapshot, model);
    const migration = rewriteMigration({
      statements,
      before,
      after: file.snapshot,
      previous: state,
      model: target,
    });
    state = migration.state;
    return write(file, migration);
  });
}

function write(file: MigrationFile, migration: Migration): string {
  writeMigration(file, migration.sql);
  const policies = count(migration.policies, 'policy', 'policies');
  const grants = count(migration.grants, 'grant', 'grants');
  return `${policies} and ${grants} written into ${file.path}`;
}

function count(n: number, one: string, many: string): string {
  return `${n} ${n === 1 ? one : many}`;
}

function preludeSql(
  { identityRoles, authSchema, keepDefaultPrivileges }: AccessModel,
  { takeOverRoles }: Pick<GenerateOptions, 'takeOverRoles'>,
): string {
  const header = renderHeader(preludeState(identityRoles, authSchema), [
    `${preludeComment}: the identity roles ${identityRoles.join(', ')} and the functions that tell who asks`,
  ]);
  return `${header}\n${joinStatements(
    preludeStatements(identityRoles, { authSchema, keepDefaultPrivileges, takeOverRoles }),
  )}`;
}

// It cannot be moved: policies call its functions, and applications name it.
function assertSameAuthSchema({ authSchema }: AccessModel, state: MigrationState): void {
  const made = state.authSchema ?? defaultAuthSchema;
  if (made === authSchema) return;
  throw new AuthorizeError(
    'ERR_AUTH_SCHEMA',
    `the migrations have made the auth schema ${made}, and withAuthorize() says ${authSchema}`,
    { hint: `Give withAuthorize() the option { authSchema: '${made}' }.` },
  );
}

function upgradeSql(state: MigrationState): string {
  const header = renderHeader({ ...state, prelude: preludeVersion }, upgradeWords(state.prelude));
  return `${header}\n${joinStatements(upgradeStatements(state.prelude, state.identityRoles, state.authSchema))}`;
}

/**
 * An empty migration of ours: the one that an interrupted run has left, or a new one.
 *
 * @throws AuthorizeError `ERR_KIT_UNSUPPORTED` when drizzle-kit makes none
 */
export function roomFor(options: GenerateOptions, name: string): MigrationFile {
  const { migrations } = readMigrationsFolder(options.out, options.line);
  return migrations.find((made) => isPlaceholder(made, name)) ?? makeRoom(options, name);
}

function makeRoom(options: GenerateOptions, name: string): MigrationFile {
  const { oneASecond } = options.line;
  const known = readMigrationsFolder(options.out, options.line).migrations;
  const latest = known.at(-1);
  if (latest && oneASecond(latest.tag)) waitForNextSecond();
  generateCustom(options.kit, name);
  const made = readMigrationsFolder(options.out, options.line).migrations.at(-1);
  if (!made || made.tag === latest?.tag || !isPlaceholder(made, name)) {
    throw new AuthorizeError('ERR_KIT_UNSUPPORTED', `drizzle-kit made no room for the migration "${name}"`, {
      hint: 'Run `npx drizzle-kit check`.',
    });
  }
  if (oneASecond(made.tag)) waitForNextSecond();
  return made;
}

function waitForNextSecond(): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1000 - (Date.now() % 1000) + 1);
}

// drizzle-kit exits with 0 after some of its errors, such as when it has a question and no terminal to ask it in. Had it
// succeeded, its newest snapshot would be the schema.
function refuseStaleSnapshot(declared: SchemaOutline, latest: MigrationFile): void {
  if (declared.join('\n') === latest.snapshot.outline.join('\n')) return;
  throw new AuthorizeError(
    'ERR_MIGRATION_INCOMPLETE',
    'drizzle-kit stopped before it had written its migration',
    {
      hint: 'Its own message above says why; nothing of the access rules was written.',
    },
  );
}
