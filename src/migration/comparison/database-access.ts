import type pg from 'pg';

import { quoteLiteral } from '../../database/quote-literal.ts';
import type { PolicyCommand } from '../policy-definition.ts';
import type { TableName } from '../table-name.ts';

/** Who may do what, as a database enforces it. */
export interface DatabaseAccess {
  /** Every table, view, foreign table and sequence that is not PostgreSQL's own. */
  readonly relations: readonly Relation[];
  readonly schemas: readonly Held[];
  /** What `identity_roles` of the auth schema names. */
  readonly identityRoles: readonly string[];
  /** Of the cluster. */
  readonly roles: readonly string[];
  /** What the owner's default privileges give away of tables and sequences that are yet to be made. */
  readonly defaults: readonly Held[];
  /** Names of the functions behind `memberOf()`. */
  readonly memberFunctions: readonly string[];
  /** Whom policies mean by CURRENT_USER. */
  readonly owner: string;
}

export interface Relation extends TableName {
  readonly isTable: boolean;
  /** A view that reads with the rights of whoever asks. */
  readonly isInvoker: boolean;
  readonly rowSecurity: boolean;
  /** The policies bind the table's owner, too. */
  readonly forced: boolean;
  readonly policies: readonly EnforcedPolicy[];
  readonly held: readonly Held[];
  /** Of the sequence behind a column, by the column's name. */
  readonly sequences: readonly Held[];
}

export interface EnforcedPolicy {
  readonly name: string;
  readonly as: 'permissive' | 'restrictive';
  readonly for: PolicyCommand;
  /** `public` is everybody. */
  readonly to: readonly string[];
  /** As PostgreSQL writes it out. */
  readonly using: string | null;
  readonly withCheck: string | null;
}

/** A privilege that somebody has who does not own the thing. */
export interface Held {
  /** `public` is everybody. */
  readonly role: string;
  readonly privilege: string;
  /** The column, the column of the sequence, or the schema; null for a whole table. */
  readonly on: string | null;
  /** May be passed on. */
  readonly grantable: boolean;
}

const ours = `nspname NOT IN ('information_schema', 'pg_catalog', 'pg_toast') AND nspname NOT LIKE 'pg\\_temp\\_%'
  AND nspname NOT LIKE 'pg\\_toast\\_temp\\_%'`;

const held = (acl: string, on: string, owner: string): string => `
  SELECT jsonb_build_object('role', coalesce(rolname, 'public'), 'privilege', held.privilege_type, 'on', ${on},
    'grantable', held.is_grantable) AS held
  FROM aclexplode(${acl}) AS held LEFT JOIN pg_catalog.pg_roles AS role ON role.oid = held.grantee
  WHERE held.grantee <> ${owner}`;

const list = (select: string): string => `coalesce((SELECT jsonb_agg(held) FROM (${select}) AS list), '[]')`;

const commands = { '*': 'all', r: 'select', a: 'insert', w: 'update', d: 'delete' };

const relations = `
  SELECT nspname AS schema, class.relname AS name, class.relkind IN ('r', 'p') AS "isTable",
    class.relkind = 'v' AND EXISTS (SELECT FROM pg_options_to_table(class.reloptions)
      WHERE option_name = 'security_invoker' AND option_value::boolean) AS "isInvoker",
    class.relrowsecurity AS "rowSecurity", class.relforcerowsecurity AS forced,
    coalesce((SELECT jsonb_agg(jsonb_build_object(
      'name', polname,
      'as', CASE WHEN polpermissive THEN 'permissive' ELSE 'restrictive' END,
      'for', ${quoteLiteral(JSON.stringify(commands))}::jsonb ->> polcmd::text,
      'to', (SELECT jsonb_agg(coalesce(rolname, 'public')) FROM unnest(polroles) AS one (id)
        LEFT JOIN pg_catalog.pg_roles ON pg_roles.oid = one.id),
      'using', pg_get_expr(polqual, polrelid), 'withCheck', pg_get_expr(polwithcheck, polrelid)))
      FROM pg_catalog.pg_policy WHERE polrelid = class.oid), '[]') AS policies,
    ${list(`${held('class.relacl', 'NULL::text', 'class.relowner')} UNION ALL
      SELECT one.held FROM pg_catalog.pg_attribute CROSS JOIN LATERAL (${held('attacl', 'attname', 'class.relowner')}) AS one
      WHERE attrelid = class.oid AND NOT attisdropped`)} AS held,
    ${list(`SELECT one.held FROM pg_catalog.pg_depend
      JOIN pg_catalog.pg_class AS sequence ON sequence.oid = objid AND sequence.relkind = 'S'
      JOIN pg_catalog.pg_attribute ON attrelid = refobjid AND attnum = refobjsubid
      CROSS JOIN LATERAL (${held('sequence.relacl', 'attname', 'sequence.relowner')}) AS one
      WHERE classid = 'pg_catalog.pg_class'::regclass AND refclassid = 'pg_catalog.pg_class'::regclass
        AND refobjid = class.oid AND deptype IN ('a', 'i')`)} AS sequences
  FROM pg_catalog.pg_class AS class JOIN pg_catalog.pg_namespace ON pg_namespace.oid = relnamespace
  WHERE class.relkind IN ('r', 'p', 'v', 'm', 'f', 'S') AND ${ours}`;

const rest = (authSchema: string): string => `
  SELECT current_user AS owner,
    (SELECT jsonb_agg(name) FROM ${authSchema}.identity_roles) AS "identityRoles",
    (SELECT jsonb_agg(rolname) FROM pg_catalog.pg_roles) AS roles,
    (SELECT jsonb_agg(proname) FROM pg_catalog.pg_proc WHERE pronamespace = '${authSchema}'::regnamespace AND proname LIKE 'member\\_of\\_%') AS "memberFunctions",
    ${list(`SELECT one.held FROM pg_catalog.pg_namespace
      CROSS JOIN LATERAL (${held(`coalesce(nspacl, acldefault('n', nspowner))`, 'nspname', 'nspowner')}) AS one
      WHERE ${ours}`)} AS schemas,
    ${list(`SELECT one.held FROM pg_catalog.pg_default_acl
      CROSS JOIN LATERAL (${held('defaclacl', `CASE defaclobjtype WHEN 'r' THEN 'tables' ELSE 'sequences' END`, 'defaclrole')}) AS one
      WHERE defaclobjtype IN ('r', 'S') AND defaclrole = current_user::regrole`)} AS defaults`;

/**
 * Reads what the database enforces. Changes and locks nothing.
 *
 * @param client the owner's, on a migrated database
 */
export async function readDatabaseAccess(client: pg.ClientBase, authSchema: string): Promise<DatabaseAccess> {
  const tables = await client.query<Relation>(relations);
  const others = await client.query<Nullable<Omit<DatabaseAccess, 'relations'>>>(rest(authSchema));
  const [row] = others.rows;
  if (row === undefined) throw new Error('no row from the database');
  return {
    relations: tables.rows,
    owner: row.owner ?? '',
    identityRoles: row.identityRoles ?? [],
    roles: row.roles ?? [],
    memberFunctions: row.memberFunctions ?? [],
    schemas: row.schemas ?? [],
    defaults: row.defaults ?? [],
  };
}

type Nullable<T> = { readonly [K in keyof T]: T[K] | null };
