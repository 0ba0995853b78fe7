import { doBlock } from '../database/do-block.ts';
import { quoteIdentifier } from '../database/quote-identifier.ts';
import { quoteLiteral } from '../database/quote-literal.ts';
import type { MigrationState } from './migration-state.ts';
import { quoteRole } from './quote-role.ts';
import { compareText, qualifiedName, type TableName } from './table-name.ts';
import type { TouchedTable } from './touched-tables.ts';

/** For roles that are identity roles no more. */
export function farewell(roles: readonly string[]): readonly string[] {
  if (roles.length === 0) return [];
  return [
    `DELETE FROM auth.identity_roles WHERE name IN (${roles.map(quoteLiteral).join(', ')})`,
    ...roles.map((role) => revokeUsage('auth', role)),
  ];
}

/** The roles from which a migration takes everything before it grants anything. */
export interface Grantees {
  /** Exist by then. */
  readonly identity: readonly string[];
  /** May not exist: gone by now, or not there yet. */
  readonly others: readonly string[];
}

/** @param renamed new names of roles, which another database of the cluster may have given them already */
export function granteesOf(
  previous: MigrationState,
  state: MigrationState,
  renamed: readonly string[],
): Grantees {
  const identity = state.identityRoles;
  const all = new Set([...previous.managedRoles, ...state.managedRoles, ...renamed]);
  return { identity, others: [...all].filter((role) => !identity.includes(role)).toSorted(compareText) };
}

/** Takes everything from the roles that we manage, so that drift and default privileges are undone, too. */
export function revokeAll(tables: readonly TouchedTable[], grantees: Grantees): readonly string[] {
  if (tables.length === 0) return [];
  const list = tables.map(qualifiedName).join(', ');
  const open = tables.filter(
    (table) => !table.existsBefore || table.previous?.grants['public'] !== undefined,
  );
  const { identity, others } = grantees;
  return [
    `REVOKE ALL ON ${list} FROM ${identity.map(quoteIdentifier).join(', ')}`,
    ...(open.length > 0 ? [`REVOKE ALL ON ${open.map(qualifiedName).join(', ')} FROM PUBLIC`] : []),
    ...(others.length > 0 ? [revokeFromOthers(tables, others)] : []),
  ];
}

function revokeFromOthers(tables: readonly TouchedTable[], roles: readonly string[]): string {
  return doBlock(`DECLARE target regclass; grantee name; BEGIN
${revokeLoop(regclasses(tables), roles)}
END`);
}

// A role that is not an identity role may own the table, and then keeps its own privileges; or be gone by now.
function revokeLoop(relations: string, roles: readonly string[]): string {
  return `  FOR target, grantee IN
    SELECT class.oid, role.rolname FROM pg_catalog.pg_class AS class
    JOIN pg_catalog.pg_roles AS role ON role.oid <> class.relowner
    WHERE class.oid = ANY (${relations}) AND role.rolname IN (${roles.map(quoteLiteral).join(', ')})
  LOOP
    EXECUTE format('REVOKE ALL ON %s FROM %I', target, grantee);
  END LOOP;`;
}

function regclasses(tables: readonly TableName[]): string {
  return `ARRAY[${tables.map((table) => quoteLiteral(qualifiedName(table))).join(', ')}]::regclass[]`;
}

/** USAGE on the schemas of granted tables; everybody has it on `public` from the start. */
export function schemaUsage(previous: MigrationState, state: MigrationState): readonly string[] {
  const had = usage(previous);
  const has = usage(state);
  return [...new Set([...had.keys(), ...has.keys()])].toSorted(compareText).flatMap((schema) => {
    const gains = [...(has.get(schema) ?? [])].filter((role) => !had.get(schema)?.has(role));
    const loses = [...(had.get(schema) ?? [])].filter((role) => !has.get(schema)?.has(role));
    return [
      ...loses.map((role) => revokeUsage(schema, role)),
      ...(gains.length > 0
        ? [
            `GRANT USAGE ON SCHEMA ${quoteIdentifier(schema)} TO ${gains.toSorted(compareText).map(quoteRole).join(', ')}`,
          ]
        : []),
    ];
  });
}

// The schema may have gone with its tables, and the role from the cluster.
function revokeUsage(schema: string, role: string): string {
  return doBlock(`BEGIN
  REVOKE USAGE ON SCHEMA ${quoteIdentifier(schema)} FROM ${quoteRole(role)};
EXCEPTION WHEN invalid_schema_name OR undefined_object THEN NULL;
END`);
}

function usage(state: MigrationState): ReadonlyMap<string, ReadonlySet<string>> {
  const roles = new Map<string, Set<string>>();
  for (const table of state.tables) {
    if (table.schema === 'public') continue;
    const ofSchema = roles.get(table.schema) ?? new Set<string>();
    for (const role of Object.keys(table.grants)) ofSchema.add(role);
    roles.set(table.schema, ofSchema);
  }
  return roles;
}

/**
 * USAGE on the sequence behind a serial column for those who may insert. Postgres names the sequence and cuts long
 * names, so it is asked and not guessed.
 */
export function sequenceUsage(table: TouchedTable, column: string, { identity, others }: Grantees): string {
  const grants = table.next?.grants ?? {};
  const users = Object.keys(grants).filter((role) => grants[role]?.INSERT !== undefined);
  const list = (roles: readonly string[]): string => roles.map(quoteRole).join(', ').replaceAll('%', '%%');
  const onSequence = (text: string): string => `  EXECUTE format(${quoteLiteral(text)}, sequence);`;
  const found = `${quoteLiteral(qualifiedName(table))}, ${quoteLiteral(column)}`;
  return doBlock(
    [
      `DECLARE sequence regclass := pg_catalog.pg_get_serial_sequence(${found});${others.length > 0 ? ' target regclass; grantee name;' : ''} BEGIN`,
      '  IF sequence IS NULL THEN RETURN; END IF;',
      onSequence(`REVOKE ALL ON SEQUENCE %s FROM PUBLIC, ${list(identity)}`),
      ...(others.length > 0 ? [revokeLoop('ARRAY[sequence]', others)] : []),
      ...(users.length > 0 ? [onSequence(`GRANT USAGE ON SEQUENCE %s TO ${list(users)}`)] : []),
      'END',
    ].join('\n'),
  );
}

/** Fails the migration if an identity role is past row level security, by whatever grant. TRUNCATE asks no policy. */
export function closingAssertion(state: MigrationState): readonly string[] {
  if (state.tables.length === 0) return [];
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
  ];
}
