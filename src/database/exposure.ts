import type pg from 'pg';

import { defaultAuthSchema } from '../auth-schema.ts';
import { compareKeys } from './change-keys.ts';
import { withConnection } from './connect.ts';
import { assertMigrated } from './owner-transaction.ts';

/** Something in the database through which an identity could be stolen or a policy passed by. */
export interface Exposure {
  readonly what: string;
  readonly remedy: string;
}

interface Probe {
  /** Rows of one column `what`. */
  readonly sql: string;
  readonly remedy: string;
}

const probesOf = (authSchema: string): readonly Probe[] => {
  const identity = `(SELECT name FROM ${authSchema}.identity_roles)`;
  return [
    {
      sql: `SELECT format('the role %I is a superuser, has BYPASSRLS, CREATEROLE or CREATEDB', rolname) AS what
      FROM pg_roles WHERE rolname IN ${identity} AND (rolsuper OR rolbypassrls OR rolcreaterole OR rolcreatedb)`,
      remedy: 'ALTER ROLE … NOSUPERUSER NOBYPASSRLS NOCREATEROLE NOCREATEDB',
    },
    {
      sql: `SELECT format('the role %I is a member of %I and can become it', member.rolname, held.rolname) AS what
      FROM pg_auth_members AS m JOIN pg_roles AS member ON member.oid = m.member JOIN pg_roles AS held ON held.oid = m.roleid
      WHERE member.rolname IN ${identity}`,
      remedy: 'REVOKE the membership',
    },
    {
      sql: `SELECT format('the role %I cannot log in', rolname) AS what FROM pg_roles
      WHERE rolname IN ${identity} AND NOT rolcanlogin`,
      remedy: 'run drizzle-authorize setup',
    },
    {
      sql: `SELECT format('the role %I may make temporary tables, which can stand in front of real ones', name) AS what
      FROM ${authSchema}.identity_roles WHERE has_database_privilege(name, current_database(), 'TEMP')`,
      remedy: 'run drizzle-authorize setup --harden',
    },
    {
      sql: `SELECT format('the role %I may create tables and functions in the schema %I', role.name, nspname) AS what
      FROM ${authSchema}.identity_roles AS role, pg_namespace
      WHERE has_schema_privilege(role.name, pg_namespace.oid, 'CREATE')`,
      remedy: 'run drizzle-authorize setup --harden, or REVOKE CREATE ON SCHEMA',
    },
    {
      sql: `SELECT format('the role %I may connect to the database %I of the same cluster', role.name, datname) AS what
      FROM ${authSchema}.identity_roles AS role, pg_database
      WHERE datname <> current_database() AND datallowconn AND has_database_privilege(role.name, pg_database.oid, 'CONNECT')`,
      remedy: 'REVOKE CONNECT ON DATABASE … FROM PUBLIC there',
    },
    {
      sql: `SELECT format('the role %I owns the table %s, so that no policy binds it', role.name, pg_class.oid::regclass) AS what
      FROM ${authSchema}.identity_roles AS role JOIN pg_roles ON rolname = role.name
      JOIN pg_class ON relkind IN ('r', 'p') AND pg_has_role(pg_roles.oid, relowner, 'USAGE') AND pg_class.oid >= 16384`,
      remedy: 'ALTER TABLE … OWNER TO the role that migrates',
    },
    {
      sql: `SELECT format('%s may use the table %s, whose row level security is off',
        coalesce(quote_ident(rolname), 'everybody'), pg_class.oid::regclass) AS what
      FROM pg_class CROSS JOIN LATERAL aclexplode(relacl) AS acl LEFT JOIN pg_roles ON pg_roles.oid = acl.grantee
      WHERE relkind IN ('r', 'p') AND NOT relrowsecurity AND pg_class.oid >= 16384
        AND (acl.grantee = 0 OR rolname IN ${identity}) GROUP BY rolname, pg_class.oid`,
      remedy: 'give the table policies, or REVOKE the privilege',
    },
    {
      sql: `SELECT format('%s may read the view %s, which reads with its owner''s rights',
        coalesce(quote_ident(rolname), 'everybody'), pg_class.oid::regclass) AS what
      FROM pg_class CROSS JOIN LATERAL aclexplode(relacl) AS acl LEFT JOIN pg_roles ON pg_roles.oid = acl.grantee
      WHERE relkind IN ('v', 'm') AND pg_class.oid >= 16384
        AND NOT coalesce(reloptions && ARRAY['security_invoker=true', 'security_invoker=on'], false)
        AND (acl.grantee = 0 OR rolname IN ${identity}) GROUP BY rolname, pg_class.oid`,
      remedy: 'ALTER VIEW … SET (security_invoker = true), or REVOKE the privilege',
    },
    {
      // What is IMMUTABLE is worked out when a statement is planned, and a prepared one is planned once for everybody.
      sql: `SELECT format('the function %s is IMMUTABLE and reads who asks: one person can be taken for another', pg_proc.oid::regprocedure) AS what
      FROM pg_proc JOIN pg_language ON pg_language.oid = prolang WHERE provolatile = 'i' AND pg_proc.oid >= 16384
        AND CASE WHEN prokind = 'f' AND lanname IN ('sql', 'plpgsql') THEN pg_get_functiondef(pg_proc.oid)
          ~* '\\m(${authSchema}\\.(user_id|uid|session|jwt|claim)\\M|current_setting|current_user|session_user)' END`,
      remedy: 'ALTER FUNCTION … STABLE',
    },
    {
      sql: `SELECT format('the role %I can read the sealing keys, and so be anybody', rolname) AS what FROM pg_roles
      WHERE NOT rolsuper AND has_table_privilege(oid, '${authSchema}.seal_keys', 'SELECT')
        AND NOT pg_has_role(oid, (SELECT relowner FROM pg_class WHERE oid = '${authSchema}.seal_keys'::regclass), 'USAGE')
        AND rolname <> 'pg_read_all_data'`,
      remedy: `REVOKE pg_read_all_data from it, or its privilege on ${authSchema}.seal_keys`,
    },
    {
      sql: `SELECT format('the publication %I sends the sealing keys to its subscribers', pubname) AS what
      FROM pg_publication_tables WHERE schemaname = '${authSchema}' AND tablename = 'seal_keys'`,
      remedy: 'publish the tables by name instead',
    },
    {
      sql: `SELECT 'the server logs statements with their parameters, and so seals with their claims' AS what
      WHERE current_setting('log_parameter_max_length') <> '0'
        AND (current_setting('log_statement') <> 'none' OR current_setting('log_min_duration_statement') <> '-1'
          OR current_setting('log_min_duration_sample') <> '-1' OR current_setting('log_transaction_sample_rate') <> '0')
      UNION ALL SELECT 'the server logs the parameters of statements that fail, and so seals with their claims'
      WHERE current_setting('log_parameter_max_length_on_error') <> '0'`,
      remedy: 'set log_parameter_max_length and log_parameter_max_length_on_error to 0',
    },
    {
      sql: `SELECT 'everybody may call functions of PostgreSQL that reach other sessions or run SQL from text' AS what
      WHERE EXISTS (SELECT FROM ${authSchema}.identity_roles
        WHERE has_function_privilege(name, 'pg_catalog.query_to_xml(text, boolean, boolean, text)', 'EXECUTE')
          OR has_function_privilege(name, 'pg_catalog.lo_create(oid)', 'EXECUTE')
          OR has_function_privilege(name, 'pg_catalog.pg_prepared_statement()', 'EXECUTE')
          OR has_function_privilege(name, 'pg_catalog.pg_terminate_backend(integer, bigint)', 'EXECUTE'))`,
      remedy: 'run drizzle-authorize setup --harden as a superuser; the gateway refuses them in any case',
    },
  ];
};

