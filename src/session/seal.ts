import { AuthorizeError } from '../errors.ts';
import { bytesOf, toHex } from './bytes.ts';
import type { Identity } from './identity.ts';
import type { SealKey } from './seal-key.ts';

/** The setting that carries a seal through one transaction. */
export const sealSetting = 'authorize.seal';

/** What the MAC says it is for, so that it can stand for nothing else; part of the format's version. */
export const sealContext = 'drizzle-authorize seal 1';

/** The claims begin behind so many characters: the MAC's 64, a dot, and a header whose parts have fixed widths. */
export const sealHeaderLength = 117;

/** A seal opens one transaction that starts within this time. Postgres refuses a longer one. */
export const sealLifetimeSeconds = 60;

// JSON.stringify escapes a NUL and half of a surrogate pair; a backslash in the text itself is doubled.
const unstorable = /(?<!\\)(?:\\\\)*\\u(?:0000|d[89a-f])/u;

export interface SealOptions {
  /** The database that the seal is for. */
  readonly database: string;
  /**
   * The process id of the backend that the seal is for, or 0 for any.
   * Use 0 behind a transaction pooler only, which hands out process ids of its own.
   */
  readonly backendPid: number;
  /** The time by the database's clock, in seconds since 1970. */
  readonly nowSeconds: number;
}

/**
 * Seals an identity: text that Postgres can check and that nobody else can make. It holds the claims, when it was
 * made and until when it opens a transaction; the MAC also covers the role and the database, which Postgres knows itself.
 *
 * @returns `<mac>.<version>.<key>.<issued>.<expires>.<pid>.<claims>`
 * @throws AuthorizeError `ERR_IDENTITY_INVALID` when role or `sub` is not a string, or a claim has a character that
 *   Postgres cannot hold
 * @throws AuthorizeError `ERR_TOKEN_EXPIRED` when the identity has expired
 * @see RFC 2104 (HMAC)
 */
export async function seal(identity: Identity, key: SealKey, options: SealOptions): Promise<string> {
  const { role, claims, expiresAt = Infinity } = identity;
  if (typeof role !== 'string' || role === '') {
    throw new AuthorizeError('ERR_IDENTITY_INVALID', 'the identity names no role');
  }
  if (claims.sub !== undefined && (typeof claims.sub !== 'string' || claims.sub === '')) {
    throw new AuthorizeError(
      'ERR_IDENTITY_INVALID',
      'the claim sub is not a string with at least one character',
    );
  }
  if (Number.isNaN(expiresAt)) {
    throw new AuthorizeError('ERR_IDENTITY_INVALID', 'the expiry of the identity is not a number of seconds');
  }
  const written = JSON.stringify(claims);
  if (unstorable.test(written)) {
    throw new AuthorizeError('ERR_IDENTITY_INVALID', 'a claim has a character that Postgres cannot hold');
  }
  const issued = Math.floor(options.nowSeconds);
  // A seal is for whole seconds. Upwards: in its last second the identity is still good.
  const expires = Math.min(issued + sealLifetimeSeconds, Math.ceil(expiresAt));
  if (options.nowSeconds >= expiresAt) {
    throw new AuthorizeError('ERR_TOKEN_EXPIRED', 'the identity has expired');
  }

  const times = [issued, expires, options.backendPid].map((number) => String(number).padStart(10, '0'));
  const signed = [1, key.id, ...times, written].join('.');
  // No part but the last can hold a NUL, and JSON holds none either: the parts cannot be taken for one another.
  const mac = await key.sign(bytesOf([sealContext, options.database, role, signed].join('\0')));
  return `${toHex(mac)}.${signed}`;
}
