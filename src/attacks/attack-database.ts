import type pg from 'pg';

import { defaultAuthSchema } from '../auth-schema.ts';
import { withConnection } from '../database/connect.ts';
import { quoteIdentifier } from '../database/quote-identifier.ts';
import { tryIdentity } from '../database/try-identity.ts';
import { AuthorizeError } from '../errors.ts';
import type { Attack } from './attack.ts';
import { attacks } from './attacks.ts';
import { answer, failure, type Foothold } from './foothold.ts';
import { handwritten } from './handwritten.ts';
import {
  handwrittenRange,
  rangeMark,
  rangeRows,
  rangeStatements,
  removeRange,
  sealedRange,
} from './range.ts';
import { sealed } from './sealed.ts';
import { tryAttack } from './try-attack.ts';

export interface AttackDatabaseOptions {
  /** The login that serves people. */
  readonly url: string;
  /** Of whoever may make the range in the schema `public`. */
  readonly ownerUrl: string;
  /** The identity role. */
  readonly role: string;
  /** `AUTHORIZE_KEY`; needed where the login is the identity role and the database has the auth schema. */
  readonly key: string | undefined;
  /** The range may be made, and removed again. */
  readonly allowChanges: boolean;
  /** Ends it after the attack at hand; what was made is removed. */
  readonly signal?: AbortSignal;
  /** Called before each attack. */
  readonly onAttack?: (attack: Attack, place: number) => void;
}

export interface AttackReport {
  /** How people's SQL gets to the database: by this package, or as it is written by hand. */
  readonly by: '$withAuth' | 'hand';
  readonly login: string;
  readonly results: readonly AttackResult[];
}

export interface AttackResult {
  readonly attack: Attack;
  readonly outcome: 'stopped' | 'succeeded' | 'not applicable';
  /** Why it is not applicable. */
  readonly reason?: string;
}

/**
 * Tries every attack against a login of a database. What is attacked is a range of tables named `attacked_…`, made as the
 * owner and removed at the end, also after a failure. An attack that could change more than the range and its own connection runs
 * in a transaction that is rolled back.
 *
 * @throws AuthorizeError `ERR_USAGE` when the range is not there and may not be made; `ERR_DATABASE_UNREACHABLE`,
 *   `ERR_KEY_MISSING`, `ERR_KEY_NOT_INSTALLED`, `ERR_LOGIN_ROLE`, `ERR_SETUP_REFUSED`
 */
export async function attackDatabase(options: AttackDatabaseOptions): Promise<AttackReport> {
  const { url, ownerUrl, role } = options;
  return withConnection(url, '--url', async (client) => {
    const login = await inspect(client, role);
    const sealedKey = login.sealed ? keyOf(options) : undefined;
    if (sealedKey !== undefined)
      await tryIdentity({ role, url, source: '--url', key: sealedKey, authSchema: defaultAuthSchema });
    return withConnection(ownerUrl, 'DATABASE_URL', async (owner) => {
      await owner.query('SET search_path = public');
      await refuseToChange(owner, options.allowChanges);
      const open = (end: 'COMMIT' | 'ROLLBACK'): Foothold =>
        sealedKey === undefined
          ? handwritten(url, { role: login.name === role ? null : role, end })
          : sealed(url, { role, key: sealedKey, end });
      try {
        await makeRange(owner, options, login);
        await assertFair(open);
        const results: AttackResult[] = [];
        for (const [place, attack] of attacks.entries()) {
          options.signal?.throwIfAborted();
          options.onAttack?.(attack, place);
          results.push(await attempt(attack, open, { owner, url, login }));
        }
        return { by: sealedKey === undefined ? 'hand' : '$withAuth', login: login.name, results };
      } finally {
        await transaction(owner, removeRange);
      }
    });
  });
}

interface Login {
  readonly name: string;
  /** It is the identity role, in a database with the auth schema. */
  readonly sealed: boolean;
  /** A role that it may become and that passes policies by, of a name that needs no quotes. */
  readonly service: string | null;
  readonly version: number;
}

async function inspect(client: pg.Client, role: string): Promise<Login> {
  const { rows } = await client.query<Login>(
    `SELECT session_user AS name, current_setting('server_version_num')::int / 10000 AS version,
      session_user = $1 AND EXISTS (SELECT FROM pg_catalog.pg_proc WHERE proname = 'check'
        AND pronamespace = (SELECT oid FROM pg_catalog.pg_namespace WHERE nspname = 'auth')) AS sealed,
      (SELECT rolname FROM pg_catalog.pg_roles WHERE rolname NOT IN (session_user, $1) AND (rolbypassrls OR rolsuper)
        AND pg_has_role(session_user, oid, 'MEMBER') AND rolname ~ '^[a-z_][a-z0-9_]*$' ORDER BY rolsuper LIMIT 1) AS service`,
    [role],
  );
  const [row] = rows;
  if (row === undefined) throw new Error('no row from the database');
  return row;
}

