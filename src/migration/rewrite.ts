import { closeDefaults } from '../database/close-defaults.ts';
import { addIdentityRoles, createRole, grantAuthUsage } from '../database/prelude.ts';
import { quoteIdentifier } from '../database/quote-identifier.ts';
import type { AccessModel, TableAccess } from './access-model.ts';
import {
  closingAssertion,
  farewell,
  forceRowSecurity,
  granteesOf,
  grantSchemaUsage,
  revokeAll,
  revokeSchemaUsage,
  sequenceUsage,
} from './access-statements.ts';
import { changeWords } from './change-words.ts';
import { derivedStatements } from './derived-statements.ts';
import { functionStatements } from './function-statements.ts';
import { privilegeList, type Grants } from './grants.ts';
import type { MigrationInput } from './migration-input.ts';
import { renderHeader, stateOf, type MigrationState } from './migration-state.ts';
import { quoteRole } from './quote-role.ts';
import type { Snapshot } from './snapshot.ts';
import { dropRoleUnlessNeeded, guardRoleStatement } from './role-statements.ts';
import { classify, createsRelation, joinStatements, type KitStatement } from './statements.ts';
import { compareText, qualifiedName } from './table-name.ts';
import { touchedTables } from './touched-tables.ts';

export interface Migration {
  /** The whole file. */
  readonly sql: string;
  readonly state: MigrationState;
  /** How many policies and table privileges it writes. */
  readonly policies: number;
  readonly grants: number;
}

/**
 * The migration that takes the database to the model, drizzle-kit's own statements included.
 *
 * The order leaves no table open at any point, also where a migration is not one transaction: privileges go
 * first and come last, policies that change are dropped before drizzle-kit's statements and created after them,
 * and the last statement fails if an identity role can reach a table past row level security.
 */
export function rewriteMigration(input: MigrationInput): Migration {
  const { previous, model } = input;
  const state = stateOf(model, previous);
  const kit = input.statements.map((statement) => ({ statement, ...classify(statement) }));
  const anew = kit.some(({ kind }) => kind === 'destructive');
  const tables = touchedTables(input, state, anew);
  const roles = {
    added: state.identityRoles.filter((role) => !previous.identityRoles.includes(role)),
    removed: previous.identityRoles.filter((role) => !state.identityRoles.includes(role)),
  };

  const moved = {
    roles: kit.filter((s) => s.kind === 'rename role'),
    schemas: kit.flatMap((s) => (s.kind === 'rename schema' ? [s.schema] : [])),
  };
  const grantees = granteesOf(previous, state, moved.roles);

  const existing = tables.filter((table) => table.existsBefore);
  const created = tables.filter((table) => table.existsAfter && !table.existsBefore);
  const remaining = tables.filter((table) => table.existsAfter);
  const policies = remaining.flatMap((table) => table.create);
  const functions = functionStatements(previous, model, { tables, anew });
  const derived = derivedStatements(input, state, grantees);

  const statements = [
    ...roles.added.map(createRole),
    ...(roles.added.length > 0 ? [addIdentityRoles(roles.added, model.authSchema)] : []),
    ...(!model.keepDefaultPrivileges && input.statements.some(createsRelation)
      ? [closeDefaults([...grantees.identity, ...grantees.others])]
      : []),
    ...revokeAll(existing, grantees),
    ...derived.revoke,
    ...revokeSchemaUsage(previous, state, moved),
    ...existing.flatMap((table) =>
      table.drop.map(
        (policy) => `DROP POLICY IF EXISTS ${quoteIdentifier(policy)} ON ${qualifiedName(table)}`,
      ),
    ),
    ...functions.drop,
    ...kit.flatMap(({ statement, ...known }) => keep(statement, known)),
    ...revokeAll(created, grantees),
    ...remaining.flatMap((table) =>
      table.next?.rowSecurity ? [`ALTER TABLE ${qualifiedName(table)} ENABLE ROW LEVEL SECURITY`] : [],
    ),
    ...remaining.flatMap(forceRowSecurity),
    ...functions.create,
    ...policies,
    // Policies that are for everybody were, until here, those of before.
    ...(roles.added.length > 0 ? [grantAuthUsage(roles.added, model.authSchema)] : []),
    ...functions.grant,
    ...grantSchemaUsage([...remaining, ...(state.derived ?? [])], state),
    ...remaining.flatMap((table) => [
      ...Object.entries(table.next?.grants ?? {}).map(
        ([role, held]) => `GRANT ${privilegeList(held)} ON ${qualifiedName(table)} TO ${quoteRole(role)}`,
      ),
      ...(table.sequences ? [sequenceUsage(table, grantees)] : []),
    ]),
    ...derived.grant,
    ...farewell(roles.removed, model.authSchema),
    ...kit.flatMap((s) =>
      (s.kind === 'drop role' || s.kind === 'rename role') &&
      !model.declaredRoles.includes(s.role) &&
      !state.managedRoles.includes(s.role)
        ? [dropRoleUnlessNeeded(s.role)]
        : [],
    ),
    ...(tables.length > 0 ? closingAssertion(state) : []),
    ...derived.assert,
  ];

  return {
    sql: `${renderHeader(state, changeWords(previous, state, input.before.tables))}\n${joinStatements(statements)}`,
    state,
    policies: policies.length,
    grants: remaining.reduce((sum, table) => sum + countGrants(table.next?.grants ?? {}), derived.grants),
  };
}

