import { randomUUID } from 'node:crypto';

import type { SQL } from 'drizzle-orm';
import { drizzle, type NodePgDatabase } from 'drizzle-orm/node-postgres';
import pg from 'pg';

import { withConnection } from '../database/connect.ts';
import { preludeStatements } from '../database/prelude.ts';
import { upgradeStatements } from '../database/prelude-upgrade.ts';
import { preludeVersion, versionIn } from '../database/prelude-version.ts';
import { quoteIdentifier } from '../database/quote-identifier.ts';
import { assertServerSupported } from '../database/server-version.ts';
import { findTaken, rolesTaken, schemaTaken } from '../database/taken.ts';
import { AuthorizeError } from '../errors.ts';
import type { AccessModel } from './access-model.ts';
import { compareOn } from './comparison/compare.ts';
import { readDatabaseAccess, type DatabaseAccess, type Held } from './comparison/database-access.ts';
import type { Difference } from './comparison/differences.ts';
import { escapeRegExp } from './escape-reg-exp.ts';
import type { Grants, Privilege, TablePrivileges } from './grants.ts';
import type { KitLine } from './kit-line.ts';
import { preludeState, type MigrationState, type TableState } from './migration-state.ts';
import type { PushConfig } from './push-plan.ts';
import { rewriteMigration } from './rewrite.ts';
import { emptySnapshot, type Snapshot } from './snapshot.ts';
import { classify, splitStatements } from './statements.ts';
import { qualifiedName } from './table-name.ts';

export interface PushOptions {
  /** Connects as the role that owns the tables. */
  readonly ownerUrl: string;
  readonly exported: readonly unknown[];
  readonly model: AccessModel;
  /** As in `withAuthorize()`. */
  readonly takeOverRoles?: readonly string[] | undefined;
  readonly line: KitLine;
  readonly config: PushConfig;
}

/** What a push would change. */
export interface PushPlan {
  /** The auth schema is made, or taken to this version. */
  readonly auth: 'kept' | 'made' | 'upgraded';
  /** Statements of drizzle-kit's about everything but access. */
  readonly structure: readonly string[];
  /** Where the database enforces something else than the schema declares. */
  readonly access: readonly Difference[];
  /** What would be lost, one sentence each. */
  readonly warnings: readonly string[];
}

/**
 * Makes a database what the schema files say, in one transaction or not at all: drizzle-kit says what tables, columns and
 * the like need; policies, grants and functions are asserted anew in full, as migrations write them. Before it commits,
 * what the database then enforces is compared with the schema.
 *
 * @param decide is shown what would change, with nothing changed and no lock held; what is then done is exactly that
 * @returns the plan; with `applied` false when there was nothing to do, or `decide` said no
 * @throws AuthorizeError `ERR_DATABASE_UNREACHABLE`, `ERR_SERVER_UNSUPPORTED`, `ERR_PRELUDE_VERSION`, `ERR_SCHEMA_TAKEN`,
 *   `ERR_ROLE_TAKEN`, `ERR_KIT_UNSUPPORTED`; `ERR_MIGRATION_FAILED` when PostgreSQL refuses a statement, or the result is not the schema
 */
export async function push(
  options: PushOptions,
  decide: (plan: PushPlan) => Promise<boolean>,
): Promise<{ readonly plan: PushPlan; readonly applied: boolean }> {
  return withConnection(options.ownerUrl, 'the database', async (client) => {
    const { plan } = await inTransaction(client, 'ROLLBACK', () => prepare(client, options));
    const nothing = plan.auth === 'kept' && plan.structure.length === 0 && plan.access.length === 0;
    if (nothing || !(await decide(plan))) return { plan, applied: false };
    await inTransaction(client, 'COMMIT', async () => {
      const { plan: now, statements } = await prepare(client, options);
      if (JSON.stringify(now) !== JSON.stringify(plan)) {
        throw new AuthorizeError('ERR_MIGRATION_FAILED', 'the database has changed meanwhile', {
          hint: 'Run push again.',
        });
      }
      for (const statement of statements) await run(client, statement);
      const [difference] = await differencesOfOurs(client, options.model);
      if (difference === undefined) return;
      throw new AuthorizeError(
        'ERR_MIGRATION_FAILED',
        `the result would not be what the schema declares: ${difference.place} ${difference.what}`,
        { hint: 'Nothing was changed. Use `npx drizzle-kit generate` and `npx drizzle-kit migrate`.' },
      );
    });
    return { plan, applied: true };
  });
}

