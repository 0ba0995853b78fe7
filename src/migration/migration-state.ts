import { defaultAuthSchema, isAuthSchema } from '../auth-schema.ts';
import { preludeVersion } from '../database/prelude-version.ts';
import { AuthorizeError } from '../errors.ts';
import type { AccessModel, TableAccess } from './access-model.ts';
import type { DerivedAccess } from './derived-access.ts';
import type { Grants } from './grants.ts';
import { policyDigest, type PolicyDefinition } from './policy-definition.ts';
import { compareText, qualifiedName, type TableName } from './table-name.ts';

/** What the migrations up to here have put into the database, as far as access is concerned. */
export interface MigrationState {
  /** The version of this format. */
  readonly version: typeof stateVersion;
  /** The version of the auth schema; 0 before the prelude. */
  readonly prelude: number;
  /** Its name; absent when that is `auth`. */
  readonly authSchema?: string;
  readonly identityRoles: readonly string[];
  /** Roles whose privileges on the tables are ours to give and to take; identity roles included. */
  readonly managedRoles: readonly string[];
  /** By qualified name. */
  readonly tables: readonly TableState[];
  /** Who may call the functions of policies, by name; absent when there are none. */
  readonly functions?: Readonly<Record<string, readonly string[]>>;
  /** Views and sequences of which somebody has the use, by qualified name; absent when there are none. */
  readonly derived?: readonly DerivedAccess[];
}

export interface TableState extends TableName {
  /** The table is not drizzle-kit's: only a linked policy names it. */
  readonly linked?: true;
  readonly rowSecurity: boolean;
  /** The policies bind the table's owner, too. */
  readonly forced?: true;
  /** By name. */
  readonly policies: Readonly<Record<string, PolicyState>>;
  readonly grants: Grants;
}

export interface PolicyState extends Pick<PolicyDefinition, 'for' | 'to'> {
  /** Of the definition: differs when the policy has to be written anew. */
  readonly digest: string;
  readonly restrictive?: true;
}

const stateVersion = 1;

export const emptyState: MigrationState = {
  version: stateVersion,
  prelude: 0,
  identityRoles: [],
  managedRoles: [],
  tables: [],
};

/** The state once the auth schema is there and nothing else. */
export function preludeState(
  identityRoles: readonly string[],
  authSchema: string = defaultAuthSchema,
): MigrationState {
  return {
    ...emptyState,
    prelude: preludeVersion,
    ...(authSchema === defaultAuthSchema ? {} : { authSchema }),
    identityRoles,
    managedRoles: [...identityRoles].toSorted(compareText),
  };
}

/** The state that a migration to the model leads to. Row level security that is on stays on. */
export function stateOf(model: AccessModel, previous: MigrationState): MigrationState {
  const granted = model.tables
    .flatMap((table) => Object.keys(table.grants))
    .filter((role) => role !== 'public');
  const guarded = new Set(previous.tables.filter((table) => table.rowSecurity).map(qualifiedName));
  return {
    version: stateVersion,
    prelude: previous.prelude,
    ...(model.authSchema === defaultAuthSchema ? {} : { authSchema: model.authSchema }),
    identityRoles: model.identityRoles,
    managedRoles: [...new Set([...model.identityRoles, ...granted])].toSorted(compareText),
    tables: model.tables.map((table) => ({
      ...tableState(table),
      rowSecurity: table.rowSecurity || guarded.has(qualifiedName(table)),
    })),
    ...(model.functions.length > 0 && {
      functions: Object.fromEntries(model.functions.map(({ name, grantees }) => [name, grantees])),
    }),
    ...(model.derived.length > 0 && { derived: model.derived }),
  };
}

function tableState(table: TableAccess): TableState {
  return {
    schema: table.schema,
    name: table.name,
    ...(table.declared ? {} : { linked: true }),
    rowSecurity: table.rowSecurity,
    ...(table.forced ? { forced: true } : {}),
    policies: Object.fromEntries(table.policies.map((policy) => [policy.name, policyState(table, policy)])),
    grants: table.grants,
  };
}

function policyState(table: TableAccess, policy: PolicyDefinition): PolicyState {
  return {
    digest: policyDigest(table, policy),
    ...(policy.as === 'restrictive' ? { restrictive: true } : {}),
    for: policy.for,
    to: policy.to,
  };
}

const title =
  '-- drizzle-authorize: generated; change the schema and run drizzle-kit generate, not this file';
const marker = '-- drizzle-authorize:state ';

/** The comment that starts a migration: for people what it changes, and the state for the next run. */
export function renderHeader(state: MigrationState, words: readonly string[]): string {
  return [
    title,
    `${marker}${JSON.stringify(state)}`,
    // Both end a comment for Postgres, and what follows would be a statement.
    ...words.map((line) => `-- ${line.replaceAll(/[\r\n]/g, ' ')}`),
  ].join('\n');
}

/**
 * Reads the state back; undefined when the migration carries none.
 *
 * @param file names the migration in errors
 * @throws AuthorizeError `ERR_MIGRATION_INCOMPLETE` when the state was edited, `ERR_KIT_UNSUPPORTED` when a newer
 *   release wrote it
 */
export function parseHeader(sql: string, file: string): MigrationState | undefined {
  const line = sql.split('\n').find((candidate) => candidate.startsWith(marker));
  if (line === undefined) return undefined;
  const state = parseJson(line.slice(marker.length));
  if (isNewer(state)) {
    throw new AuthorizeError(
      'ERR_KIT_UNSUPPORTED',
      `${file} was written by a newer release of drizzle-authorize`,
      { hint: 'Install that release here, too.' },
    );
  }
  if (isState(state)) return state;
  throw new AuthorizeError(
    'ERR_MIGRATION_INCOMPLETE',
    `the line "${marker.trim()}" in ${file} cannot be read`,
    {
      hint: 'Restore the file from version control.',
    },
  );
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function isNewer(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false;
  const state: Partial<Record<keyof MigrationState, unknown>> = value;
  return Number(state.version) > stateVersion || Number(state.prelude) > preludeVersion;
}

// We wrote it ourselves: the outline tells a state from a cut or edited line.
function isState(value: unknown): value is MigrationState {
  if (typeof value !== 'object' || value === null) return false;
  const state: Partial<Record<keyof MigrationState, unknown>> = value;
  return (
    state.version === stateVersion &&
    typeof state.prelude === 'number' &&
    (state.authSchema === undefined || isAuthSchema(state.authSchema)) &&
    Array.isArray(state.identityRoles) &&
    Array.isArray(state.managedRoles) &&
    Array.isArray(state.tables)
  );
}