/**
 * Says what is open on this host, without changing anything.
 *
 * @param key when given, also says whether its keys are the ones that are installed
 * @throws AuthorizeError `ERR_DATABASE_UNREACHABLE`, `ERR_MIGRATIONS_MISSING`, `ERR_KEY_INVALID`
 */
export async function findExposures(
  ownerUrl: string,
  key: string | undefined,
  authSchema: string = defaultAuthSchema,
): Promise<readonly Exposure[]> {
  return withConnection(ownerUrl, 'DATABASE_URL', async (client) => {
    await assertMigrated(client, authSchema);
    const found: Exposure[] = [];
    for (const { sql, remedy } of probesOf(authSchema)) {
      const { rows } = await client.query<{ what: string }>(sql);
      found.push(...rows.map(({ what }) => ({ what, remedy })));
    }
    return key === undefined ? found : [...found, ...(await keyExposures(client, key, authSchema))];
  });
}

async function keyExposures(
  client: pg.Client,
  key: string,
  authSchema: string,
): Promise<readonly Exposure[]> {
  const keys = await compareKeys(client, key, authSchema);
  const given = keys.filter((each) => each.given);
  const missing = given.filter(({ installed }) => !installed).length;
  const foreign = keys.length - given.length;
  return [
    ...(missing > 0
      ? [
          {
            what: `${missing} of ${given.length} keys in AUTHORIZE_KEY are not installed`,
            remedy: 'run drizzle-authorize setup',
          },
        ]
      : []),
    ...(foreign > 0
      ? [
          {
            what: `${foreign} keys are installed that AUTHORIZE_KEY does not name`,
            remedy: 'run drizzle-authorize setup',
          },
        ]
      : []),
  ];
}
