import { doBlock } from '../database/do-block.ts';
import { quoteIdentifier } from '../database/quote-identifier.ts';
import { quoteLiteral } from '../database/quote-literal.ts';
import type { MigrationState } from './migration-state.ts';
import { quoteRole } from './quote-role.ts';
import { compareText, qualifiedName, type TableName } from './table-name.ts';
import type { TouchedTable } from './touched-tables.ts';

/** For roles that are identity roles no more. */
export function farewell(roles: readonly string[], authSchema: string): readonly string[] {
  if (roles.length === 0) return [];
  return [
    `DELETE FROM ${authSchema}.identity_roles WHERE name IN (${roles.map(quoteLiteral).join(', ')})`,
    ...roles.map((role) => revokeUsage(authSchema, role)),
  ];
}

/** The roles from which a migration takes everything before it grants anything. */
export interface Grantees {
  /** Exist by then. */
  readonly identity: readonly string[];
  /** May not exist: gone by now, or not there yet. */
  readonly others: readonly string[];
}

/** A role to which another database of the cluster may have given its new name already. */
export interface RenamedRole {
  readonly role: string;
  readonly to: string;
}

export function granteesOf(
  previous: MigrationState,
  state: MigrationState,
  renamed: readonly RenamedRole[],
): Grantees {
  const identity = state.identityRoles;
  const all = new Set([...previous.managedRoles, ...state.managedRoles, ...renamed.map(({ to }) => to)]);
  return { identity, others: [...all].filter((role) => !identity.includes(role)).toSorted(compareText) };
}

/**
 * Takes everything from everybody and from the roles that we manage, so that drift and default privileges are undone,
 * too, with what was passed on. What everybody may do on a table of somebody else is not ours to take, unless we gave it.
 */
export function revokeAll(tables: readonly TouchedTable[], grantees: Grantees): readonly string[] {
  if (tables.length === 0) return [];
  const identity = grantees.identity.map(quoteIdentifier).join(', ');
  const foreign = tables.filter((table) => table.linked && !table.previous?.grants['public']);
  const ours = tables.filter((table) => !foreign.includes(table));
  const revoke = (from: readonly TouchedTable[], roles: string): readonly string[] => {
    const on = (list: readonly TouchedTable[]): string =>
      `REVOKE ALL ON ${list.map(qualifiedName).join(', ')} FROM ${roles} CASCADE`;
    // Whose table it is may have dropped it, and then there is nothing to take.
    const left = from.filter((table) => table.linked && !table.next);
    const rest = from.filter((table) => !left.includes(table));
    return [...(rest.length > 0 ? [on(rest)] : []), ...left.map((table) => ifThere(on([table])))];
  };
  return [
    ...revoke(ours, `PUBLIC, ${identity}`),
    ...revoke(foreign, identity),
    ...(grantees.others.length > 0 ? [revokeFromOthers(tables, grantees.others)] : []),
  ];
}

function revokeFromOthers(tables: readonly TouchedTable[], roles: readonly string[]): string {
  return doBlock(`DECLARE target regclass; grantee name; BEGIN
${revokeLoop(regclasses(tables), roles)}
END`);
}

// A role that is not an identity role may own the table, and then keeps its own privileges; or be gone by now.
export function revokeLoop(relations: string, roles: readonly string[]): string {
  return `  FOR target, grantee IN
    SELECT class.oid, role.rolname FROM pg_catalog.pg_class AS class
    JOIN pg_catalog.pg_roles AS role ON role.oid <> class.relowner
    WHERE class.oid = ANY (${relations}) AND role.rolname IN (${roles.map(quoteLiteral).join(', ')})
  LOOP
    EXECUTE format('REVOKE ALL ON %s FROM %I CASCADE', target, grantee);
  END LOOP;`;
}

export function regclasses(tables: readonly TableName[]): string {
  return `ARRAY[${tables.map((table) => `to_regclass(${quoteLiteral(qualifiedName(table))})`).join(', ')}]`;
}

/**
 * Takes USAGE on schemas from roles that have no business there any more; everybody has it on `public` from the start.
 * A schema that gets another name is left by all, and entered anew.
 *
 * @param moved schemas and roles that get other names in this migration
 */
export function revokeSchemaUsage(
  previous: MigrationState,
  state: MigrationState,
  moved: { readonly schemas: readonly string[]; readonly roles: readonly RenamedRole[] },
): readonly string[] {
  const has = usage(state);
  return [...usage(previous)]
    .toSorted(([a], [b]) => compareText(a, b))
    .flatMap(([schema, roles]) => {
      const stay = moved.schemas.includes(schema) ? undefined : has.get(schema);
      const names = [...roles].flatMap((role) => [
        role,
        ...moved.roles.flatMap((other) => (other.role === role ? [other.to] : [])),
      ]);
      return names
        .filter((role) => !stay?.has(role))
        .toSorted(compareText)
        .map((role) => revokeUsage(schema, role));
    });
}

/** Gives USAGE on the schemas of these to whoever has a grant in them, as far as it was taken by hand, too. */
export function grantSchemaUsage(relations: readonly TableName[], state: MigrationState): readonly string[] {
  const schemas = new Set(relations.map(({ schema }) => schema));
  return [...usage(state)]
    .filter(([schema, roles]) => schemas.has(schema) && roles.size > 0)
    .toSorted(([a], [b]) => compareText(a, b))
    .map(([schema, roles]) => {
      const list = [...roles].toSorted(compareText).map(quoteRole).join(', ');
      return `GRANT USAGE ON SCHEMA ${quoteIdentifier(schema)} TO ${list}`;
    });
}

