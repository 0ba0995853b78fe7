import { query } from './catalog.ts';

/** What a database enforces, in a form in which two databases, or a database and a schema, can be compared. */
export interface AccessCatalog {
  readonly policies: readonly CatalogPolicy[];
  /** Tables with row level security, as `schema.table`. */
  readonly rowSecurity: readonly string[];
  /** Tables that bind their owners, too. */
  readonly forced: readonly string[];
  /** Definitions of the functions that policies call. */
  readonly functions: readonly string[];
  /** `role: PRIVILEGE on place`, one a line, for everybody but the owner. */
  readonly privileges: readonly string[];
  readonly identityRoles: readonly string[];
}

interface CatalogPolicy {
  /** `schema.table "name"`. */
  readonly place: string;
  /** `PERMISSIVE SELECT TO role, role`. */
  readonly terms: string;
  /** `USING (…) WITH CHECK (…)`, as Postgres writes it out. */
  readonly expressions: string;
}

/** What `pg_policies` and privileges call the role that has run the migrations. */
export const theOwner = '<owner>';

const ours = `nspname NOT IN ('drizzle', 'information_schema') AND nspname NOT LIKE 'pg\\_%'`;

// A sequence keeps its name when its column or table gets another one: it goes by what it belongs to.
const relations = `
  SELECT c.oid, c.relowner, c.relacl, CASE
      WHEN c.relkind <> 'S' THEN nspname || '.' || c.relname
      WHEN owner.attname IS NULL THEN 'sequence ' || nspname || '.' || c.relname
      ELSE 'the sequence of ' || owner.place || '.' || owner.attname
    END AS place
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
  LEFT JOIN LATERAL (
    SELECT attname, tn.nspname || '.' || t.relname AS place
    FROM pg_depend d JOIN pg_class t ON t.oid = d.refobjid JOIN pg_namespace tn ON tn.oid = t.relnamespace
    JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum = d.refobjsubid
    WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.refclassid = 'pg_class'::regclass
      AND d.deptype IN ('a', 'i') AND c.relkind = 'S'
  ) AS owner ON true
  WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S') AND ${ours}`;

const isMemberFunction = `pronamespace = 'auth'::regnamespace AND proname ~ '^member_of_'`;

const privileges = `
  WITH relation AS (${relations}), held AS (
    SELECT place, relowner AS owner, acl.grantee, acl.privilege_type AS privilege, acl.is_grantable
    FROM relation, aclexplode(relacl) AS acl
    UNION ALL
    SELECT place, relowner, acl.grantee, format('%s (%s)', acl.privilege_type, attname), acl.is_grantable
    FROM relation JOIN pg_attribute ON attrelid = oid, aclexplode(attacl) AS acl
    WHERE NOT attisdropped
    UNION ALL
    SELECT 'auth.' || proname, proowner, acl.grantee, acl.privilege_type, acl.is_grantable
    FROM pg_proc, aclexplode(coalesce(proacl, acldefault('f', proowner))) AS acl WHERE ${isMemberFunction}
    UNION ALL
    SELECT 'schema ' || nspname, nspowner, acl.grantee, acl.privilege_type, acl.is_grantable
    FROM pg_namespace, aclexplode(coalesce(nspacl, acldefault('n', nspowner))) AS acl WHERE ${ours}
  )
  SELECT format('%s: %s on %s%s', coalesce(rolname, 'public'), privilege, place,
    CASE WHEN is_grantable THEN ' WITH GRANT OPTION' END) AS line
  FROM held LEFT JOIN pg_roles r ON r.oid = held.grantee
  WHERE held.grantee <> held.owner`;

const policies = `
  SELECT format('%s.%s "%s"', schemaname, tablename, policyname) AS place,
    permissive || ' ' || cmd AS command, array_replace(roles, current_user, '${theOwner}')::text[] AS roles,
    concat_ws(' ', 'USING (' || qual || ')', 'WITH CHECK (' || with_check || ')') AS expressions
  FROM pg_policies`;

const rowSecurity = `
  SELECT nspname || '.' || relname AS line FROM pg_class JOIN pg_namespace n ON n.oid = relnamespace
  WHERE relrowsecurity AND ${ours}`;

const forced = rowSecurity.replace('relrowsecurity', 'relforcerowsecurity');

/** @param ownerUrl connects as the role that runs the migrations */
export async function readAccessCatalog(ownerUrl: string): Promise<AccessCatalog> {
  const lines = async (text: string): Promise<readonly string[]> =>
    (await query(ownerUrl, text)).rows.map((row) => String(row.line)).toSorted();
  const { rows } = await query(ownerUrl, policies);
  const found = rows.map((row) => ({
    place: String(row.place),
    terms: `${row.command} TO ${row.roles.map(String).toSorted().join(', ')}`,
    expressions: String(row.expressions),
  }));
  return {
    policies: found.toSorted((a, b) => (a.place < b.place ? -1 : 1)),
    rowSecurity: await lines(rowSecurity),
    forced: await lines(forced),
    functions: await lines(`SELECT pg_get_functiondef(oid) AS line FROM pg_proc WHERE ${isMemberFunction}`),
    privileges: await lines(privileges),
    identityRoles: await lines('SELECT name AS line FROM auth.identity_roles'),
  };
}
