import { sealContext, sealSetting } from '../session/seal.ts';
import { quoteIdentifier } from './quote-identifier.ts';
import { quoteLiteral } from './quote-literal.ts';

/** The version of the auth schema that this release writes; it stands in the comment on the schema. */
export const preludeVersion = 1;

/** The comment by which the auth schema is known to be ours, with its version. */
export const preludeComment = `drizzle-authorize prelude ${preludeVersion}`;

/**
 * The auth schema: what turns a seal into an identity inside Postgres. One statement an element, for the first
 * migration; run by the owner, once a database. Tables and functions that exist already make it fail, roles that
 * exist are taken as they are.
 *
 * How the reader is written, and why:
 * - The pads of the key are only ever columns, read inside one query of a `BEGIN ATOMIC` body. As a variable or
 *   an argument they would be plan constants, which `debug_print_plan` shows to any user.
 * - `BEGIN ATOMIC` and a fixed `search_path` keep a caller's path from choosing another `=` or `->>`.
 * - Without a genuine seal an identity role gets an error and never NULL: the caller can clear the setting in the
 *   middle of a statement, and NULL passes every policy of the form `claim(…) is distinct from …`.
 * - Times are integers and compared with the start of the transaction, so that neither TimeZone nor a long
 *   transaction changes the answer. MACs are compared by their digests, so that timing tells nothing.
 * - `PARALLEL RESTRICTED`: a parallel worker has another pid than the backend that the seal is bound to.
 *
 * @see https://www.postgresql.org/docs/current/sql-createfunction.html
 */
export function preludeStatements(identityRoles: readonly string[]): readonly string[] {
  const roles = identityRoles.map(quoteIdentifier).join(', ');
  return [
    ...identityRoles.map(createRole),
    `CREATE SCHEMA auth`,
    `COMMENT ON SCHEMA auth IS ${quoteLiteral(preludeComment)}`,
    `CREATE TABLE auth.identity_roles (name text PRIMARY KEY)`,
    `COMMENT ON TABLE auth.identity_roles IS 'Roles that people''s SQL runs as: they get an error without a seal.'`,
    ...addIdentityRoles(identityRoles),
    `CREATE TABLE auth.seal_keys (id text PRIMARY KEY, inner_pad bytea NOT NULL CHECK (length(inner_pad) = 64), outer_pad bytea NOT NULL CHECK (length(outer_pad) = 64), installed_at timestamptz NOT NULL DEFAULT now())`,
    `COMMENT ON TABLE auth.seal_keys IS 'HMAC pads of the sealing keys. Whoever reads this table can be anybody: leave it out of dumps.'`,
    `REVOKE ALL ON auth.identity_roles, auth.seal_keys FROM PUBLIC, ${roles}`,
    refuseFunction,
    `REVOKE ALL ON FUNCTION auth.refuse(text) FROM PUBLIC`,
    checkFunction,
    `COMMENT ON FUNCTION auth.check(text) IS 'Raises 28000 unless the seal is genuine and meant for this role, connection and time.'`,
    sessionFunction,
    `COMMENT ON FUNCTION auth.session() IS 'The claims of the caller. JSON null for roles that are not identity roles.'`,
    reader('jwt()', 'jsonb', 'SELECT auth.session()'),
    reader('user_id()', 'text', `SELECT auth.session() ->> 'sub'`),
    reader('claim(name text)', 'text', 'SELECT auth.session() ->> name'),
    reader(
      'uid()',
      'uuid',
      `SELECT CASE WHEN who.id ~* '^[0-9a-f]{8}(-?[0-9a-f]{4}){4}[0-9a-f]{8}$' THEN who.id::uuid END
    FROM (SELECT auth.user_id() AS id) AS who`,
    ),
    revokeDefaultPrivileges(roles),
  ];
}

/**
 * Makes a role without a login, unless it exists: roles belong to the cluster, where another database, or a migration
 * that runs at the same moment, may have made it.
 */
export function createRole(role: string): string {
  return `DO $$ BEGIN
  IF NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = ${quoteLiteral(role)}) THEN
    CREATE ROLE ${quoteIdentifier(role)} NOLOGIN;
  END IF;
EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;
END $$`;
}

/** Lets roles that exist read who asks, and makes them get an error where nobody does. */
export function addIdentityRoles(roles: readonly string[]): readonly string[] {
  return [
    `GRANT USAGE ON SCHEMA auth TO ${roles.map(quoteIdentifier).join(', ')}`,
    `INSERT INTO auth.identity_roles (name) VALUES ${roles.map((role) => `(${quoteLiteral(role)})`).join(', ')} ON CONFLICT DO NOTHING`,
  ];
}

