import { is, SQL, sql } from 'drizzle-orm';
import {
  getTableConfig,
  PgDialect,
  PgPolicy,
  PgRole,
  PgTable,
  type AnyPgColumn,
  type PgPolicyToOption,
} from 'drizzle-orm/pg-core';

import { AuthorizeError } from '../errors.ts';
import { isForced, isIdentityRole, policyMetadata } from '../policy/metadata.ts';
import { withLiterals } from '../policy/literals.ts';
import { anonymousRole, authenticatedRole } from '../policy/roles.ts';
import { derivedAccess, type DerivedAccess } from './derived-access.ts';
import { grantsOf, type Grants } from './grants.ts';
import { resolveMemberships, type MemberFunction } from './member-function.ts';
import { assertAuthSchema } from './assert-auth-schema.ts';
import { newAuthSchema } from './new-auth-schema.ts';
import { createPolicy, type PolicyDefinition } from './policy-definition.ts';
import { isRoleKeyword } from './quote-role.ts';
import { breakpoint } from './statements.ts';
import { compareText, qualifiedName, type TableName } from './table-name.ts';

/** Who may do what, as the schema declares it: everything about access that a migration has to write. */
export interface AccessModel {
  /** Where the functions are that tell who asks. */
  readonly authSchema: string;
  /** What the migrating role gives away by default is not ours to close. */
  readonly keepDefaultPrivileges: boolean;
  /** `authenticated`, `anonymous`, then every other exported identity role by name. */
  readonly identityRoles: readonly string[];
  /** Roles that the schema exports, whoever creates them. */
  readonly declaredRoles: readonly string[];
  /** By qualified name. */
  readonly tables: readonly TableAccess[];
  /** By name. */
  readonly functions: readonly FunctionAccess[];
  /** Views and sequences of which somebody has the use. By qualified name. */
  readonly derived: readonly DerivedAccess[];
}

/** A function that policies call, with who may. */
export interface FunctionAccess extends MemberFunction {
  /** In order; `public` is everybody. */
  readonly grantees: readonly string[];
}

export interface TableAccess extends TableName {
  /** False for a table that only a linked policy names: drizzle-kit knows nothing of it. */
  readonly declared: boolean;
  readonly columns: readonly string[];
  /** Columns whose values come from a sequence that Postgres made for them. */
  readonly serialColumns: readonly string[];
  readonly rowSecurity: boolean;
  /** The policies bind the table's owner, too. */
  readonly forced: boolean;
  /** By name. */
  readonly policies: readonly PolicyDefinition[];
  readonly grants: Grants;
}

export interface AccessModelOptions {
  /** As in drizzle.config.ts. */
  readonly casing?: 'snake_case' | 'camelCase' | undefined;
  /** Every table of the schema that has row level security binds its owner, too. */
  readonly force?: boolean | undefined;
  /** As in {@link AuthorizeOptions}. */
  readonly authSchema?: string | undefined;
  readonly keepDefaultPrivileges?: boolean | undefined;
}

/**
 * Reads the access model out of what schema files export. Tables count once, however often they are exported.
 *
 * @throws AuthorizeError `ERR_POLICY_INVALID` for a policy that Postgres would refuse, cut or not enforce;
 *   `ERR_AUTH_SCHEMA` for a helper of another auth schema
 */
