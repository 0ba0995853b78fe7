import { sealSetting } from './seal.ts';

export interface Statement {
  readonly text: string;
  readonly values: readonly string[];
}

/**
 * The statement that puts a seal into a transaction. It checks the seal as well: a prologue that only sets it would
 * let an expired one through to tables whose policy asks for nobody.
 *
 * The seal is a parameter, so that no other session of the same role can read it in `pg_stat_activity`.
 *
 * @param role given only for a login that is not the identity role itself: then the role is set first
 * @returns `select auth.check(set_config('authorize.seal', $1, true))`
 */
export function prologue(seal: string, role?: string): Statement {
  const check = `auth.check(pg_catalog.set_config('${sealSetting}', $1, true))`;
  return role === undefined
    ? { text: `select ${check}`, values: [seal] }
    : { text: `select pg_catalog.set_config('role', $2, true), ${check}`, values: [seal, role] };
}
