import { bytesOf, toHex } from '../session/bytes.ts';
import { sealContext, sealHeaderLength, sealLifetimeSeconds, sealSetting } from '../session/seal.ts';
import { defaultAuthSchema } from '../auth-schema.ts';
import { closeDefaults } from './close-defaults.ts';
import { doBlock } from './do-block.ts';
import { preludeComment } from './prelude-version.ts';
import { quoteIdentifier } from './quote-identifier.ts';
import { quoteLiteral } from './quote-literal.ts';
import { revocationChannel } from './revocation-channel.ts';
import { assertNotTaken } from './taken.ts';

/**
 * The auth schema: what turns a seal into an identity inside Postgres. One statement an element, for the first
 * migration; run by the owner, once a database. A schema or a role that is somebody else's makes it fail, with nothing
 * touched; roles that merely exist are taken as they are.
 *
 * How the readers are written, and why:
 * - The pads of the key are only ever columns, read inside one query. As a variable or an argument they would be plan
 *   constants, which `debug_print_plan` shows to any user.
 * - PL/pgSQL keeps its plans for the life of the connection. As `LANGUAGE sql` the same readers cost half as much again
 *   and were planned anew in each query before PostgreSQL 18; inlined into a policy they made every query's own
 *   planning longer. A fixed `search_path` keeps a caller's path from choosing another `=` or `->>`.
 * - Without a genuine seal an identity role gets an error and never NULL: the caller can clear the setting in the
 *   middle of a statement, and NULL passes every policy of the form `claim(…) is distinct from …`.
 * - Nothing of a seal is read as a number before its MAC has been checked, so that what is malformed is refused as
 *   whatever else is forged. Times are compared with the start of the transaction, so that neither TimeZone nor a long
 *   transaction changes the answer. MACs are compared by their digests, so that timing tells nothing.
 * - `PARALLEL RESTRICTED`: a parallel worker has another pid than the backend that the seal is bound to.
 *
 * @see https://www.postgresql.org/docs/current/sql-createfunction.html
 */
export function preludeStatements(
  identityRoles: readonly string[],
  { authSchema = defaultAuthSchema, keepDefaultPrivileges = false, takeOverRoles = [] }: PreludeOptions = {},
): readonly string[] {
  return [
    assertNotTaken(
      authSchema,
      identityRoles.filter((role) => !takeOverRoles.includes(role)),
    ),
    ...identityRoles.map(createRole),
    `CREATE SCHEMA ${authSchema}`,
    `COMMENT ON SCHEMA ${authSchema} IS ${quoteLiteral(preludeComment)}`,
    ...preludeTables.flatMap(({ name, columns, comment }) => [
      `CREATE TABLE ${authSchema}.${name} (${columns})`,
      `COMMENT ON TABLE ${authSchema}.${name} IS ${quoteLiteral(comment)}`,
    ]),
    closePreludeTables(identityRoles, authSchema),
    addIdentityRoles(identityRoles, authSchema),
    grantAuthUsage(identityRoles, authSchema),
    ...preludeFunctions(authSchema),
    revocationTrigger(authSchema),
    ...(keepDefaultPrivileges ? [] : [closeDefaults(identityRoles)]),
  ];
}

export interface PreludeOptions {
  /** What `parseAuthSchema()` has let pass. Default: `auth`. */
  readonly authSchema?: string;
  /** Leave what the migrating role gives away by default of what it is yet to make. Default: false. */
  readonly keepDefaultPrivileges?: boolean | undefined;
  /** Roles that are taken on although they are somebody's. Default: none. */
  readonly takeOverRoles?: readonly string[] | undefined;
}

/** A table of the auth schema. */
interface PreludeTable {
  readonly name: string;
  /** The version of the prelude that it came with. */
  readonly since: number;
  readonly columns: string;
  /** Columns of those that came later than the table, by version. */
  readonly added?: Readonly<Record<number, readonly string[]>>;
  readonly comment: string;
}

