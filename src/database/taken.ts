import type pg from 'pg';

import { AuthorizeError } from '../errors.ts';
import { doBlock } from './do-block.ts';
import { quoteIdentifier } from './quote-identifier.ts';
import { quoteLiteral } from './quote-literal.ts';

/** How the comment on an identity role that `setup` has let log in begins; the database's name follows. */
export const roleMarkPrefix = 'drizzle-authorize: identity role of the database ';

// What a role may have by default of tables that are yet to be made is closed by the migration, and a policy that names it
// gives it nothing.
const isInUse = `role.rolcanlogin OR role.rolsuper OR role.rolbypassrls OR role.rolcreaterole OR role.rolcreatedb
    OR EXISTS (SELECT FROM pg_catalog.pg_shdepend WHERE refclassid = 'pg_authid'::regclass AND refobjid = role.oid
      AND deptype IN ('a', 'o') AND classid <> 'pg_default_acl'::regclass
      AND dbid = (SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database()))`;

/**
 * The query for those of the roles that are somebody else's: they can log in or do more than others, or they own
 * something of this database or have privileges in it, and `setup` has not marked them. One that only exists may have been
 * made for another database of the cluster.
 */
function takenRoles(roles: readonly string[]): string {
  return `SELECT role.rolname FROM pg_catalog.pg_roles AS role
    WHERE role.rolname IN (${['', ...roles].map(quoteLiteral).join(', ')}) AND (${isInUse})
      AND NOT starts_with(coalesce(shobj_description(role.oid, 'pg_authid'), ''), ${quoteLiteral(roleMarkPrefix)})`;
}

const schemaHint = (authSchema: string): string => {
  const other = authSchema === 'auth' ? 'authorize' : 'another name';
  return `Nothing was changed. Name another schema: withAuthorize(config, { authSchema: '${other}' }), and createAuth({ schema: '${other}' }) in the schema file.`;
};

const roleHint = (roles: string): string =>
  `Nothing was changed. If it shall be an identity role, with whatever it may do already: withAuthorize(config, { takeOverRoles: [${roles}] }).`;

/** The statement that fails, before anything is touched, where the schema or one of the roles is somebody else's. */
export function assertNotTaken(authSchema: string, roles: readonly string[]): string {
  return doBlock(`DECLARE taken text; BEGIN
  IF EXISTS (SELECT FROM pg_catalog.pg_namespace WHERE nspname = '${authSchema}') THEN
    RAISE EXCEPTION 'the schema ${authSchema} is there already, and belongs to somebody else (ERR_SCHEMA_TAKEN)'
      USING HINT = ${quoteLiteral(schemaHint(authSchema))};
  END IF;
  SELECT string_agg(quote_literal(rolname), ', ') INTO taken FROM (${takenRoles(roles)}) AS found;
  IF taken IS NOT NULL THEN
    RAISE EXCEPTION 'in use by somebody else: the role %', taken || ' (ERR_ROLE_TAKEN)'
      USING HINT = replace(${quoteLiteral(roleHint('%'))}, '%', taken);
  END IF;
END`);
}

/** What of ours would stand in the way of what is there. */
export interface Taken {
  /** The schema is there, and does not say that it is ours. */
  readonly schema: boolean;
  readonly roles: readonly string[];
}

export async function findTaken(
  client: pg.ClientBase,
  authSchema: string,
  roles: readonly string[],
): Promise<Taken> {
  const { rows } = await client.query<Taken>(
    `SELECT EXISTS (SELECT FROM pg_catalog.pg_namespace WHERE nspname = $1
        AND coalesce(obj_description(oid, 'pg_namespace'), '') !~ '^drizzle-authorize prelude [0-9]+$') AS schema,
      ARRAY(SELECT rolname::text FROM (${takenRoles(roles)}) AS found ORDER BY 1) AS roles`,
    [authSchema],
  );
  const [row] = rows;
  if (row === undefined) throw new Error('no row from the database');
  return row;
}

/** @returns what to throw */
export function schemaTaken(authSchema: string): AuthorizeError {
  return new AuthorizeError(
    'ERR_SCHEMA_TAKEN',
    `the schema ${authSchema} of the database belongs to somebody else`,
    { hint: schemaHint(authSchema) },
  );
}

/** @returns what to throw */
export function rolesTaken(roles: readonly string[]): AuthorizeError {
  const names = roles.map(quoteIdentifier).join(', ');
  return new AuthorizeError('ERR_ROLE_TAKEN', `in use by somebody else: the role ${names}`, {
    hint: roleHint(roles.map(quoteLiteral).join(', ')),
  });
}
