import { randomBytes } from 'node:crypto';
import pg from 'pg';

import { defaultAuthSchema } from '../auth-schema.ts';
import { AuthorizeError } from '../errors.ts';
import { createSealKey, parseAuthorizeKey } from '../session/seal-key.ts';
import { withOwnerTransaction, type OwnerDatabase } from './owner-transaction.ts';
import { quoteIdentifier } from './quote-identifier.ts';
import { quoteLiteral } from './quote-literal.ts';
import { scramVerifier } from './scram.ts';
import { installedKeys, installKeys, type InstalledKeys } from './seal-keys.ts';
import { roleMarkPrefix } from './taken.ts';
import { urlVariable } from './url-variable.ts';

export interface SetupOptions extends OwnerDatabase {
  /** `AUTHORIZE_KEY`: one key, or several separated by commas, newest first. All are installed, all others removed. */
  readonly key: string;
  /** The key was made just now: refused where the database has one already, which would be lost. */
  readonly keyIsNew?: boolean;
  /** The connection URL of a role as known from an earlier run, if any. One that still works is kept. */
  readonly knownUrl?: (role: string) => string | undefined;
  /** Give every identity role a new password, also where the known one works. */
  readonly rotatePasswords?: boolean;
  /** Take a role over that is another database's, or that somebody else lets log in. */
  readonly takeOverRoles?: boolean;
  /** Called inside the transaction, with what is about to become true: the last chance to fail. */
  readonly beforeCommit?: (report: SetupReport) => Promise<void>;
}

export interface SetupReport {
  readonly database: string;
  readonly keys: InstalledKeys;
  readonly roles: readonly RoleReport[];
}

interface RoleReport {
  readonly role: string;
  /** Logs in as the role; holds its password. */
  readonly url: string;
  readonly password: 'kept' | 'set';
}

/**
 * Makes a migrated database ready for identities: installs the sealing keys, and lets each identity role log in with a
 * random password of its own. Runs in one transaction; running it again changes nothing.
 *
 * Emits `INSERT INTO auth.seal_keys`, `ALTER ROLE … LOGIN PASSWORD '<SCRAM verifier>'`, `COMMENT ON ROLE`,
 * `GRANT CONNECT ON DATABASE`.
 *
 * @throws AuthorizeError `ERR_DATABASE_UNREACHABLE`, `ERR_MIGRATIONS_MISSING`, `ERR_SCHEMA_TAKEN`, `ERR_KEY_MISSING`, `ERR_KEY_INVALID`,
 *   `ERR_ROLE_TAKEN`, `ERR_PASSWORD_UNKNOWN`, `ERR_SETUP_REFUSED`, `ERR_SERVER_UNSUPPORTED`
 */
export async function setup(options: SetupOptions): Promise<SetupReport> {
  const secrets = parseAuthorizeKey(options.key);
  const { authSchema = defaultAuthSchema } = options;
  return withOwnerTransaction(options, async (client, database) => {
    if (options.keyIsNew === true) await refuseToReplaceKeys(client, authSchema);
    const keys = await installKeys(client, await Promise.all(secrets.map(createSealKey)), authSchema);
    const roles: RoleReport[] = [];
    for (const role of await identityRoles(client, authSchema)) {
      roles.push(await letLogIn(client, role, database, options));
    }
    const report: SetupReport = { database, keys, roles };
    await options.beforeCommit?.(report);
    return report;
  });
}

async function refuseToReplaceKeys(client: pg.Client, authSchema: string): Promise<void> {
  if ((await installedKeys(client, authSchema)).length === 0) return;
  throw new AuthorizeError(
    'ERR_KEY_MISSING',
    'AUTHORIZE_KEY is not set, and the database already has a sealing key',
    {
      hint: `set AUTHORIZE_KEY to the key in use; to start anew, delete the rows of ${authSchema}.seal_keys first`,
    },
  );
}

/** The identity roles that the migrations declared, sorted. */
export async function identityRoles(client: pg.Client, authSchema: string): Promise<readonly string[]> {
  const { rows } = await client.query<{ name: string }>(
    `SELECT name FROM ${authSchema}.identity_roles ORDER BY name`,
  );
  return rows.map(({ name }) => name);
}

interface RoleRow {
  readonly canLogin: boolean;
  readonly privileged: boolean;
  readonly comment: string | null;
}