export const preludeTables: readonly PreludeTable[] = [
  {
    name: 'identity_roles',
    since: 1,
    columns: 'name text PRIMARY KEY',
    comment: "Roles that people's SQL runs as: they get an error without a seal.",
  },
  {
    name: 'seal_keys',
    since: 1,
    columns:
      'id text PRIMARY KEY, inner_pad bytea NOT NULL CHECK (length(inner_pad) = 64), outer_pad bytea NOT NULL CHECK (length(outer_pad) = 64), installed_at timestamptz NOT NULL DEFAULT now(), revoking boolean NOT NULL DEFAULT true',
    added: { 2: ['revoking boolean NOT NULL DEFAULT true'] },
    comment: 'HMAC pads of the sealing keys. Whoever reads this table can be anybody: leave it out of dumps.',
  },
  {
    name: 'revocations',
    since: 2,
    columns: `claim text CHECK (claim IN ('sub', 'sid', 'jti')), value text, issuer text DEFAULT '', issued_before timestamptz, until timestamptz, revoked_at timestamptz NOT NULL DEFAULT now(), PRIMARY KEY (claim, value, issuer)`,
    comment:
      'Whose seals are refused: by a claim, of one issuer or of any, for tokens issued before a time or for all, until a time or for ever.',
  },
];

/** Keeps everybody but the owner out of the tables. */
export function closePreludeTables(identityRoles: readonly string[], authSchema: string): string {
  const tables = preludeTables.map(({ name }) => `${authSchema}.${name}`).join(', ');
  return `REVOKE ALL ON ${tables} FROM PUBLIC, ${identityRoles.map(quoteIdentifier).join(', ')}`;
}

/** The functions of the auth schema, with what belongs to each. A policy can call all but `refuse`. */
export function preludeFunctions(authSchema: string): readonly string[] {
  const claimsReader = claimsReaderIn(authSchema);
  return [
    refuseFunction(authSchema),
    `REVOKE ALL ON FUNCTION ${authSchema}.refuse(text) FROM PUBLIC`,
    checkFunction(authSchema),
    `COMMENT ON FUNCTION ${authSchema}.check(text) IS 'Raises 28000 unless the seal is genuine and meant for this role, connection and time.'`,
    hasIdentityFunction(authSchema),
    `COMMENT ON FUNCTION ${authSchema}.has_identity(text) IS 'Whether the seal is genuine. An identity role gets 28000 where it is not.'`,
    claimsReader('session()', 'jsonb', 'claims', `'null'::jsonb`),
    `COMMENT ON FUNCTION ${authSchema}.session() IS 'The claims of the caller. JSON null for roles that are not identity roles.'`,
    claimsReader('jwt()', 'jsonb', 'claims', `'null'::jsonb`),
    claimsReader('user_id()', 'text', `claims ->> 'sub'`),
    claimsReader('claim(name text)', 'text', 'claims ->> name'),
    uidFunction(authSchema),
    noteRevocationFunction(authSchema),
    `REVOKE ALL ON FUNCTION ${authSchema}.note_revocation() FROM PUBLIC`,
  ];
}

/**
 * Makes a role without a login, unless it exists: roles belong to the cluster, where another database, or a migration
 * that runs at the same moment, may have made it.
 */
export function createRole(role: string): string {
  return doBlock(`BEGIN
  IF NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = ${quoteLiteral(role)}) THEN
    CREATE ROLE ${quoteIdentifier(role)} NOLOGIN;
  END IF;
EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;
END`);
}

/** Makes roles get an error where nobody asks. */
export function addIdentityRoles(roles: readonly string[], authSchema: string): string {
  return `INSERT INTO ${authSchema}.identity_roles (name) VALUES ${roles.map((role) => `(${quoteLiteral(role)})`).join(', ')} ON CONFLICT DO NOTHING`;
}

/** Lets roles that exist read who asks. */
export function grantAuthUsage(roles: readonly string[], authSchema: string): string {
  return `GRANT USAGE ON SCHEMA ${authSchema} TO ${roles.map(quoteIdentifier).join(', ')}`;
}

const fixedPath = 'SET search_path = pg_catalog, pg_temp';
const readerOf = `LANGUAGE plpgsql STABLE PARALLEL RESTRICTED ${fixedPath}`;
// Reads the keys with the owner's rights.
const judge = `LANGUAGE plpgsql STABLE PARALLEL RESTRICTED SECURITY DEFINER ${fixedPath}`;

const roleInForce = `coalesce(nullif(current_setting('role'), 'none'), session_user)`;