async function inTransaction<T>(
  client: pg.Client,
  end: 'COMMIT' | 'ROLLBACK',
  work: () => Promise<T>,
): Promise<T> {
  await client.query('BEGIN');
  try {
    await client.query(`SELECT pg_advisory_xact_lock(hashtext('drizzle-authorize setup'))`);
    const result = await work();
    await client.query(end);
    return result;
  } catch (error) {
    await client.query('ROLLBACK');
    throw error;
  }
}

interface Prepared {
  readonly plan: PushPlan;
  /** What is to be run, but for the auth schema, which is there. */
  readonly statements: readonly string[];
}

/** Puts the auth schema in order, and finds out what the rest needs. */
async function prepare(client: pg.Client, options: PushOptions): Promise<Prepared> {
  const { model, line, exported, config } = options;
  const auth = await prepareAuth(client, options);
  const access = await readDatabaseAccess(client, model.authSchema);
  const { statements, warnings } = await line.planPush({
    imports: Object.fromEntries(exported.map((value, index) => [`export${index}`, value])),
    database: inTurn(drizzle({ client })),
    config,
    schemas: [...new Set(['public', ...model.tables.map(({ schema }) => schema)])],
  });
  // Roles belong to the cluster: those that are too many here may be another database's.
  const kept = statements.filter((statement) => classify(statement).kind !== 'drop role');
  const structure = kept.filter((statement) => {
    const { kind } = classify(statement);
    return kind === 'destructive' || kind === 'other' || kind === 'rename schema';
  });
  const { before, after } = snapshots(model, access);
  const { sql } = rewriteMigration({
    statements: kept,
    before,
    after,
    previous: stateOfDatabase(access, model, kept),
    model,
  });
  return {
    plan: {
      auth,
      structure,
      access: await differencesOfOurs(client, model),
      warnings: [...warnings, ...(await appliedMigrations(client))],
    },
    statements: splitStatements(sql),
  };
}

// drizzle-kit asks several things at once, which a client of node-postgres warns of.
function inTurn(database: NodePgDatabase): NodePgDatabase {
  let last: Promise<unknown> = Promise.resolve();
  const execute = (query: SQL): Promise<unknown> => {
    const next = last.catch(() => undefined).then(() => database.execute(query));
    last = next;
    return next;
  };
  return Object.create(database, { execute: { value: execute } }) as NodePgDatabase;
}

async function prepareAuth(
  client: pg.Client,
  { model, takeOverRoles }: PushOptions,
): Promise<PushPlan['auth']> {
  const { identityRoles, authSchema, keepDefaultPrivileges } = model;
  const { rows } = await client.query<{
    database: string;
    server: number;
    there: boolean;
    comment: string | null;
  }>(
    `SELECT current_database() AS database, current_setting('server_version_num')::int AS server,
      to_regnamespace('${authSchema}') IS NOT NULL AS there, obj_description(to_regnamespace('${authSchema}'), 'pg_namespace') AS comment`,
  );
  const [row] = rows;
  if (row === undefined) throw new Error('no row from the database');
  assertServerSupported(row.server);
  if (!row.there) {
    const { roles } = await findTaken(client, authSchema, identityRoles);
    const taken = roles.filter((role) => takeOverRoles?.includes(role) !== true);
    if (taken.length > 0) throw rolesTaken(taken);
    const prelude = preludeStatements(identityRoles, { authSchema, keepDefaultPrivileges, takeOverRoles });
    for (const statement of prelude) await run(client, statement);
    return 'made';
  }
  const version = versionIn(row.comment);
  if (version === undefined) throw schemaTaken(authSchema);
  assertNotNewer(row.database, version);
  // Also where it is of this version: what somebody has changed by hand is as it should be again.
  for (const statement of upgradeStatements(version, identityRoles, authSchema)) {
    await run(client, statement);
  }
  return version < preludeVersion ? 'upgraded' : 'kept';
}

// To write the functions anew would put back what a newer release has mended in them.
function assertNotNewer(database: string, version: number): void {
  if (version <= preludeVersion) return;
  throw new AuthorizeError(
    'ERR_PRELUDE_VERSION',
    `the auth schema of the database '${database}' is of version ${version}, and this release of drizzle-authorize pushes version ${preludeVersion}`,
    { hint: 'install a newer drizzle-authorize' },
  );
}

// What else there is in the database is not pushed, and not judged.
async function differencesOfOurs(client: pg.Client, model: AccessModel): Promise<readonly Difference[]> {
  const ours = new Set([...model.tables, ...model.derived].map(({ schema, name }) => `${schema}.${name}`));
  const found = await compareOn(client, model);
  return found.filter(
    ({ place }) =>
      ours.has(place) || place.startsWith(`${model.authSchema}.`) || /^(schema |roles$)/.test(place),
  );
}