async function letLogIn(
  client: pg.Client,
  role: string,
  database: string,
  options: SetupOptions,
): Promise<RoleReport> {
  const state = await inspectRole(client, role);
  if (state.privileged) {
    throw new AuthorizeError(
      'ERR_SETUP_REFUSED',
      `the role '${role}' is a superuser or has BYPASSRLS, so that no policy would bind it`,
      { hint: `ALTER ROLE ${quoteIdentifier(role)} NOSUPERUSER NOBYPASSRLS` },
    );
  }
  const known = options.knownUrl?.(role);
  if (known !== undefined && options.rotatePasswords !== true && (await logsIn(known, role, client))) {
    return { role, url: known, password: 'kept' };
  }

  const mark = markOf(database);
  const ours = state.comment === mark;
  const othersMark = !ours && state.comment?.startsWith(roleMarkPrefix) === true;
  if ((othersMark || (state.canLogin && !ours)) && options.takeOverRoles !== true) {
    throw new AuthorizeError(
      'ERR_ROLE_TAKEN',
      othersMark
        ? `the role '${role}' belongs to another database of this cluster, which would lose its login`
        : `the role '${role}' can already log in, with a password that somebody else gave it`,
      { hint: `give the URL that works as ${urlVariable(role)}, or pass --take-over-roles` },
    );
  }
  if (state.canLogin && ours && options.rotatePasswords !== true) {
    throw new AuthorizeError(
      'ERR_PASSWORD_UNKNOWN',
      `the role '${role}' has a password that is not known here`,
      {
        hint: `give its URL as ${urlVariable(role)}, or pass --rotate-passwords to set a new one`,
      },
    );
  }

  const password = randomBytes(24).toString('base64url');
  await permitted(`let the role '${role}' log in`, async () => {
    await setPassword(client, role, password);
    await client.query(`COMMENT ON ROLE ${quoteIdentifier(role)} IS ${quoteLiteral(mark)}`);
    await client.query(`GRANT CONNECT ON DATABASE ${quoteIdentifier(database)} TO ${quoteIdentifier(role)}`);
  });
  return { role, url: urlFor(options.ownerUrl, role, password), password: 'set' };
}

async function inspectRole(client: pg.Client, role: string): Promise<RoleRow> {
  const { rows } = await client.query<RoleRow>(
    `SELECT rolcanlogin AS "canLogin", rolsuper OR rolbypassrls AS privileged,
      shobj_description(oid, 'pg_authid') AS comment
    FROM pg_catalog.pg_roles WHERE rolname = $1`,
    [role],
  );
  const [row] = rows;
  if (row === undefined) {
    throw new AuthorizeError('ERR_MIGRATIONS_MISSING', `the role '${role}' does not exist in this cluster`, {
      hint: 'the database may have been copied here without its roles: create it with NOLOGIN and run setup again',
    });
  }
  return row;
}

// A host can insist on seeing the password, to judge it: then it gets it.
async function setPassword(client: pg.Client, role: string, password: string): Promise<void> {
  const alter = (secret: string): string =>
    `ALTER ROLE ${quoteIdentifier(role)} LOGIN PASSWORD ${quoteLiteral(secret)}`;
  await client.query('SAVEPOINT password');
  try {
    await client.query(alter(scramVerifier(password)));
  } catch (error) {
    if (error instanceof pg.DatabaseError && error.code === '42501') throw error;
    await client.query('ROLLBACK TO SAVEPOINT password');
    await client.query(alter(password));
  }
}

async function permitted(what: string, work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    if (!(error instanceof pg.DatabaseError)) throw error;
    // The statement holds a verifier, and Postgres' message could quote it: only the code goes on.
    throw new AuthorizeError(
      'ERR_SETUP_REFUSED',
      `the host does not permit to ${what} (${error.code ?? 'no code'})`,
      {
        hint: `run setup as the role that created it, or as a superuser of the cluster`,
      },
    );
  }
}

// The URL must lead to this very database and not to one of the same name somewhere else.
const whereabouts = `SELECT session_user AS role, pg_postmaster_start_time()::text AS started,
  (SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database())::text AS database`;

interface Whereabouts {
  readonly role: string;
  readonly started: string;
  readonly database: string;
}

async function logsIn(url: string, role: string, owner: pg.Client): Promise<boolean> {
  if (!URL.canParse(url)) return false;
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 10_000 });
  client.on('error', () => {});
  try {
    await client.connect();
    const [there, here] = await Promise.all(
      [client, owner].map((each) => each.query<Whereabouts>(whereabouts)),
    );
    const [a, b] = [there?.rows[0], here?.rows[0]];
    return a?.role === role && a.started === b?.started && a.database === b.database;
  } catch {
    return false;
  } finally {
    await client.end().catch(() => {});
  }
}

function markOf(database: string): string {
  return `${roleMarkPrefix}${database}`;
}

function urlFor(ownerUrl: string, role: string, password: string): string {
  const url = new URL(ownerUrl);
  url.username = encodeURIComponent(role);
  url.password = password;
  return url.href;
}
