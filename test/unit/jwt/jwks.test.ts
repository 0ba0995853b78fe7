import { describe, expect, it } from 'vitest';
import { jwks } from '../../../src/jwt/index.ts';

const url = 'https://login.acme.test/.well-known/jwks.json';
const issuer = 'https://login.acme.test/';

describe('jwks', () => {
  it('returns a frozen value with these defaults', () => {
    const provider = jwks({ url, issuer });
    expect(provider).toEqual({
      name: 'login.acme.test',
      keys: { jwksUrl: new URL(url) },
      issuers: [issuer],
      audiences: null,
      algorithms: ['RS256', 'ES256'],
      roles: ['authenticated'],
      roleFrom: null,
      userIdClaim: 'sub',
      organizationClaims: [],
      organizationForm: 'text',
      organizationsClaim: null,
      roleClaims: [],
      maxLifetimeSeconds: null,
      rules: [],
    });
    for (const value of [provider, provider.keys, provider.issuers, provider.algorithms, provider.roles]) {
      expect(Object.isFrozen(value)).toBe(true);
    }
  });

  it('takes lists, and null for an issuer that is not checked', () => {
    expect(
      jwks({ url: new URL(url), issuer: null, audience: ['web', 'app'], algorithms: ['EdDSA', 'Ed25519'] }),
    ).toMatchObject({ issuers: [], audiences: ['web', 'app'], algorithms: ['EdDSA', 'Ed25519'] });
  });

  it.each([
    'http://localhost:1/k',
    'http://127.0.0.1/k',
    'http://127.9.9.9/k',
    'http://127.1/k',
    'http://[::1]:8/k',
  ])('takes http on the loopback address %s', (loopback) => {
    expect(jwks({ url: loopback, issuer })).toMatchObject({ issuers: [issuer] });
  });

  it.each([
    'http://login.acme.test/k',
    'http://127.0.0.1.evil.test/k',
    'http://localhost.evil.test/k',
    'http://0.0.0.0/k',
    'http://10.0.0.1/k',
    'http://[::2]/k',
    'ftp://127.0.0.1/k',
    'file:///etc/passwd',
    'data:application/json,{}',
    'https://user@login.acme.test/k',
    'https://:pass@login.acme.test/k',
    '/jwks.json',
    '',
    7,
    null,
    undefined,
  ])('refuses the URL %s without quoting it', (wrong) => {
    // @ts-expect-error a program in JavaScript can pass anything
    const make = (): unknown => jwks({ url: wrong, issuer });
    expect(make).toThrow(TypeError);
    expect(make).toThrow(/"url"/);
    if (typeof wrong === 'string' && wrong !== '') expect(make).not.toThrow(wrong);
  });

  it.each([
    ['issuer', {}],
    ['issuer', { issuer: undefined }],
    ['issuer', { issuer: 7 }],
    ['issuer', { issuer: [''] }],
    ['audience', { issuer, audience: null }],
    ['audience', { issuer, audience: [] }],
    ['algorithms', { issuer, algorithms: ['none'] }],
    ['algorithms', { issuer, algorithms: ['RS256', 'HS256'] }],
    ['algorithms', { issuer, algorithms: ['RSA-OAEP'] }],
    ['algorithms', { issuer, algorithms: 'RS256' }],
    ['algorithms', { issuer, algorithms: [] }],
    ['roles', { issuer, roles: 'authenticated' }],
    ['roles', { issuer, roles: [''] }],
    ['name', { issuer, name: 7 }],
    ['roleFrom', { issuer, roleFrom: '' }],
    ['userIdClaim', { issuer, userIdClaim: 7 }],
    ['maxLifetimeSeconds', { issuer, maxLifetimeSeconds: 0 }],
    ['maxLifetimeSeconds', { issuer, maxLifetimeSeconds: 1.5 }],
    ['audiences', { issuer, audiences: 'app' }],
    ['keys', { issuer, keys: [] }],
  ])('names %s when that is wrong in %j', (option, wrong) => {
    // @ts-expect-error a program in JavaScript can pass anything
    const make = (): unknown => jwks({ url, ...wrong });
    expect(make).toThrow(TypeError);
    expect(make).toThrow(new RegExp(`"${option}"`));
  });

  it('refuses to be called without options', () => {
    // @ts-expect-error as above
    expect(() => jwks()).toThrow(TypeError);
  });
});
