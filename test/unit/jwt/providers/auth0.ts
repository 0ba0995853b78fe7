import { auth0, type Auth0Options } from '../../../../src/jwt/index.ts';
import { audience, certificate, claim, type Conformance, issuer, now } from './conformance.ts';

const options: Auth0Options = { domain: 'acme.eu.auth0.com', audience: 'https://api.example.test' };

export const auth0Case: Conformance = {
  preset: auth0,
  options,
  keySetUrl: 'https://acme.eu.auth0.com/.well-known/jwks.json',
  algorithm: 'RS256',
  // A tenant that was switched over has keys without `alg`.
  keySet: (key, { next }) => ({
    keys: [
      { kty: 'RSA', use: 'sig', ...key, x5t: 'b2xkLXRodW1icHJpbnQ', x5c: [certificate] },
      { alg: 'RS256', kty: 'RSA', use: 'sig', ...next, x5c: [certificate] },
    ],
  }),
  header: { typ: 'JWT', kid: 'b2xkLXRodW1icHJpbnQ' },
  claims: {
    iss: 'https://acme.eu.auth0.com/',
    sub: 'auth0|65f0a1b2c3',
    aud: ['https://api.example.test', 'https://acme.eu.auth0.com/userinfo'],
    iat: now,
    exp: now + 86_400,
    azp: 'cliA1',
    scope: 'openid read:notes',
    org_id: 'org_9yb',
    permissions: ['read:notes'],
    'https://app.example.test/roles': ['member'],
  },
  userId: 'auth0|65f0a1b2c3',
  refused: {
    'the ID token of the same sign-in': { claims: { aud: 'cliA1', nonce: 'n1' }, code: audience },
    'a token for another API of the tenant': {
      claims: { aud: 'https://billing.example.test' },
      code: audience,
    },
    'a token of another tenant': { claims: { iss: 'https://other.eu.auth0.com/' }, code: issuer },
    'client credentials': {
      claims: { sub: 'cliM2m@clients', gty: 'client-credentials', azp: 'cliM2m' },
      code: claim,
    },
    'an agent as principal': { claims: { sub: 'agt_7dKq' }, code: claim },
    'client credentials that look like a user': { claims: { gty: 'client-credentials' }, code: claim },
    'a logout token': { header: { typ: 'logout+jwt' }, code: claim },
  },
  accepted: {
    'a token of the RFC 9068 profile': {
      header: { typ: 'at+jwt' },
      claims: { client_id: 'cliA1', jti: 'j1', azp: undefined },
    },
    'a token for the API alone': { claims: { aud: 'https://api.example.test' } },
    'a user of Google': { claims: { sub: 'google-oauth2|110169484474386276334' } },
    'client credentials where they are asked for': {
      options: { machines: true },
      claims: { sub: 'cliM2m@clients', gty: 'client-credentials' },
    },
  },
  wrong: [
    [{ domain: 'https://acme.eu.auth0.com' }, '"domain" must be a host name such as acme.eu.auth0.com'],
    [{ domain: 'acme.eu.auth0.com/' }, '"domain" must be a host name'],
    [{ domain: 'acme' }, '"domain" must be a host name'],
    [{ audience: undefined }, '"audience" must be the identifier of your API'],
    [{ audience: [] }, '"audience" must be the identifier of your API'],
    [{ audience: ['https://api.example.test', ''] }, '"audience" must be the identifier of your API'],
    [{ algorithms: ['HS256'] }, '"algorithms" may only have'],
  ],
};