/** True when the model asks for something that no migration has written yet. */
export function accessChanged(model: AccessModel, previous: MigrationState): boolean {
  return JSON.stringify(stateOf(model, previous)) !== JSON.stringify(previous);
}

/**
 * The model of a database in which nobody may do anything: for a migration that a later one completes.
 * Tables keep their row level security.
 *
 * @param final the model that the later one leads to: its roles stay, also where drizzle-kit drops them in between
 */
export function closedModel(previous: MigrationState, after: Snapshot, final: AccessModel): AccessModel {
  const closed = { columns: [], serialColumns: [], policies: [], grants: {} };
  const forced = new Set(previous.tables.filter((table) => table.forced).map(qualifiedName));
  const tables: TableAccess[] = [
    ...[...after.tables.values()].map(({ schema, name, rowSecurity }) => ({
      ...closed,
      schema,
      name,
      rowSecurity,
      forced: forced.has(qualifiedName({ schema, name })),
      declared: true,
    })),
    ...previous.tables
      .filter((table) => table.linked && !after.tables.has(qualifiedName(table)))
      .map(({ schema, name, rowSecurity }) => ({
        ...closed,
        schema,
        name,
        rowSecurity,
        forced: forced.has(qualifiedName({ schema, name })),
        declared: false,
      })),
  ];
  return {
    authSchema: final.authSchema,
    keepDefaultPrivileges: final.keepDefaultPrivileges,
    identityRoles: previous.identityRoles,
    declaredRoles: [
      ...final.declaredRoles,
      ...final.tables.flatMap((table) => table.policies.flatMap((policy) => policy.to)),
    ],
    tables: tables.toSorted((a, b) => compareText(qualifiedName(a), qualifiedName(b))),
    functions: [],
    derived: [],
  };
}

// What becomes of a statement of drizzle-kit in its place. Roles are dropped at the end, once nothing needs them.
function keep(statement: string, known: KitStatement): readonly string[] {
  switch (known.kind) {
    case 'access':
    case 'drop role':
      return [];
    case 'create role':
    case 'alter role':
    case 'rename role':
      return [guardRoleStatement(known, statement)];
    default:
      return [statement];
  }
}

function countGrants(grants: Grants): number {
  return Object.values(grants).reduce((sum, held) => sum + Object.keys(held).length, 0);
}
