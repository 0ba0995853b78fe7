import type { AccessModel } from '../../../src/migration/access-model.ts';
import type { DerivedAccess } from '../../../src/migration/derived-access.ts';
import type { PolicyDefinition } from '../../../src/migration/policy-definition.ts';
import type { TableName } from '../../../src/migration/table-name.ts';
import { theOwner } from './access-catalog.ts';

/** What a database has to enforce for a schema, in the words of {@link readAccessCatalog}, but for expressions. */
export interface DeclaredAccess {
  /** The terms by the policy's place. */
  readonly policies: Readonly<Record<string, string>>;
  readonly rowSecurity: readonly string[];
  readonly forced: readonly string[];
  /** Their names. */
  readonly functions: readonly string[];
  readonly privileges: readonly string[];
  readonly identityRoles: readonly string[];
}

// Written once more for the tests, and not with what writes the migrations: an error there must not hide here.
const commands = {
  all: ['SELECT', 'INSERT', 'UPDATE', 'DELETE'],
  select: ['SELECT'],
  insert: ['INSERT'],
  update: ['UPDATE'],
  delete: ['DELETE'],
} as const;

const keywords = new Set(['current_user', 'current_role', 'session_user']);

/** Derives what the policies of a schema presuppose: privileges on tables, columns, sequences and schemas. */
export function declaredAccess(model: AccessModel): DeclaredAccess {
  const privileges = model.tables.flatMap((table) => {
    const held = table.policies.filter((policy) => policy.as === 'permissive').flatMap(privilegesOf);
    const everywhere = new Set(
      held.filter((one) => !one.column).map((one) => `${one.role} ${one.privilege}`),
    );
    return [
      ...held
        .filter((one) => !one.column || !everywhere.has(`${one.role} ${one.privilege}`))
        .map(({ role, privilege, column }) =>
          column === undefined
            ? `${role}: ${privilege} on ${placeOf(table)}`
            : `${role}: ${privilege} (${cut(column)}) on ${placeOf(table)}`,
        ),
      ...held
        .filter((one) => one.privilege === 'INSERT')
        .flatMap(({ role }) =>
          table.serialColumns.map(
            (column) => `${role}: USAGE on the sequence of ${placeOf(table)}.${column}`,
          ),
        ),
      ...(table.schema === 'public'
        ? []
        : held.map(({ role }) => `${role}: USAGE on schema ${table.schema}`)),
    ];
  });
  return {
    policies: Object.fromEntries(
      model.tables.flatMap((table) =>
        table.policies.map((policy) => [`${placeOf(table)} "${policy.name}"`, termsOf(policy)]),
      ),
    ),
    rowSecurity: model.tables
      .filter((table) => table.rowSecurity)
      .map(placeOf)
      .toSorted(),
    forced: model.tables
      .filter((table) => table.forced)
      .map(placeOf)
      .toSorted(),
    functions: model.functions.map(({ name }) => name),
    privileges: [
      ...new Set([
        ...privileges,
        ...model.derived.flatMap(derivedPrivileges),
        ...model.functions.flatMap(({ name }) =>
          callersOf(model, name).map((role) => `${role}: EXECUTE on auth.${name}`),
        ),
        'public: USAGE on schema public',
        ...model.identityRoles.map((role) => `${role}: USAGE on schema auth`),
      ]),
    ].toSorted(),
    identityRoles: [...model.identityRoles].toSorted(),
  };
}

function derivedPrivileges(one: DerivedAccess): readonly string[] {
  const what = one.kind === 'view' ? `SELECT on ${placeOf(one)}` : `USAGE on sequence ${placeOf(one)}`;
  return one.grantees.flatMap((role) => [
    `${role}: ${what}`,
    ...(one.schema === 'public' ? [] : [`${role}: USAGE on schema ${one.schema}`]),
  ]);
}

function callersOf(model: AccessModel, name: string): readonly string[] {
  return model.tables
    .flatMap(({ policies }) => policies)
    .filter((policy) => `${policy.using} ${policy.withCheck}`.includes(`auth.${name}()`))
    .flatMap(({ grantees }) => grantees.filter((role) => !keywords.has(role)));
}

interface HeldPrivilege {
  readonly role: string;
  readonly privilege: string;
  readonly column?: string;
}

function privilegesOf(policy: PolicyDefinition): readonly HeldPrivilege[] {
  return policy.grantees
    .filter((role) => !keywords.has(role))
    .flatMap((role) =>
      commands[policy.for].flatMap((privilege): readonly HeldPrivilege[] =>
        policy.columns === undefined
          ? [{ role, privilege }]
          : policy.columns.map((column) => ({ role, privilege, column })),
      ),
    );
}

function termsOf(policy: PolicyDefinition): string {
  // Among roles that include everybody, Postgres keeps everybody alone.
  const named = policy.to.includes('public')
    ? ['public']
    : policy.to.map((role) => (keywords.has(role) ? theOwner : role));
  return `${policy.as.toUpperCase()} ${policy.for.toUpperCase()} TO ${[...new Set(named)].toSorted().join(', ')}`;
}

function placeOf(table: TableName): string {
  return `${cut(table.schema)}.${cut(table.name)}`;
}

// As Postgres does; the tests have no longer names but of one byte a character.
function cut(name: string): string {
  return name.length > 63 ? name.slice(0, 63) : name;
}
