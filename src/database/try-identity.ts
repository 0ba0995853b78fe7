import pg from 'pg';

import { AuthorizeError } from '../errors.ts';
import { prologue } from '../session/prologue.ts';
import { createSealKey, parseAuthorizeKey } from '../session/seal-key.ts';
import { seal } from '../session/seal.ts';
import { withConnection } from './connect.ts';
import { assertLoginIsRole, inspectLogin, type LoginRow } from './login.ts';

export interface TryIdentityOptions {
  readonly role: string;
  /** Logs in as the role. */
  readonly url: string;
  /** What messages call the URL. */
  readonly source: string;
  /** `AUTHORIZE_KEY`. */
  readonly key: string;
  readonly authSchema: string;
  /** Each transaction may have another backend. Default: false. */
  readonly pooled?: boolean;
}

/**
 * Tries, once, what every request of a role will do: logs in, is the role and nothing more, and has the database check
 * a seal. No statement of anybody runs.
 *
 * @throws AuthorizeError naming the role: `ERR_DATABASE_UNREACHABLE`, `ERR_LOGIN_ROLE`, `ERR_LOGIN_PRIVILEGED`,
 *   `ERR_MIGRATIONS_MISSING`, `ERR_SERVER_UNSUPPORTED`, `ERR_KEY_NOT_INSTALLED`
 */
export async function tryIdentity({
  role,
  url,
  source,
  key,
  authSchema,
  pooled,
}: TryIdentityOptions): Promise<void> {
  await withConnection(url, `${source} (the role '${role}')`, async (client) => {
    const login = await inspectLogin(
      async (statement) => (await client.query<LoginRow>(statement)).rows,
      authSchema,
    );
    assertLoginIsRole(login, role, `connect as '${role}' with the URL that drizzle-authorize setup wrote`);
    const [newest] = parseAuthorizeKey(key);
    const nowSeconds = Date.now() / 1000 + login.clockOffsetSeconds;
    const { database, backendPid } = login;
    const text = await seal({ role, claims: {} }, await createSealKey(newest), {
      database,
      backendPid: pooled === true ? 0 : backendPid,
      nowSeconds,
    });
    try {
      const { text: statement, values } = prologue(text, { authSchema });
      await client.query(statement, [...values]);
    } catch (error) {
      if (!(error instanceof pg.DatabaseError) || error.code !== '28000') throw error;
      throw new AuthorizeError(
        'ERR_KEY_NOT_INSTALLED',
        `the database '${database}' does not take seals for the role '${role}' (${error.message.replace('no identity: ', '')})`,
        { cause: error, hint: 'drizzle-authorize keys list compares AUTHORIZE_KEY with the database' },
      );
    }
  });
}
