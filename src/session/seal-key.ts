import { AuthorizeError } from '../errors.ts';
import { nodeCrypto } from '../node-crypto.ts';
import { bytesOf, toHex } from './bytes.ts';
import { createMac } from './mac.ts';

/** A key that makes seals. Its bytes stay inside. */
export interface SealKey {
  /** Tells keys apart, and nothing about them; 16 hexadecimal digits. */
  readonly id: string;
  /** HMAC-SHA-256. */
  sign(message: Uint8Array<ArrayBuffer>): Uint8Array | Promise<Uint8Array>;
  /** What Postgres needs to check seals: RFC 2104's inner and outer pad, 64 bytes each. As secret as the key. */
  pads(): { readonly inner: Uint8Array; readonly outer: Uint8Array };
}

const keyBytes = 32;
const blockBytes = 64;

/** The secrets that `AUTHORIZE_KEY` holds, newest first; 32 bytes each. */
export type AuthorizeSecrets = readonly [Secret, ...Secret[]];
type Secret = Uint8Array<ArrayBuffer>;

/**
 * Reads `AUTHORIZE_KEY`: one key, or several separated by commas, newest first. The first makes seals; setup installs
 * all of them, so that seals of the older ones stay good while applications change over.
 *
 * @throws AuthorizeError `ERR_KEY_MISSING`, `ERR_KEY_INVALID`
 */
export function parseAuthorizeKey(value: string | undefined): AuthorizeSecrets {
  if (value === undefined || value.trim() === '') {
    throw new AuthorizeError('ERR_KEY_MISSING', 'AUTHORIZE_KEY is not set', {
      hint: 'run drizzle-authorize setup --write-env .env, which makes one, and load that file',
    });
  }
  const [first, ...rest] = value.split(',').map((key) => decodeSecret(key.trim()));
  if (first === undefined) throw invalidKey();
  return [first, ...rest];
}

/**
 * The key that makes and checks seals. It is derived from the secret (HMAC, by purpose and version), so that what
 * the database holds is not the secret itself.
 */
export async function createSealKey(secret: Secret): Promise<SealKey> {
  const derived = await (await createMac(secret, nodeCrypto))(bytesOf('drizzle-authorize seal key 1'));
  const sign = await createMac(derived, nodeCrypto);
  const id = await sign(bytesOf('drizzle-authorize seal key id'));
  return {
    id: toHex(id.subarray(0, 8)),
    sign,
    pads: () => ({ inner: pad(derived, 0x36), outer: pad(derived, 0x5c) }),
  };
}

/** Makes a new value for `AUTHORIZE_KEY`: 32 random bytes in base64url. */
export function generateAuthorizeKey(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(keyBytes));
  return btoa(String.fromCharCode(...bytes))
    .replaceAll('+', '-')
    .replaceAll('/', '_')
    .replaceAll('=', '');
}

function decodeSecret(encoded: string): Secret {
  // 32 bytes are 43 digits of base64url, with or without padding.
  if (!/^[A-Za-z0-9_-]{43}=?$/u.test(encoded)) throw invalidKey();
  const bytes = atob(encoded.replaceAll('-', '+').replaceAll('_', '/').slice(0, 43));
  const key = Uint8Array.from(bytes, (character) => character.charCodeAt(0));
  if (new Set(key).size < 8) throw invalidKey();
  return key;
}

function invalidKey(): AuthorizeError {
  return new AuthorizeError(
    'ERR_KEY_INVALID',
    'AUTHORIZE_KEY is not 32 random bytes in base64url, or a list of such separated by commas',
  );
}

function pad(key: Uint8Array, filler: number): Uint8Array {
  return Uint8Array.from({ length: blockBytes }, (_, index) => (key[index] ?? 0) ^ filler);
}