export function readAccessModel(exported: Iterable<unknown>, options: AccessModelOptions = {}): AccessModel {
  const authSchema = newAuthSchema(options.authSchema);
  const dialect = new PgDialect(options.casing ? { casing: options.casing } : {});
  const tables = new Map<string, PgTable>();
  const linked = new Map<string, { readonly table: PgTable; readonly policies: PgPolicy[] }>();
  const roles = new Map<string, PgRole>();

  for (const value of new Set(exported)) {
    if (is(value, PgTable)) tables.set(keyOf(value), value);
    else if (is(value, PgRole)) roles.set(value.name, value);
    else if (is(value, PgPolicy)) {
      const table = linkedTable(value);
      if (!table) continue; // drizzle-kit warns about it
      const others = linked.get(keyOf(table));
      if (others) others.policies.push(value);
      else linked.set(keyOf(table), { table, policies: [value] });
    }
  }

  const standard = [authenticatedRole.name, anonymousRole.name];
  const further = [...roles.values()].filter(isIdentityRole).map((role) => role.name);
  const identityRoles = [
    ...standard,
    ...further.filter((name) => !standard.includes(name)).toSorted(compareText),
  ];

  const access = [...tables].map(([key, table]) =>
    tableAccess(table, linked.get(key)?.policies ?? [], {
      declared: true,
      force: options.force === true,
      authSchema,
      identityRoles,
      dialect,
    }),
  );
  for (const [key, { table, policies }] of linked) {
    if (tables.has(key)) continue;
    // Whose table it is did not ask to be bound.
    access.push(
      tableAccess(table, policies, { declared: false, force: false, authSchema, identityRoles, dialect }),
    );
  }
  const model = {
    authSchema,
    keepDefaultPrivileges: options.keepDefaultPrivileges === true,
    identityRoles,
    declaredRoles: [...roles.keys()].toSorted(compareText),
    tables: access.toSorted((a, b) => compareText(qualifiedName(a), qualifiedName(b))),
    functions: functionsOf(access),
  };
  return { ...model, derived: derivedAccess([...new Set(exported)], model, options) };
}

function functionsOf(tables: readonly TableAccess[]): readonly FunctionAccess[] {
  const functions = new Map<string, { readonly made: MemberFunction; readonly grantees: Set<string> }>();
  for (const { grantees, functions: called } of tables.flatMap(({ policies }) => policies)) {
    for (const made of called) {
      const known = functions.get(made.name) ?? { made, grantees: new Set<string>() };
      functions.set(made.name, known);
      for (const role of grantees) if (!isRoleKeyword(role)) known.grantees.add(role);
    }
  }
  return [...functions.values()]
    .map(({ made, grantees }) => ({ ...made, grantees: [...grantees].toSorted(compareText) }))
    .toSorted((a, b) => compareText(a.name, b.name));
}

interface Reading {
  readonly declared: boolean;
  readonly authSchema: string;
  readonly force: boolean;
  readonly identityRoles: readonly string[];
  readonly dialect: PgDialect;
}

function tableAccess(table: PgTable, linkedPolicies: readonly PgPolicy[], reading: Reading): TableAccess {
  const config = getTableConfig(table);
  const name = nameOf(table);
  const columns = config.columns.map((column) => columnName(column, reading.dialect));
  for (const column of config.columns) {
    if (is(column.default, SQL)) {
      const place = `the default of ${name.schema}.${name.name}.${columnName(column, reading.dialect)}`;
      assertAuthSchema(column.default, reading.authSchema, place);
    }
  }

  const policies = [...config.policies, ...linkedPolicies].map((policy) =>
    definition(policy, { ...reading, table: name, columns }),
  );
  const names = policies.map((policy) => policy.name);
  const twice = names.find((policy, index) => names.indexOf(policy) !== index);
  if (twice !== undefined) throw invalid(twice, name, 'has the same name as another policy of the table');

  const rowSecurity = config.enableRLS || policies.length > 0 || isForced(table);
  return {
    ...name,
    declared: reading.declared,
    columns,
    serialColumns: config.columns
      .filter((column) => /^(small|big)?serial$/i.test(column.getSQLType()))
      .map((column) => columnName(column, reading.dialect)),
    rowSecurity,
    forced: isForced(table) || (reading.force && rowSecurity),
    policies: policies.toSorted((a, b) => compareText(a.name, b.name)),
    grants: grantsOf(policies),
  };
}

interface PolicyReading extends Reading {
  readonly table: TableName;
  readonly columns: readonly string[];
}

