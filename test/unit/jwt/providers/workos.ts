import { workos, type WorkosOptions } from '../../../../src/jwt/index.ts';
import { audience, certificate, claim, type Conformance, issuer, now } from './conformance.ts';

const clientId = 'client_01HBEQKA6K4QJAS93VPE39W1JT';
const userId = 'user_01HBEQKA6K4QJAS93VPE39W1JU';

export const workosCase: Conformance = {
  preset: workos,
  options: { clientId } satisfies WorkosOptions,
  keySetUrl: `https://api.workos.com/sso/jwks/${clientId}`,
  algorithm: 'RS256',
  keySet: (key) => ({
    keys: [{ alg: 'RS256', use: 'sig', x5c: [certificate], 'x5t#S256': 'eg', ...key }],
  }),
  header: { kid: 'sso_oidc_key_pair_01HBEQ' },
  claims: {
    iss: 'https://api.workos.com',
    sub: userId,
    sid: 'session_01HQSX',
    jti: '01HQSX',
    org_id: 'org_01HRDM',
    role: 'member',
    roles: ['member'],
    permissions: ['posts:read'],
    entitlements: [],
    exp: now + 300,
    iat: now,
  },
  userId,
  refused: {
    'a token without session, as of an agent': { claims: { sid: undefined, aud: clientId }, code: claim },
    'a token of something else than a user': { claims: { sub: clientId }, code: claim },
    'a token of another client': {
      claims: { iss: 'https://api.workos.com/user_management/client_other' },
      code: issuer,
    },
    'a token of Connect': { claims: { iss: 'https://acme.authkit.app' }, code: issuer },
  },
  accepted: {
    'the issuer with a slash': { claims: { iss: 'https://api.workos.com/' } },
    'the issuer with the client': { claims: { iss: `https://api.workos.com/user_management/${clientId}` } },
    'a user without organisation': { claims: { org_id: undefined, role: undefined, roles: undefined } },
  },
  wrong: [
    [{ clientId: undefined }, '"clientId" must be a client id, which begins with client_'],
    [{ clientId: 'https://api.workos.com/sso/jwks/client_1' }, '"clientId" must be a client id'],
    [{ domain: 'https://auth.example.test' }, '"domain" must be a host name'],
    [{ audience: '' }, '"audience" must be an audience'],
  ],
};

export const workosDomainCase: Conformance = {
  ...workosCase,
  options: { clientId, domain: 'auth.example.test', audience: clientId } satisfies WorkosOptions,
  keySetUrl: `https://auth.example.test/sso/jwks/${clientId}`,
  claims: { ...workosCase.claims, iss: 'https://auth.example.test', aud: clientId },
  refused: {
    'the issuer of those without a domain': { claims: { iss: 'https://api.workos.com' }, code: issuer },
    'a token for a resource': { claims: { aud: 'https://api.example.test' }, code: audience },
  },
  accepted: {},
  wrong: [],
};
