import type { JSONWebKeySet, JWK } from 'jose';
import { type Provider, type ProviderOptions, providerOptionNames, toProvider } from './provider.ts';
import { publicJwk } from './public-jwk.ts';
import { refuseUnknownOptions } from './refuse-unknown-options.ts';
import { spkiToJwk } from './spki-to-jwk.ts';

/** What {@link customKeys} takes. */
export interface CustomKeysOptions extends ProviderOptions {
  /**
   * The keys that tokens are verified with: a public JWK, a JWK set, a public key as PEM
   * (`-----BEGIN PUBLIC KEY-----`), or a secret of at least 32 random bytes (48 for HS384, 64 for HS512). Of a
   * private JWK only the public half is kept; the secret is copied.
   */
  readonly keys: JWK | JSONWebKeySet | string | { readonly secret: Uint8Array };
  /**
   * Default: `['HS256']` for a secret, `['RS256', 'ES256']` for a JWK or a JWK set. Exactly one for PEM, which does
   * not say what it is for.
   */
  readonly algorithms?: readonly string[] | undefined;
  /** Default: `custom keys`. */
  readonly name?: string | undefined;
}

/**
 * A provider for an application that signs its own tokens. The keys are part of the program, so a key is replaced
 * by giving both in one set for as long as old tokens live.
 *
 * @returns a frozen provider for {@link createVerifier}
 * @throws {TypeError} naming the option that is missing, unknown or wrong; never quoting a key
 * @example
 * const ours = customKeys({
 *   keys: process.env.JWT_PUBLIC_KEY!,
 *   algorithms: ['ES256'],
 *   issuer: 'https://app.example',
 * });
 * @see https://www.rfc-editor.org/rfc/rfc7518#section-3.2
 */
export function customKeys(options: CustomKeysOptions): Provider {
  refuseUnknownOptions('customKeys', options, ['keys', ...providerOptionNames]);
  const { keys, algorithms } = options;
  const name = 'custom keys';
  if (typeof keys === 'string') {
    if (!Array.isArray(algorithms) || algorithms.length !== 1) {
      throw new TypeError('customKeys(): "algorithms" must name exactly one for a PEM key');
    }
    const publicKeys = toPublicKeySet([pemToJwk(keys)]);
    return toProvider('customKeys', { jwks: publicKeys }, options, { name, algorithms });
  }
  if (typeof keys !== 'object' || keys === null) {
    throw new TypeError('customKeys(): "keys" must be a JWK, a JWK set, a PEM public key or { secret }');
  }
  if ('secret' in keys) {
    return toProvider('customKeys', { secret: toSecret(keys.secret) }, options, {
      name,
      algorithms: ['HS256'],
    });
  }
  const publicKeys = toPublicKeySet('keys' in keys ? keys.keys : [keys]);
  return toProvider('customKeys', { jwks: publicKeys }, options, { name, algorithms: ['RS256', 'ES256'] });
}

function pemToJwk(pem: string): JWK {
  try {
    return spkiToJwk(pem);
  } catch {
    throw new TypeError(
      'customKeys(): "keys" as text must be one PEM public key ("-----BEGIN PUBLIC KEY-----") of RSA, P-256, P-384, P-521 or Ed25519',
    );
  }
}

function toPublicKeySet(jwks: unknown): JSONWebKeySet {
  if (!Array.isArray(jwks) || jwks.length === 0) {
    throw new TypeError('customKeys(): "keys" must have at least one key');
  }
  const keys = jwks.map((jwk: unknown) => {
    if (typeof jwk !== 'object' || jwk === null)
      throw new TypeError('customKeys(): "keys" must be made of JWKs');
    if ('kty' in jwk && jwk.kty === 'oct') {
      throw new TypeError(
        'customKeys(): "keys" takes a secret as { secret: Uint8Array }, not as an "oct" JWK',
      );
    }
    const key = publicJwk(jwk);
    if (key === undefined) {
      throw new TypeError('customKeys(): "keys" must be complete JWKs of type RSA, EC or OKP');
    }
    return Object.freeze(key);
  });
  return Object.freeze({ keys: Object.freeze(keys) as typeof keys }); // jose's type knows no readonly lists
}

function toSecret(secret: unknown): Uint8Array<ArrayBuffer> {
  if (!(secret instanceof Uint8Array)) {
    throw new TypeError('customKeys(): "keys.secret" must be a Uint8Array; decode it if it is text');
  }
  // A public key as the secret lets everybody sign.
  if (new TextDecoder().decode(secret.subarray(0, 16)).trimStart().startsWith('-----BEGIN')) {
    throw new TypeError('customKeys(): "keys.secret" is a PEM key; give it as text and name its algorithm');
  }
  return new Uint8Array(secret);
}