function revokeUsage(schema: string, role: string): string {
  return ifThere(`REVOKE USAGE ON SCHEMA ${quoteIdentifier(schema)} FROM ${quoteRole(role)}`);
}

// Somebody may have dropped the table, the schema or the role.
function ifThere(statement: string): string {
  return doBlock(`BEGIN
  ${statement};
EXCEPTION WHEN undefined_table OR invalid_schema_name OR undefined_object THEN NULL;
END`);
}

function usage(state: MigrationState): ReadonlyMap<string, ReadonlySet<string>> {
  const roles = new Map<string, Set<string>>();
  const add = ({ schema }: TableName, grantees: readonly string[]): void => {
    if (schema === 'public') return;
    roles.set(schema, new Set([...(roles.get(schema) ?? []), ...grantees]));
  };
  for (const table of state.tables) add(table, Object.keys(table.grants));
  for (const one of state.derived ?? []) add(one, one.grantees);
  return roles;
}

/**
 * USAGE on the sequences behind serial columns for those who may insert, and nothing on any other sequence of the
 * table: an identity column needs no privilege, and a column that is serial no more leaves its sequence behind.
 * Postgres names sequences and cuts long names, so it is asked and not guessed.
 */
export function sequenceUsage(table: TouchedTable, { identity, others }: Grantees): string {
  const grants = table.next?.grants ?? {};
  const users = Object.keys(grants).filter((role) => grants[role]?.INSERT !== undefined);
  const columns = users.length > 0 ? (table.access?.serialColumns ?? []) : [];
  const list = (roles: readonly string[]): string => roles.map(quoteRole).join(', ').replaceAll('%', '%%');
  const onSequence = (text: string): string => `  EXECUTE format(${quoteLiteral(text)}, sequence);`;
  const name = quoteLiteral(qualifiedName(table));
  return doBlock(
    [
      `DECLARE sequence regclass;${others.length > 0 ? ' target regclass; grantee name;' : ''} BEGIN`,
      `  FOR sequence IN SELECT objid FROM pg_catalog.pg_depend JOIN pg_catalog.pg_class ON oid = objid AND relkind = 'S'`,
      `    WHERE classid = 'pg_class'::regclass AND refclassid = 'pg_class'::regclass AND refobjid = ${name}::regclass AND deptype IN ('a', 'i')`,
      '  LOOP',
      `  ${onSequence(`REVOKE ALL ON SEQUENCE %s FROM PUBLIC, ${list(identity)} CASCADE`)}`,
      ...(others.length > 0 ? [revokeLoop('ARRAY[sequence]', others)] : []),
      '  END LOOP;',
      ...columns.flatMap((column) => [
        `  sequence := pg_catalog.pg_get_serial_sequence(${name}, ${quoteLiteral(column)});`,
        '  IF sequence IS NOT NULL THEN',
        `  ${onSequence(`GRANT USAGE ON SEQUENCE %s TO ${list(users)}`)}`,
        '  END IF;',
      ]),
      'END',
    ].join('\n'),
  );
}

/** Binds the table's owner, too, or lets go of it if we have bound it before. */
export function forceRowSecurity(table: TouchedTable): readonly string[] {
  if (table.next?.forced) return [`ALTER TABLE ${qualifiedName(table)} FORCE ROW LEVEL SECURITY`];
  return table.wasForced ? [`ALTER TABLE ${qualifiedName(table)} NO FORCE ROW LEVEL SECURITY`] : [];
}

/**
 * Fails the migration if an identity role is past row level security, by whatever grant, or if an owner is that should
 * not be. TRUNCATE asks no policy.
 */
export function closingAssertion(state: MigrationState): readonly string[] {
  if (state.tables.length === 0) return [];
  const forced = state.tables.filter((table) => table.forced);
  return [
    doBlock(`DECLARE opened text; BEGIN
  SELECT string_agg(format('%s to %s', class.oid::regclass, role.rolname), ', ') INTO opened
  FROM pg_catalog.pg_class AS class, pg_catalog.pg_roles AS role
  WHERE class.oid = ANY (${regclasses(state.tables)})
    AND role.rolname IN (${state.identityRoles.map(quoteLiteral).join(', ')})
    AND (has_table_privilege(role.oid, class.oid, 'TRUNCATE')
      OR NOT class.relrowsecurity AND (has_table_privilege(role.oid, class.oid, 'SELECT, INSERT, UPDATE, DELETE')
        OR has_any_column_privilege(role.oid, class.oid, 'SELECT, INSERT, UPDATE')));
  IF opened IS NOT NULL THEN
    RAISE EXCEPTION 'open past row level security: %', opened
      USING HINT = 'Give the table a policy in the schema, or revoke what was granted by hand.';
  END IF;
END`),
    ...(forced.length > 0
      ? [
          doBlock(`DECLARE free text; BEGIN
  SELECT string_agg(class.oid::regclass::text, ', ') INTO free FROM pg_catalog.pg_class AS class
  WHERE class.oid = ANY (${regclasses(forced)}) AND NOT (class.relrowsecurity AND class.relforcerowsecurity);
  IF free IS NOT NULL THEN
    RAISE EXCEPTION 'row level security does not bind the owner of %', free
      USING HINT = 'Somebody has changed it by hand: ALTER TABLE … ENABLE and FORCE ROW LEVEL SECURITY.';
  END IF;
END`),
        ]
      : []),
  ];
}
