import { defaultAuthSchema } from '../auth-schema.ts';
import { sealSetting } from './seal.ts';

export interface Statement {
  /** Tells the forms of the prologue apart, where a driver prepares statements. */
  readonly name: string;
  readonly text: string;
  readonly values: readonly string[];
}

export interface PrologueOptions {
  /** Where what checks seals is. Default: `auth`. */
  readonly authSchema?: string;
  /** Given only for a login that is not the identity role itself: then the role is set first. */
  readonly role?: string | undefined;
  /**
   * The very seal was found genuine less than half a minute ago, where it is for: on this very backend, or in the database
   * when it is for every backend. It need not be checked again.
   */
  readonly checked?: boolean;
  /** The backend is one person's as long as it lives: the seal stays behind the transaction, unless that is rolled back. */
  readonly stays?: boolean;
}

/**
 * The statement that puts a seal into a transaction. It checks the seal as well: a prologue that only sets it would
 * let an expired one through to tables whose policy asks for nobody.
 *
 * The seal is a parameter, so that no other session of the same role can read it in `pg_stat_activity`.
 *
 * @returns `select auth.check(set_config('authorize.seal', $1, true))`, or without `auth.check` what is `checked`, and with
 * `false` what `stays`
 */
export function prologue(
  seal: string,
  { authSchema = defaultAuthSchema, role, checked = false, stays = false }: PrologueOptions = {},
): Statement {
  const set = `pg_catalog.set_config('${sealSetting}', $1, ${!stays})`;
  const sealing = checked ? set : `${authSchema}.check(${set})`;
  const name = `drizzle-authorize:${checked ? 'seal' : 'check'}${stays ? ' session' : ''}${authSchema === defaultAuthSchema ? '' : ` ${authSchema}`}`;
  return role === undefined
    ? { name, text: `select ${sealing}`, values: [seal] }
    : {
        name: `${name} as`,
        text: `select pg_catalog.set_config('role', $2, true), ${sealing}`,
        values: [seal, role],
      };
}
