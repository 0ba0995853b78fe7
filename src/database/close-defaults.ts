import { doBlock } from './do-block.ts';
import { quoteLiteral } from './quote-literal.ts';

/**
 * The statement after which nothing that the migrating role creates is open from the start to everybody or to one of
 * these roles. Old advice was to give identity roles every future table by default, which opens each new one that has
 * no policy, and every new view.
 *
 * @param roles need not exist
 * @see https://www.postgresql.org/docs/current/sql-alterdefaultprivileges.html
 */
export function closeDefaults(roles: readonly string[]): string {
  return doBlock(`DECLARE place text; kind text; grantee text; BEGIN
  FOR place, kind, grantee IN
    SELECT DISTINCT coalesce('IN SCHEMA ' || quote_ident(schema.nspname), ''),
      CASE acl.defaclobjtype WHEN 'r' THEN 'TABLES' ELSE 'SEQUENCES' END, coalesce(quote_ident(role.rolname), 'PUBLIC')
    FROM pg_catalog.pg_default_acl AS acl CROSS JOIN LATERAL aclexplode(acl.defaclacl) AS held
    LEFT JOIN pg_catalog.pg_namespace AS schema ON schema.oid = acl.defaclnamespace
    LEFT JOIN pg_catalog.pg_roles AS role ON role.oid = held.grantee
    WHERE acl.defaclobjtype IN ('r', 'S')
      AND acl.defaclrole = (SELECT oid FROM pg_catalog.pg_roles WHERE rolname = current_user)
      AND (held.grantee = 0 OR role.rolname IN (${roles.map(quoteLiteral).join(', ')}))
  LOOP
    EXECUTE format('ALTER DEFAULT PRIVILEGES %s REVOKE ALL ON %s FROM %s', place, kind, grantee);
  END LOOP;
END`);
}
