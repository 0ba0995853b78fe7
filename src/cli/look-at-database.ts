import { AuthorizeError } from '../errors.ts';
import { defaultAuthSchema } from '../auth-schema.ts';
import { withConnection } from '../database/connect.ts';
import { assertServerSupported } from '../database/server-version.ts';
import { findTaken, schemaTaken } from '../database/taken.ts';

/** What a project has to know of a database that has been there before. */
export interface Adoption {
  readonly database: string;
  /** What the auth schema will be called there. */
  readonly authSchema: string;
  /** The database's default privileges stay as they are. */
  readonly keepDefaultPrivileges: boolean;
  /** Identity roles that somebody uses already. */
  readonly takenRoles: readonly string[];
  /** What is there, and what becomes of it: one line each. */
  readonly words: readonly string[];
}

const identityRoles = ['authenticated', 'anonymous'];
const otherName = 'authorize';

interface Facts {
  readonly database: string;
  readonly server: number;
  readonly role: string;
  /** Who owns the schema `auth`, if there is one. */
  readonly owner: string | null;
  readonly userId: boolean;
  /** Which of the names that the auth schema can have are those of schemas. */
  readonly there: readonly string[];
  readonly tables: number;
  readonly foreign: number;
  readonly defaults: string | null;
}

const facts = `
  SELECT current_database() AS database, current_setting('server_version_num')::int AS server, current_user::text AS role,
    (SELECT nspowner::regrole::text FROM pg_catalog.pg_namespace WHERE nspname = 'auth') AS owner,
    ARRAY(SELECT nspname::text FROM pg_catalog.pg_namespace WHERE nspname = ANY ($2) ORDER BY nspname DESC) AS there,
    EXISTS (SELECT FROM pg_catalog.pg_proc WHERE proname = 'user_id'
      AND pronamespace = (SELECT oid FROM pg_catalog.pg_namespace WHERE nspname = 'auth')) AS "userId",
    tables.n AS tables, tables.other AS foreign,
    (SELECT string_agg(DISTINCT format('%s on %s', held.privilege_type,
        CASE acl.defaclobjtype WHEN 'r' THEN 'tables' ELSE 'sequences' END), ', ')
      FROM pg_catalog.pg_default_acl AS acl CROSS JOIN LATERAL aclexplode(acl.defaclacl) AS held
      LEFT JOIN pg_catalog.pg_roles AS role ON role.oid = held.grantee
      WHERE acl.defaclobjtype IN ('r', 'S') AND acl.defaclrole = current_user::regrole
        AND (held.grantee = 0 OR role.rolname = ANY ($1))) AS defaults
  FROM (SELECT count(*)::int AS n, count(*) FILTER (WHERE relowner <> current_user::regrole)::int AS other
    FROM pg_catalog.pg_class JOIN pg_catalog.pg_namespace ON pg_namespace.oid = relnamespace
    WHERE relkind IN ('r', 'p') AND nspname NOT IN ('pg_catalog', 'information_schema', 'drizzle') AND nspname !~ '^pg_'
      AND coalesce(obj_description(pg_namespace.oid, 'pg_namespace'), '') !~ '^drizzle-authorize prelude [0-9]+$') AS tables`;

/**
 * Looks at a database that is to be adopted, in a transaction that can change nothing.
 *
 * @param harden what the owner gives away by default of tables that are yet to be made is to be taken back
 * @throws AuthorizeError `ERR_DATABASE_UNREACHABLE`, `ERR_SERVER_UNSUPPORTED`; `ERR_SCHEMA_TAKEN` when neither `auth` nor
 *   `authorize` can be the auth schema
 */
export async function lookAtDatabase(ownerUrl: string, harden: boolean): Promise<Adoption> {
  return withConnection(ownerUrl, '--url', async (client) => {
    await client.query('BEGIN TRANSACTION READ ONLY');
    try {
      const { rows } = await client.query<Facts>(facts, [identityRoles, [defaultAuthSchema, otherName]]);
      const [found] = rows;
      if (found === undefined)
        throw new AuthorizeError('ERR_DATABASE_UNREACHABLE', 'the database gave no answer');
      assertServerSupported(found.server);
      const [auth, other] = [
        await findTaken(client, defaultAuthSchema, identityRoles),
        await findTaken(client, otherName, []),
      ];
      if (auth.schema && other.schema) throw schemaTaken(otherName);
      // One that is there and not taken is ours.
      const ours = found.there.find((name) => !(name === otherName ? other : auth).schema);
      const authSchema = ours ?? (auth.schema ? otherName : defaultAuthSchema);
      const adoption = {
        database: found.database,
        authSchema,
        keepDefaultPrivileges: !harden,
        // Migrations that were applied use the roles themselves.
        takenRoles: ours === undefined ? auth.roles : [],
      };
      return { ...adoption, words: wordsOf(found, adoption) };
    } finally {
      await client.query('ROLLBACK');
    }
  });
}

function wordsOf(found: Facts, adoption: Omit<Adoption, 'words'>): readonly string[] {
  const { authSchema, keepDefaultPrivileges, takenRoles } = adoption;
  const others = found.foreign > 0 ? `, ${found.foreign} of them not of ${found.role}` : '';
  return [
    `${found.tables} tables are there${others}: they, their rows, policies and privileges stay as they are until the schema files declare them`,
    ...(authSchema === defaultAuthSchema
      ? []
      : [
          `the schema auth is there, of ${found.owner ?? 'somebody'}${found.userId ? ', with a user_id() of its own' : ''}: it stays, and the auth schema is called ${authSchema}`,
        ]),
    ...(found.defaults === null
      ? []
      : [
          keepDefaultPrivileges
            ? `by default tables that are yet to be made are open (${found.defaults}): that stays, --harden takes it back`
            : `by default tables that are yet to be made are open (${found.defaults}): the first migration takes that back`,
        ]),
    ...takenRoles.map(
      (role) =>
        `the role ${role} is in use: the first migration fails, unless withAuthorize(config, { takeOverRoles: ['${role}'] }) takes it on`,
    ),
  ];
}

/** The second argument of `withAuthorize()`, as text; empty when there is nothing to say. */
export function optionsText(adoption: Adoption | undefined): string {
  if (adoption === undefined) return '';
  const { authSchema, keepDefaultPrivileges } = adoption;
  const options = [
    ...(authSchema === defaultAuthSchema ? [] : [`authSchema: '${authSchema}'`]),
    ...(keepDefaultPrivileges ? ['keepDefaultPrivileges: true'] : []),
  ];
  return options.length === 0 ? '' : `{ ${options.join(', ')} }`;
}
