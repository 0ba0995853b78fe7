import type { JWK } from 'jose';

interface KeyShape {
  readonly kty: 'RSA' | 'EC' | 'OKP';
  readonly crv?: string;
}

const rsa: KeyShape = { kty: 'RSA' };
const ed25519: KeyShape = { kty: 'OKP', crv: 'Ed25519' };

/** The asymmetric algorithms of RFC 7518 §3.1 and RFC 9864 §2.2, and the shape of key that each one needs. */
const keyShapes: ReadonlyMap<string, KeyShape> = new Map([
  ['RS256', rsa],
  ['RS384', rsa],
  ['RS512', rsa],
  ['PS256', rsa],
  ['PS384', rsa],
  ['PS512', rsa],
  ['ES256', { kty: 'EC', crv: 'P-256' }],
  ['ES384', { kty: 'EC', crv: 'P-384' }],
  ['ES512', { kty: 'EC', crv: 'P-521' }],
  ['EdDSA', ed25519],
  ['Ed25519', ed25519],
]);

/** HMAC algorithms, and the fewest bytes of secret that RFC 7518 §3.2 permits for each. */
const secretBytes: ReadonlyMap<string, number> = new Map([
  ['HS256', 32],
  ['HS384', 48],
  ['HS512', 64],
]);

export const asymmetricAlgorithms: readonly string[] = [...keyShapes.keys()];
export const symmetricAlgorithms: readonly string[] = [...secretBytes.keys()];

/** The fewest bytes that a secret needs to serve all of these algorithms. */
export function fewestSecretBytes(algorithms: readonly string[]): number {
  return Math.max(32, ...algorithms.map((algorithm) => secretBytes.get(algorithm) ?? 0));
}

/** True if the key's type, curve and own `alg` permit this asymmetric algorithm. */
export function keyFits(jwk: JWK, algorithm: string): boolean {
  const shape = keyShapes.get(algorithm);
  return (
    shape !== undefined &&
    jwk.kty === shape.kty &&
    (shape.crv === undefined || jwk.crv === shape.crv) &&
    (jwk.alg === undefined || jwk.alg === algorithm)
  );
}