function keyOf({ key }: AttackDatabaseOptions): string {
  if (key !== undefined && key !== '') return key;
  throw new AuthorizeError(
    'ERR_KEY_MISSING',
    'AUTHORIZE_KEY is not set, and this login takes sealed identities',
    {
      hint: 'set it to the key that the application has',
    },
  );
}

async function refuseToChange(owner: pg.Client, allowed: boolean): Promise<void> {
  const { rows } = await owner.query<{ taken: boolean }>(
    `SELECT EXISTS (SELECT FROM pg_catalog.pg_class WHERE relname LIKE 'attacked\\_%' AND relnamespace = 'public'::regnamespace)
      AND obj_description(to_regclass('public.attacked_notes'), 'pg_class') IS DISTINCT FROM $1 AS taken`,
    [rangeMark],
  );
  if (rows[0]?.taken === true) {
    throw new AuthorizeError(
      'ERR_USAGE',
      'the schema public has something of yours that is named attacked_…, as what is attacked would be',
      { hint: 'rename it, or attack a copy of the database' },
    );
  }
  if (allowed) return;
  throw new AuthorizeError(
    'ERR_USAGE',
    'what is attacked has to be made first: tables, views and functions named attacked_… in the schema public, which are removed at the end',
    { hint: 'pass --allow-changes, best on a copy of the database' },
  );
}

async function makeRange(owner: pg.Client, { role }: AttackDatabaseOptions, login: Login): Promise<void> {
  // Privileges beyond these come from the database's own defaults, as they would for a table of the application.
  const range = { ...(login.sealed ? sealedRange : handwrittenRange), grants: 'derived' } as const;
  const service = login.service === null ? [] : [quoteIdentifier(login.service)];
  try {
    await transaction(owner, [
      ...rangeStatements({ ...range, role: quoteIdentifier(role) }),
      ...service.map((name) => `GRANT SELECT ON attacked_notes TO ${name}`),
    ]);
  } catch (error) {
    throw new AuthorizeError('ERR_SETUP_REFUSED', `what is attacked could not be made: ${failure(error)}`, {
      cause: error,
      hint: 'DATABASE_URL has to be the connection of a role that may create tables in the schema public',
    });
  }
}

/** Where the login cannot do what it should, nothing that it cannot do has been stopped. */
async function assertFair(open: (end: 'COMMIT' | 'ROLLBACK') => Foothold): Promise<void> {
  const foothold = open('ROLLBACK');
  try {
    const sql = ['select body from attacked_notes'];
    const own = await foothold.take({ by: 'alice', sql }, 'together').catch(failure);
    if (own.includes('alicesecret')) return;
    throw new AuthorizeError(
      'ERR_LOGIN_ROLE',
      `the login cannot read rows of its own, so that no attack would prove anything: ${own}`,
      { hint: 'pass --role with the role that people have, and --url with the login of the application' },
    );
  } finally {
    await foothold.close();
  }
}

async function attempt(
  attack: Attack,
  open: (end: 'COMMIT' | 'ROLLBACK') => Foothold,
  { owner, url, login }: { readonly owner: pg.Client; readonly url: string; readonly login: Login },
): Promise<AttackResult> {
  const reason = reasonToSkip(attack, login);
  if (reason !== undefined) return { attack, outcome: 'not applicable', reason };
  const foothold = open(attack.lasting === true ? 'ROLLBACK' : 'COMMIT');
  try {
    const { succeeded } = await withConnection(url, '--url', async (bystander) => {
      await bystander.query(`select 'of the bystander'`);
      return tryAttack(attack, foothold, 'together', {
        service: login.service ?? 'nobody',
        bystander: (bystander as unknown as { readonly processID: number }).processID,
        asOwner: async (statements) => {
          let rows: unknown = [];
          for (const statement of statements) ({ rows } = await owner.query(statement));
          return answer(rows);
        },
      });
    });
    return { attack, outcome: succeeded ? 'succeeded' : 'stopped' };
  } finally {
    await foothold.close();
    await transaction(owner, rangeRows);
  }
}

function reasonToSkip({ since = 15, needs, lasting, turns }: Attack, { version }: Login): string | undefined {
  if (version < since) return `from PostgreSQL ${since} on`;
  if (needs !== undefined) return `needs ${needs}`;
  // What the first turn does would be taken back before the next.
  if (lasting === true && turns.length > 1) return 'would change what cannot be rolled back';
  return undefined;
}

async function transaction(client: pg.Client, statements: readonly string[]): Promise<void> {
  await client.query('BEGIN');
  try {
    await client.query(`SET LOCAL lock_timeout = '5s'`);
    for (const statement of statements) await client.query(statement);
    await client.query('COMMIT');
  } catch (error) {
    await client.query('ROLLBACK');
    throw error;
  }
}
