import { AuthorizeError } from '../errors.ts';
import { migrationsMissing } from './migrations-missing.ts';
import { assertVersionWithinReach } from './prelude-version.ts';
import { readsLeaveTraces } from './reads-leave-traces.ts';
import { assertServerSupported } from './server-version.ts';

/** What a connection is logged in as, and what is needed to make seals for it. */
export interface Login {
  readonly role: string;
  /** Where what checks seals is. */
  readonly authSchema: string;
  readonly database: string;
  readonly backendPid: number;
  /** Row level security does not bind it: a superuser, BYPASSRLS, or the owner of tables. */
  readonly privileged: boolean;
  /** Functions of the owner's can run where a statement only reads, and leave something on the connection. */
  readonly readsLeaveTraces: boolean;
  /** What this client has for the settings that a pooler keeps for each of its clients. */
  readonly clientSettings: Readonly<Record<string, string>>;
  /** Seconds by which the database's clock is ahead of ours. */
  readonly clockOffsetSeconds: number;
  /** By our clock, in milliseconds since 1970: from then on it is looked at anew, since clocks drift and owners migrate. */
  readonly staleAt: number;
}

const loginLifetimeMs = 600_000;

/**
 * What a driver gives for the row of the inspection. For a boolean it can have been told to give something else: what is not
 * known to be harmless is not.
 */
export interface LoginRow {
  readonly role: string;
  readonly database: string;
  readonly pid: number;
  readonly version: number;
  readonly privileged: unknown;
  readonly reads_leave_traces: unknown;
  /** JSON. */
  readonly client_settings: string;
  readonly now: string;
  readonly installed: unknown;
  /** The comment on the auth schema. */
  readonly prelude: string | null;
}

// What is installed is looked up in the catalog: to_regprocedure() fails for a login that may not look into the schema.
//
// An owner passes row level security by having the owner's privileges, so membership that inherits counts as well.
//
// The settings are those that PostgreSQL reports to a client of its own accord, which is how a pooler knows them.
const inspection = (authSchema: string): string => `
  SELECT session_user AS role, current_database() AS database, pg_backend_pid() AS pid,
    current_setting('server_version_num')::int AS version,
    extract(epoch FROM clock_timestamp())::text AS now,
    (SELECT json_object_agg(name, current_setting(name)) FROM unnest(ARRAY['client_encoding', 'DateStyle', 'TimeZone',
      'standard_conforming_strings', 'application_name']) AS name)::text AS client_settings,
    EXISTS (
      SELECT FROM pg_catalog.pg_proc WHERE proname = 'check' AND proargtypes::text = 'text'::regtype::oid::text
        AND pronamespace = (SELECT oid FROM pg_catalog.pg_namespace WHERE nspname = '${authSchema}')
    ) AS installed,
    obj_description((SELECT oid FROM pg_catalog.pg_namespace WHERE nspname = '${authSchema}'), 'pg_namespace') AS prelude,
    login.rolsuper OR login.rolbypassrls OR EXISTS (
      SELECT FROM pg_catalog.pg_class AS owned
      WHERE owned.relkind IN ('r', 'p') AND owned.relnamespace <> 'pg_catalog'::regnamespace
        AND owned.oid >= 16384 AND pg_has_role(login.oid, owned.relowner, 'USAGE')
    ) AS privileged,
    ${readsLeaveTraces} AS reads_leave_traces
  FROM pg_catalog.pg_roles AS login WHERE login.rolname = session_user`;

/**
 * Looks at a login: one round trip.
 *
 * @param ask runs a statement without parameters, and gives its rows as objects
 * @param authSchema what `parseAuthSchema()` has let pass
 * @throws AuthorizeError `ERR_MIGRATIONS_MISSING` when the auth schema is not there
 * @throws AuthorizeError `ERR_PRELUDE_VERSION`, `ERR_SERVER_UNSUPPORTED`
 */
export async function inspectLogin(
  ask: (text: string) => Promise<readonly LoginRow[]>,
  authSchema: string,
): Promise<Login> {
  const sentAt = Date.now();
  const rows = await ask(inspection(authSchema));
  const receivedAt = Date.now();
  const [row] = rows;
  if (row === undefined) throw new Error('the login has no row in pg_roles');
  assertServerSupported(row.version);
  if (row.installed !== true) {
    throw migrationsMissing(row.database, authSchema);
  }
  assertVersionWithinReach(row.database, row.prelude);
  return {
    role: row.role,
    authSchema,
    database: row.database,
    backendPid: row.pid,
    privileged: row.privileged !== false,
    readsLeaveTraces: row.reads_leave_traces !== false,
    clientSettings: JSON.parse(row.client_settings) as Record<string, string>,
    clockOffsetSeconds: clockOffset(Number(row.now), sentAt / 1000, receivedAt / 1000),
    staleAt: receivedAt + loginLifetimeMs,
  };
}

// The database looked at its clock between the two times. Where its clock may agree with ours, it is taken to: half of
// the way there and back is no measure when a database had to wake up first.
function clockOffset(now: number, sentAt: number, receivedAt: number): number {
  return Math.max(now - receivedAt, Math.min(0, now - sentAt));
}

/**
 * Refuses a login that row level security does not bind, or that is not the identity role itself: on such a connection
 * one statement of the person could leave the role.
 *
 * @param hint what the reader can do about it
 * @throws AuthorizeError `ERR_LOGIN_PRIVILEGED`, `ERR_LOGIN_ROLE`
 */
export function assertLoginIsRole(
  login: Login,
  role: string,
  hint = `connect as '${role}' with the URL that drizzle-authorize setup wrote, or set allowPrivilegedLogin`,
): void {
  if (login.privileged) {
    throw new AuthorizeError(
      'ERR_LOGIN_PRIVILEGED',
      `the login is the role '${login.role}', which row level security does not bind`,
      { hint },
    );
  }
  if (login.role !== role) {
    throw new AuthorizeError('ERR_LOGIN_ROLE', `the login is the role '${login.role}' and not '${role}'`, {
      hint,
    });
  }
}