/**
 * Whether the MAC of `seal` is the one that `key` makes of it for this database and the role: HMAC (RFC 2104) over
 * context, database, role and what follows the MAC, with a NUL between them, which none of them can contain.
 */
function macFits(role: string): string {
  // No backslash, which the caller's standard_conforming_strings would give another meaning.
  const context = `decode('${toHex(bytesOf(`${sealContext}\0`))}', 'hex')`;
  const message = `${context} || convert_to(current_database(), 'UTF8') || decode('00', 'hex') || convert_to(${role}, 'UTF8')
      || decode('00', 'hex') || convert_to(substr(seal, 66), 'UTF8')`;
  return `sha256(convert_to(split_part(seal, '.', 1), 'UTF8')) = sha256(convert_to(encode(sha256(
      key.outer_pad || sha256(key.inner_pad || ${message})), 'hex'), 'UTF8'))`;
}

// Only behind a MAC that fits: text that is no number would be another error than 28000.
const isCurrent = `date_part('epoch', transaction_timestamp()) >= split_part(seal, '.', 4)::float8 - 5
      AND date_part('epoch', transaction_timestamp()) < split_part(seal, '.', 5)::float8
      AND split_part(seal, '.', 5)::bigint - split_part(seal, '.', 4)::bigint <= ${sealLifetimeSeconds}`;
const isForThisBackend = `split_part(seal, '.', 6)::int IN (0, pg_backend_pid())`;

const claimsOf = `substr(seal, ${sealHeaderLength + 1})::jsonb`;

/** Whether the token behind the seal was revoked. One that does not say when it was issued counts as old. */
const isRevoked = (
  authSchema: string,
): string => `EXISTS (SELECT FROM ${authSchema}.revocations AS gone, (SELECT ${claimsOf} AS claims) AS mine
      WHERE gone.claim IN ('sub', 'sid', 'jti') AND gone.value = claims ->> gone.claim
        AND (gone.issuer = '' OR gone.issuer = claims ->> 'iss') AND (gone.until IS NULL OR gone.until > transaction_timestamp())
        AND CASE WHEN gone.issued_before IS NULL OR jsonb_typeof(claims -> 'iat') IS DISTINCT FROM 'number' THEN true
          ELSE (claims ->> 'iat')::float8 < date_part('epoch', gone.issued_before) END)`;

/**
 * Sets the variable `genuine`. Claims are read only where something has been revoked at all, which the key says.
 *
 * What may be read behind a MAC alone stands in a statement of its own: of a CASE, a custom plan computes every branch.
 */
const decideGenuine = (authSchema: string): string => `SELECT ${macFits(roleInForce)}, key.revoking
    INTO genuine, revoking FROM ${authSchema}.seal_keys AS key WHERE key.id = split_part(seal, '.', 3);
  IF genuine THEN genuine := split_part(seal, '.', 2) = '1' AND ${isForThisBackend} AND ${isCurrent}; ELSE genuine := false; END IF;
  IF genuine AND revoking THEN genuine := NOT ${isRevoked(authSchema)}; END IF;`;

// That nothing is revoked any more is noted by setup and by the command alone, behind a lock: a transaction that did not see
// what another one has just revoked must not say so. NOTIFY needs no privilege; hardening takes pg_notify() from the owner.
const noteRevocationFunction = (
  authSchema: string,
): string => `CREATE FUNCTION ${authSchema}.note_revocation() RETURNS trigger LANGUAGE plpgsql ${fixedPath}
AS $$ BEGIN
  UPDATE ${authSchema}.seal_keys SET revoking = true WHERE NOT revoking;
  NOTIFY ${revocationChannel};
  RETURN NULL;
END $$`;

/** Has the keys say that something is revoked, and tells whoever has sessions open. */
export const revocationTrigger = (authSchema: string): string =>
  `CREATE OR REPLACE TRIGGER note_revocation AFTER INSERT OR UPDATE ON ${authSchema}.revocations EXECUTE FUNCTION ${authSchema}.note_revocation()`;

const checkFunction = (
  authSchema: string,
): string => `CREATE FUNCTION ${authSchema}.check(seal text) RETURNS boolean ${judge}
AS $$ DECLARE genuine boolean; revoking boolean; BEGIN
  ${decideGenuine(authSchema)}
  RETURN CASE WHEN genuine THEN true ELSE ${authSchema}.refuse(seal) END;
END $$`;