function definition(policy: PgPolicy, reading: PolicyReading): PolicyDefinition {
  const { table, dialect } = reading;
  const refuse = (reason: string): AuthorizeError => invalid(policy.name, table, reason);
  const bytes = byteLength(policy.name);
  if (bytes === 0) throw refuse('has no name');
  if (bytes > 63) throw refuse(`has a name of ${bytes} bytes, which Postgres would cut to 63`);

  const command = policy.for ?? 'all';
  const as = policy.as ?? 'permissive';
  if (policy.withCheck && (command === 'select' || command === 'delete')) {
    throw refuse(`is for ${command}, which has no withCheck`);
  }
  if (policy.using && command === 'insert') throw refuse('is for insert, which has no using');
  if (as === 'permissive' && !policy.using && !policy.withCheck) {
    throw refuse('is permissive and has neither using nor withCheck');
  }

  const to = policy.to === undefined ? undefined : roleNames(policy.to);
  if (to?.length === 0) throw refuse('has an empty list of roles');
  if (to?.some((role) => role === '')) throw refuse('names a role without a name');
  const long = to?.find((role) => byteLength(role) > 63);
  if (long !== undefined) throw refuse(`names the role "${long}", which Postgres would cut to 63 bytes`);

  const columns = policyMetadata(policy).columns?.map((column) => columnName(column, dialect));
  if (columns?.length === 0) throw refuse('has an empty list of columns, so that nobody could use it');
  const foreign = columns?.find((column) => !reading.columns.includes(column));
  if (foreign !== undefined) throw refuse(`names the column "${foreign}", which the table does not have`);

  const functions = new Map<string, MemberFunction>();
  const expression = (value: SQL | undefined): string | undefined => {
    if (!value) return undefined;
    assertAuthSchema(
      value,
      reading.authSchema,
      `the policy "${policy.name}" on ${table.schema}.${table.name}`,
    );
    try {
      // A copy: the schema's own object is drizzle-kit's to read. Values become literals, since `$1` is no policy.
      const resolved = resolveMemberships(withLiterals(value), { dialect, authSchema: reading.authSchema });
      const { sql: text, params } = dialect.sqlToQuery(sql`${resolved.expression}`.inlineParams());
      for (const made of resolved.functions) functions.set(made.name, made);
      if (params.length > 0) throw new TypeError('contains a placeholder, for which nobody can give a value');
      return text;
    } catch (error) {
      throw error instanceof TypeError ? refuse(error.message) : error;
    }
  };
  const result: PolicyDefinition = {
    name: policy.name,
    as,
    for: command,
    to: to ?? ['public'],
    grantees: to ?? reading.identityRoles,
    using: expression(policy.using),
    withCheck: expression(policy.withCheck),
    columns,
    functions: [...functions.values()],
  };
  const written = [createPolicy(table, result), ...result.functions.map(({ create }) => create)];
  if (written.some((statement) => statement.includes(breakpoint))) throw refuse(`contains "${breakpoint}"`);
  return result;
}

function byteLength(text: string): number {
  return new TextEncoder().encode(text).length;
}

function roleNames(to: PgPolicyToOption): readonly string[] {
  if (Array.isArray(to)) return [...new Set(to.flatMap(roleNames))].toSorted(compareText);
  return [is(to, PgRole) ? to.name : to];
}

// The name as it is written, which depends on `casing`.
function columnName(column: AnyPgColumn, dialect: PgDialect): string {
  const reference = dialect.sqlToQuery(sql`${column}`).sql;
  const quoted = /"((?:[^"]|"")*)"$/.exec(reference)?.[1];
  return quoted === undefined ? column.name : quoted.replaceAll('""', '"');
}

function nameOf(table: PgTable): TableName {
  const { schema, name } = getTableConfig(table);
  return { schema: schema ?? 'public', name };
}

function keyOf(table: PgTable): string {
  return qualifiedName(nameOf(table));
}

// `.link()` keeps the table in a field that drizzle-orm does not declare.
function linkedTable(policy: PgPolicy): PgTable | undefined {
  const table: unknown = Reflect.get(policy, '_linkedTable');
  return is(table, PgTable) ? table : undefined;
}

function invalid(policy: string, table: TableName, reason: string): AuthorizeError {
  return new AuthorizeError(
    'ERR_POLICY_INVALID',
    `the policy "${policy}" on ${table.schema}.${table.name} ${reason}`,
  );
}
