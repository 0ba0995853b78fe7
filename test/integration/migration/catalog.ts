import pg from 'pg';

/** What the database enforces, read from the catalog. */
export interface Catalog {
  /** `name: COMMAND TO roles USING (…) WITH CHECK (…)`, by table. */
  readonly policies: Readonly<Record<string, readonly string[]>>;
  /** Tables with row level security. */
  readonly rowSecurity: readonly string[];
  /** `role: privileges`, by table, without the owner's; columns as `UPDATE(title)`. */
  readonly grants: Readonly<Record<string, Readonly<Record<string, string>>>>;
  /** `role: privileges`, by sequence, without the owner's. */
  readonly sequences: Readonly<Record<string, Readonly<Record<string, string>>>>;
}

export async function query(url: string, text: string): Promise<pg.QueryResult> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return await client.query(text);
  } finally {
    await client.end();
  }
}

const ours = `nspname NOT IN ('auth', 'drizzle', 'information_schema') AND nspname NOT LIKE 'pg\\_%'`;

export async function readCatalog(url: string): Promise<Catalog> {
  const policies = await query(
    url,
    `SELECT schemaname || '.' || tablename AS place,
       format('%s: %s%s TO %s', policyname, CASE permissive WHEN 'RESTRICTIVE' THEN 'RESTRICTIVE ' ELSE '' END, cmd,
         array_to_string(roles, ', ')) || coalesce(' USING ' || qual, '') || coalesce(' WITH CHECK ' || with_check, '') AS line
     FROM pg_policies ORDER BY policyname`,
  );
  const rowSecurity = await query(
    url,
    `SELECT nspname || '.' || relname AS place FROM pg_class JOIN pg_namespace n ON n.oid = relnamespace
     WHERE relrowsecurity AND ${ours} ORDER BY 1`,
  );
  const grants = await query(
    url,
    `SELECT place, role, kind, string_agg(privilege, ', ' ORDER BY privilege) AS privileges FROM (
       SELECT nspname || '.' || relname AS place, coalesce(rolname, 'public') AS role, relkind AS kind, privilege_type AS privilege
       FROM pg_class JOIN pg_namespace n ON n.oid = relnamespace, aclexplode(relacl) AS acl LEFT JOIN pg_roles r ON r.oid = grantee
       WHERE grantee <> relowner AND ${ours}
       UNION ALL
       SELECT nspname || '.' || relname, coalesce(rolname, 'public'), relkind, format('%s(%s)', privilege_type, attname)
       FROM pg_attribute JOIN pg_class c ON c.oid = attrelid JOIN pg_namespace n ON n.oid = relnamespace,
         aclexplode(attacl) AS acl LEFT JOIN pg_roles r ON r.oid = grantee
       WHERE grantee <> relowner AND ${ours}
     ) AS held GROUP BY place, role, kind ORDER BY place, role`,
  );
  const privilegesOf = (kinds: string): Record<string, Record<string, string>> => {
    const result: Record<string, Record<string, string>> = {};
    for (const row of grants.rows) {
      if (!kinds.includes(String(row.kind))) continue;
      (result[String(row.place)] ??= {})[String(row.role)] = String(row.privileges);
    }
    return result;
  };
  const byTable: Record<string, string[]> = {};
  for (const row of policies.rows) (byTable[String(row.place)] ??= []).push(String(row.line));
  return {
    policies: byTable,
    rowSecurity: rowSecurity.rows.map((row) => String(row.place)),
    grants: privilegesOf('rp'),
    sequences: privilegesOf('S'),
  };
}