const refuseFunction = `CREATE FUNCTION auth.refuse(verdict text) RETURNS jsonb
  LANGUAGE plpgsql VOLATILE PARALLEL RESTRICTED SET search_path = pg_catalog, pg_temp
AS $$ BEGIN
  RAISE EXCEPTION USING ERRCODE = '28000', MESSAGE = CASE verdict
    WHEN 'missing' THEN 'no identity: the transaction carries no seal'
    WHEN 'key' THEN 'no identity: the seal was made with a key that this database does not have'
    WHEN 'role' THEN 'no identity: the seal is for another role'
    WHEN 'connection' THEN 'no identity: the seal is for another connection'
    WHEN 'time' THEN 'no identity: the seal has expired or is not valid yet'
    ELSE 'no identity: the seal is not genuine'
  END, HINT = CASE verdict
    WHEN 'missing' THEN 'Send the query through $withAuth or through the gateway.'
    WHEN 'key' THEN 'Compare AUTHORIZE_KEY with the one that drizzle-authorize setup installed in this database.'
    WHEN 'time' THEN 'Compare the clocks of the application and of the database.'
    ELSE 'Somebody tampered with the setting ${sealSetting}.'
  END;
END $$`;

/**
 * One row (verdict, claims, role) about a seal: `<mac>.<version>.<key>.<issued>.<expires>.<pid>.<role> <claims>`,
 * where the MAC covers the context, the database's name and everything behind the first dot.
 */
function judged(seal: string): string {
  // Every OFFSET 0 keeps the planner from putting an expression in the place of each of its uses.
  return `(
    SELECT CASE
        WHEN given.mac = '' THEN 'missing'
        WHEN key.id IS NULL THEN 'key'
        WHEN sha256(convert_to(given.mac, 'UTF8')) <> sha256(convert_to(encode(
            sha256(key.outer_pad || sha256(key.inner_pad || convert_to(
              ${quoteLiteral(sealContext)} || current_database() || ' ' || given.signed, 'UTF8'))), 'hex'), 'UTF8'))
          OR given.header[1] <> '1' THEN 'forged'
        WHEN given.header[6] <> encode(convert_to(given.role, 'UTF8'), 'hex') THEN 'role'
        WHEN given.header[5] NOT IN ('0', pg_backend_pid()::text) THEN 'connection'
        WHEN given.header[3]::bigint - 5 > given.now OR given.header[4]::bigint <= given.now
          OR given.header[4]::bigint - given.header[3]::bigint > 60 THEN 'time'
        ELSE 'genuine'
      END AS verdict,
      substr(given.signed, strpos(given.signed, ' ') + 1) AS claims,
      given.role
    FROM (
      SELECT split.mac, split.signed, string_to_array(split_part(split.signed, ' ', 1), '.') AS header,
        coalesce(nullif(current_setting('role'), 'none'), session_user) AS role,
        floor(extract(epoch FROM transaction_timestamp()))::bigint AS now
      FROM (
        SELECT split_part(seal.text, '.', 1) AS mac, substr(seal.text, strpos(seal.text, '.') + 1) AS signed
        FROM (SELECT coalesce(${seal}, '') AS text OFFSET 0) AS seal OFFSET 0
      ) AS split OFFSET 0
    ) AS given
    LEFT JOIN auth.seal_keys AS key ON key.id = given.header[2]
    OFFSET 0
  ) AS seal`;
}

const sealed = 'STABLE PARALLEL RESTRICTED SECURITY DEFINER SET search_path = pg_catalog, pg_temp';

const checkFunction = `CREATE FUNCTION auth.check(seal text) RETURNS boolean
  LANGUAGE sql ${sealed}
BEGIN ATOMIC
  SELECT CASE WHEN seal.verdict = 'genuine' THEN true ELSE auth.refuse(seal.verdict) IS NULL END
  FROM ${judged('$1')};
END`;

const sessionFunction = `CREATE FUNCTION auth.session() RETURNS jsonb
  LANGUAGE sql ${sealed}
BEGIN ATOMIC
  SELECT CASE
    WHEN seal.verdict = 'genuine' THEN seal.claims::jsonb
    WHEN NOT EXISTS (SELECT FROM auth.identity_roles AS identity WHERE identity.name = seal.role) THEN 'null'::jsonb
    ELSE auth.refuse(seal.verdict)
  END
  FROM ${judged(`current_setting('${sealSetting}', true)`)};
END`;

// A body of one expression, so that Postgres can put it in place of the call.
function reader(signature: string, result: string, body: string): string {
  return `CREATE FUNCTION auth.${signature} RETURNS ${result}
  LANGUAGE sql STABLE PARALLEL RESTRICTED
BEGIN ATOMIC
  ${body};
END`;
}

// Old advice was to give identity roles every future table by default, which opens each new one that has no policy.
function revokeDefaultPrivileges(roles: string): string {
  return `DO $$ DECLARE place text; BEGIN
  FOR place IN SELECT DISTINCT coalesce(format('IN SCHEMA %I', nspname), '')
    FROM pg_catalog.pg_default_acl AS acl LEFT JOIN pg_catalog.pg_namespace AS schema ON schema.oid = defaclnamespace
    WHERE defaclrole = (SELECT oid FROM pg_catalog.pg_roles WHERE rolname = current_user) AND defaclobjtype IN ('r', 'S')
  LOOP
    EXECUTE format('ALTER DEFAULT PRIVILEGES %s REVOKE ALL ON TABLES FROM PUBLIC, ${roles.replaceAll("'", "''")}', place);
    EXECUTE format('ALTER DEFAULT PRIVILEGES %s REVOKE ALL ON SEQUENCES FROM PUBLIC, ${roles.replaceAll("'", "''")}', place);
  END LOOP;
END $$`;
}