async function appliedMigrations(client: pg.Client): Promise<readonly string[]> {
  const { rows } = await client.query<{ there: boolean }>(
    `SELECT to_regclass('drizzle.__drizzle_migrations') IS NOT NULL AS there`,
  );
  if (rows[0]?.there !== true) return [];
  const applied = await client.query('SELECT FROM drizzle.__drizzle_migrations');
  return (applied.rowCount ?? 0) > 0
    ? [
        `${applied.rowCount} migrations were applied here, and the next drizzle-kit migrate knows nothing of a push`,
      ]
    : [];
}

async function run(client: pg.Client, statement: string): Promise<void> {
  try {
    await client.query(statement);
  } catch (error) {
    if (!(error instanceof pg.DatabaseError)) throw error;
    const code = statement.split('\n').find((line) => line !== '' && !line.startsWith('--'));
    throw new AuthorizeError('ERR_MIGRATION_FAILED', `PostgreSQL refuses to push: ${error.message}`, {
      cause: error,
      hint: `Nothing was changed. It fails at: ${code ?? ''}`,
    });
  }
}

/** What migrations would have noted, had they made the database: none of it is taken to be right already. */
function stateOfDatabase(
  access: DatabaseAccess,
  model: AccessModel,
  statements: readonly string[],
): MigrationState {
  const roles = new Set([...access.identityRoles, ...model.identityRoles]);
  const managed = new Set([...roles, ...model.tables.flatMap((table) => Object.keys(table.grants))]);
  managed.delete('public');
  return {
    ...preludeState(access.identityRoles, model.authSchema),
    managedRoles: [...managed],
    tables: access.relations
      .filter(({ isTable, schema }) => isTable && schema !== model.authSchema)
      .map((relation): TableState => ({
        schema: relation.schema,
        name: relation.name,
        ...(model.tables.some((table) => !table.declared && qualifiedName(table) === qualifiedName(relation))
          ? { linked: true }
          : {}),
        rowSecurity: relation.rowSecurity,
        ...(relation.forced ? { forced: true } : {}),
        policies: Object.fromEntries(
          relation.policies.map(({ name, as, for: command, to }) => [
            name,
            { digest: '', for: command, to, ...(as === 'restrictive' ? { restrictive: true as const } : {}) },
          ]),
        ),
        grants: grantsOf(relation.held.filter(({ role }) => managed.has(role) || role === 'public')),
      }))
      .filter((table) => isConcerned(table, model, statements)),
    functions: Object.fromEntries(access.memberFunctions.map((name) => [name, []])),
    derived: model.derived,
  };
}

// Of the schema, or about to be under another name. Other tables are not ours to touch, nor are their policies.
function isConcerned(table: TableState, model: AccessModel, statements: readonly string[]): boolean {
  return (
    model.tables.some((declared) => qualifiedName(declared) === qualifiedName(table)) ||
    statements.some((statement) => {
      const known = classify(statement);
      if (known.kind === 'rename schema') return known.schema === table.schema;
      return new RegExp(
        `^ALTER TABLE [^]*${escapeRegExp(quoteIdentifier(table.name))} (RENAME TO|SET SCHEMA) `,
      ).test(statement);
    })
  );
}

function grantsOf(held: readonly Held[]): Grants {
  const roles = [...new Set(held.map(({ role }) => role))];
  return Object.fromEntries(
    roles.map((role): [string, TablePrivileges] => [
      role,
      Object.fromEntries(
        held.filter((one) => one.role === role).map(({ privilege }) => [privilege as Privilege, true]),
      ),
    ]),
  );
}

/** Every table of the model counts as changed. */
function snapshots(
  model: AccessModel,
  { relations }: DatabaseAccess,
): { readonly before: Snapshot; readonly after: Snapshot } {
  const there = new Set(relations.map(qualifiedName));
  const declared = model.tables.filter((table) => table.declared);
  const of = (tables: AccessModel['tables']): Snapshot => ({
    ...emptySnapshot,
    content: randomUUID(),
    tables: new Map(
      tables.map(({ schema, name, columns, rowSecurity }) => [
        qualifiedName({ schema, name }),
        { schema, name, columns, rowSecurity, content: randomUUID(), policies: [], sequences: true },
      ]),
    ),
  });
  return { before: of(declared.filter((table) => there.has(qualifiedName(table)))), after: of(declared) };
}
