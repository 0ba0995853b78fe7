import type { JWK } from 'jose';

const privateMembers = ['d', 'p', 'q', 'dp', 'dq', 'qi', 'oth', 'k', 'priv'];

export function isPrivateJwk(jwk: JWK): boolean {
  return privateMembers.some((member) => Object.hasOwn(jwk, member));
}

/**
 * The public half of an RSA, EC or Ed25519 key, or undefined if there is none.
 *
 * The members are listed one by one, so that nothing private and nothing unknown comes along. An Ed25519 key loses
 * its `alg`: the algorithm has two names (`EdDSA`, and `Ed25519` since RFC 9864), providers publish one in the key
 * and write the other into the token, and the list of the provider decides anyway.
 */
export function publicJwk(jwk: JWK): JWK | undefined {
  const { kty, kid, alg, use, key_ops, n, e, crv, x, y } = jwk;
  // A private key says what the private half may do ("sign").
  const operations = isPrivateJwk(jwk) ? undefined : key_ops;
  const common: JWK = {
    ...(kid === undefined ? {} : { kid }),
    ...(use === undefined ? {} : { use }),
    ...(operations === undefined ? {} : { key_ops: operations }),
  };
  const named: JWK = alg === undefined ? common : { ...common, alg };
  if (kty === 'RSA' && typeof n === 'string' && typeof e === 'string') return { ...named, kty, n, e };
  if (typeof crv !== 'string' || typeof x !== 'string') return undefined;
  if (kty === 'EC' && typeof y === 'string') return { ...named, kty, crv, x, y };
  if (kty !== 'OKP') return undefined;
  return alg === 'EdDSA' || alg === 'Ed25519' ? { ...common, kty, crv, x } : { ...named, kty, crv, x };
}
