import { createLocalJWKSet, importJWK, type JWK, type LocalJWKSet } from 'jose';
import { KeySetError } from '../errors.ts';
import { keyFits } from './algorithm.ts';
import { isPrivateJwk, publicJwk } from './public-jwk.ts';

/**
 * The keys of a provider that can verify one of its algorithms, as jose's selector by `kid` and `alg`.
 *
 * Keys are judged one by one. What cannot be used is left out and does not spoil the others: other key types,
 * encryption keys, broken keys, RSA below 2048 bits, and private keys, which everybody could sign with once they
 * have been published.
 *
 * @throws {KeySetError} ERR_KEY_SET_INVALID if it is no JWK set, or if no key is left
 * @see https://www.rfc-editor.org/rfc/rfc7517#section-5
 */
export async function parseKeySet(
  keySet: unknown,
  provider: { readonly name: string; readonly algorithms: readonly string[] },
): Promise<LocalJWKSet> {
  if (typeof keySet !== 'object' || keySet === null || !('keys' in keySet) || !Array.isArray(keySet.keys)) {
    throw new KeySetError(
      'ERR_KEY_SET_INVALID',
      `the key set of "${provider.name}" is not a JSON Web Key Set`,
    );
  }
  const published: readonly unknown[] = keySet.keys;
  if (published.length === 0) {
    throw new KeySetError('ERR_KEY_SET_INVALID', `the key set of "${provider.name}" has no keys in it`, {
      hint: 'the provider may still sign with a shared secret: switch it to asymmetric keys, or give the secret to customKeys()',
    });
  }
  const usable = await Promise.all(published.map((key) => usableKey(key, provider.algorithms)));
  const keys = usable.filter((key) => key !== undefined);
  if (keys.length === 0) {
    throw new KeySetError(
      'ERR_KEY_SET_INVALID',
      `the key set of "${provider.name}" has no key for ${provider.algorithms.join(', ')}`,
      { hint: 'name the algorithm that the provider signs with in its "algorithms"' },
    );
  }
  return createLocalJWKSet({ keys });
}

async function usableKey(published: unknown, algorithms: readonly string[]): Promise<JWK | undefined> {
  if (typeof published !== 'object' || published === null) return undefined;
  const key = isPrivateJwk(published) ? undefined : publicJwk(published);
  if (key === undefined || !isMeantForSignatures(key)) return undefined;
  const algorithm = algorithms.find((name) => keyFits(key, name));
  if (algorithm === undefined) return undefined;
  try {
    const imported = await importJWK(key, algorithm);
    if (imported instanceof Uint8Array || imported.type !== 'public') return undefined;
    return isStrong(imported.algorithm) ? key : undefined;
  } catch {
    return undefined;
  }
}

function isMeantForSignatures({ kid, alg, use, key_ops }: JWK): boolean {
  return (
    (kid === undefined || typeof kid === 'string') &&
    (alg === undefined || typeof alg === 'string') &&
    (use === undefined || use === 'sig') &&
    (key_ops === undefined || (Array.isArray(key_ops) && key_ops.includes('verify')))
  );
}

function isStrong(algorithm: { readonly name: string; readonly modulusLength?: number }): boolean {
  return algorithm.modulusLength === undefined || algorithm.modulusLength >= 2048;
}
