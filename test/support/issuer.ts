import { exportJWK, generateKeyPair, SignJWT, type JWTPayload } from 'jose';

import { customKeys, type Provider } from '../../src/jwt/index.ts';

/** A provider with a key of its own, which signs whatever it is asked to. */
export interface TestIssuer {
  readonly provider: Provider;
  /** A token that the provider accepts, unless the claims say otherwise. */
  token(subject: string, claims?: JWTPayload): Promise<string>;
}

export async function createIssuer(
  name = 'https://id.example',
  roles = ['authenticated'],
): Promise<TestIssuer> {
  const { publicKey, privateKey } = await generateKeyPair('ES256');
  const provider = customKeys({
    keys: { ...(await exportJWK(publicKey)), kid: 'test', alg: 'ES256', use: 'sig' },
    issuer: name,
    audience: 'todos',
    algorithms: ['ES256'],
    roles,
  });
  return {
    provider,
    token: (subject, claims = {}) =>
      new SignJWT({ sub: subject, iss: name, aud: 'todos', ...claims })
        .setProtectedHeader({ alg: 'ES256', kid: 'test' })
        .setIssuedAt()
        .setExpirationTime(claims.exp ?? '10m')
        .sign(privateKey),
  };
}