const hasIdentityFunction = (
  authSchema: string,
): string => `CREATE FUNCTION ${authSchema}.has_identity(seal text) RETURNS boolean ${judge}
AS $$ DECLARE genuine boolean; revoking boolean; BEGIN
  ${decideGenuine(authSchema)}
  IF NOT genuine AND EXISTS (SELECT FROM ${authSchema}.identity_roles WHERE name = ${roleInForce}) THEN
    RETURN ${authSchema}.refuse(seal);
  END IF;
  RETURN genuine;
END $$`;

// The long way, for the one sentence that says what is wrong with a seal. Raises whatever it finds.
const refuseFunction = (
  authSchema: string,
): string => `CREATE FUNCTION ${authSchema}.refuse(seal text) RETURNS boolean
  LANGUAGE plpgsql VOLATILE PARALLEL RESTRICTED ${fixedPath}
AS $$ DECLARE verdict text := 'forged'; BEGIN
  IF coalesce(seal, '') = '' THEN
    verdict := 'missing';
  ELSIF NOT EXISTS (SELECT FROM ${authSchema}.seal_keys AS key WHERE key.id = split_part(seal, '.', 3)) THEN
    verdict := 'key';
  ELSIF EXISTS (SELECT FROM ${authSchema}.seal_keys AS key WHERE key.id = split_part(seal, '.', 3) AND ${macFits(roleInForce)}) THEN
    IF NOT (${isForThisBackend}) THEN
      verdict := 'connection';
    ELSIF NOT (${isCurrent}) THEN
      verdict := 'time';
    ELSIF ${isRevoked(authSchema)} THEN
      verdict := 'revoked';
    END IF;
  ELSIF EXISTS (SELECT FROM ${authSchema}.seal_keys AS key, ${authSchema}.identity_roles AS other
      WHERE key.id = split_part(seal, '.', 3) AND ${macFits('other.name')}) THEN
    verdict := 'role';
  END IF;
  RAISE EXCEPTION USING ERRCODE = '28000', MESSAGE = CASE verdict
    WHEN 'missing' THEN 'no identity: the transaction carries no seal'
    WHEN 'key' THEN 'no identity: the seal was made with a key that this database does not have'
    WHEN 'role' THEN 'no identity: the seal is for another role'
    WHEN 'connection' THEN 'no identity: the seal is for another connection'
    WHEN 'time' THEN 'no identity: the seal has expired or is not valid yet'
    WHEN 'revoked' THEN 'no identity: the token has been revoked'
    ELSE 'no identity: the seal is not genuine'
  END, HINT = CASE verdict
    WHEN 'missing' THEN 'Send the query through $withAuth or through the gateway.'
    WHEN 'key' THEN 'Compare AUTHORIZE_KEY with the one that drizzle-authorize setup installed in this database.'
    WHEN 'time' THEN 'Compare the clocks of the application and of the database.'
    WHEN 'revoked' THEN 'Sign in again, unless the person is locked out.'
    ELSE 'Somebody tampered with the setting ${sealSetting}.'
  END;
END $$`;

/** A function over the claims of the caller, which begin at a fixed place; `otherwise` for roles that need no identity. */
function claimsReaderIn(authSchema: string) {
  return (signature: string, result: string, expression: string, otherwise = 'NULL'): string =>
    `CREATE FUNCTION ${authSchema}.${signature} RETURNS ${result} ${readerOf}
AS $$ DECLARE seal text := current_setting('${sealSetting}', true); BEGIN
  IF ${authSchema}.has_identity(seal) THEN RETURN ${expression.replace('claims', claimsOf)}; END IF;
  RETURN ${otherwise};
END $$`;
}

const uidFunction = (
  authSchema: string,
): string => `CREATE FUNCTION ${authSchema}.uid() RETURNS uuid ${readerOf}
AS $$ DECLARE id text := ${authSchema}.user_id(); BEGIN
  RETURN CASE WHEN id ~* '^[0-9a-f]{8}(-?[0-9a-f]{4}){4}[0-9a-f]{8}$' THEN id::uuid END;
END $$`;
