import { withClient } from '../../support/sealed-database.ts';

/**
 * A database as somebody has had it for years: a schema `auth` with a stand-in for pg_session_jwt, tables with rows, a policy
 * that asks it, and privileges of roles that are none of ours.
 *
 * @param suffix makes the names of roles unique in the cluster
 */
export const foreignStatements = (suffix: string): readonly string[] => [
  `CREATE ROLE web_${suffix} NOLOGIN`,
  `CREATE ROLE reports_${suffix} NOLOGIN`,
  'CREATE SCHEMA auth',
  `CREATE TABLE auth.users (id text PRIMARY KEY, email text NOT NULL)`,
  `INSERT INTO auth.users VALUES ('ada', 'ada@example.com')`,
  `CREATE FUNCTION auth.user_id() RETURNS text LANGUAGE sql STABLE
    AS $$ SELECT current_setting('request.jwt.claims', true)::jsonb ->> 'sub' $$`,
  `GRANT USAGE ON SCHEMA auth TO web_${suffix}`,
  `CREATE TABLE customers (id serial PRIMARY KEY, owner text NOT NULL DEFAULT auth.user_id(), name text NOT NULL)`,
  `INSERT INTO customers (owner, name) VALUES ('ada', 'Ada''s'), ('grace', 'Grace''s')`,
  'ALTER TABLE customers ENABLE ROW LEVEL SECURITY',
  `CREATE POLICY own ON customers TO web_${suffix} USING (owner = auth.user_id())`,
  `GRANT SELECT, INSERT ON customers TO web_${suffix}`,
  `GRANT USAGE ON SEQUENCE customers_id_seq TO web_${suffix}`,
  'CREATE TABLE settings (name text PRIMARY KEY, value text)',
  `INSERT INTO settings VALUES ('colour', 'green')`,
  'GRANT SELECT ON settings TO PUBLIC',
  `CREATE VIEW names AS SELECT name FROM customers`,
  `GRANT SELECT ON names TO reports_${suffix}`,
  `ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO reports_${suffix}, PUBLIC`,
];

/**
 * Everything about a database that adopting it must not change: owners, privileges, defaults, policies, functions and rows of
 * what is there, and of the roles. What is ours is left out, by schema, table and role.
 */
export async function foreignState(
  url: string,
  ours: { readonly schemas: readonly string[]; readonly tables: readonly string[] },
): Promise<Readonly<Record<string, readonly unknown[]>>> {
  const roles = `('authenticated', 'anonymous')`;
  const schemas = `(${['drizzle', ...ours.schemas].map((name) => `'${name}'`).join(', ')})`;
  const tables = `(${['', ...ours.tables].map((name) => `'${name}'`).join(', ')})`;
  const acl = (
    column: string,
  ): string => `(SELECT array_agg(held::text ORDER BY held::text) FROM unnest(${column}) AS held
    WHERE held::text !~ '^(authenticated|anonymous)=')`;
  const theirs = `nspname NOT LIKE 'pg\\_%' AND nspname <> 'information_schema' AND nspname NOT IN ${schemas}`;
  return withClient(url, async (client) => {
    const read = async (text: string): Promise<readonly unknown[]> =>
      (await client.query(text)).rows as readonly unknown[];
    return {
      relations:
        await read(`SELECT class.oid::regclass::text AS name, relkind, relowner::regrole::text AS owner,
      ${acl('relacl')} AS acl, relrowsecurity, relforcerowsecurity, reloptions FROM pg_class AS class
      JOIN pg_namespace ON pg_namespace.oid = relnamespace
      WHERE ${theirs} AND relkind <> 'i' AND NOT EXISTS (SELECT FROM unnest(ARRAY[${ours.tables.map((name) => `'${name}'`).join(', ')}]::text[]) AS own
        WHERE relname = own OR relname LIKE own || '\\_%') ORDER BY 1`),
      schemas: await read(`SELECT nspname, nspowner::regrole::text AS owner, ${acl('nspacl')} AS acl,
      obj_description(oid, 'pg_namespace') AS comment FROM pg_namespace WHERE ${theirs} ORDER BY 1`),
      functions:
        await read(`SELECT pg_proc.oid::regprocedure::text AS name, pg_get_functiondef(pg_proc.oid) AS definition,
      proowner::regrole::text AS owner, ${acl('proacl')} AS acl FROM pg_proc
      JOIN pg_namespace ON pg_namespace.oid = pronamespace WHERE ${theirs} ORDER BY 1`),
      policies: await read(`SELECT * FROM pg_policies WHERE tablename NOT IN ${tables} ORDER BY 1, 2, 3`),
      defaults: await read(`SELECT defaclrole::regrole::text AS role, defaclnamespace, defaclobjtype,
      ${acl('defaclacl')} AS acl FROM pg_default_acl ORDER BY 1, 2, 3`),
      database:
        await read(`SELECT datdba::regrole::text AS owner, ${acl(`coalesce(datacl, acldefault('d', datdba))`)} AS acl
      FROM pg_database WHERE datname = current_database()`),
      roles:
        await read(`SELECT rolname, rolsuper, rolinherit, rolcreaterole, rolcreatedb, rolcanlogin, rolbypassrls, rolconfig,
      shobj_description(oid, 'pg_authid') AS comment FROM pg_roles WHERE rolname NOT IN ${roles} ORDER BY 1`),
      members: await read(`SELECT roleid::regrole::text, member::regrole::text FROM pg_auth_members
      WHERE roleid::regrole::text NOT IN ${roles} ORDER BY 1, 2`),
      rows: [
        ...(await read('SELECT * FROM auth.users ORDER BY id')),
        ...(await read('SELECT * FROM customers ORDER BY id')),
        ...(await read('SELECT * FROM settings ORDER BY name')),
      ],
    };
  });
}
