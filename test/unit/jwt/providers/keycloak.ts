import { keycloak, type KeycloakOptions } from '../../../../src/jwt/index.ts';
import { audience, certificate, claim, type Conformance, issuer, now } from './conformance.ts';

const options: KeycloakOptions = { url: 'https://id.example.test', realm: 'acme', audience: 'notes-api' };
const iss = 'https://id.example.test/realms/acme';
const sub = 'a3f0c1de-0000-4000-8000-000000000001';

export const keycloakCase: Conformance = {
  preset: keycloak,
  options,
  keySetUrl: `${iss}/protocol/openid-connect/certs`,
  algorithm: 'RS256',
  // A key for encryption stands in front.
  keySet: (key, { encryption, next }) => ({
    keys: [
      { ...encryption, kid: 'enc', alg: 'RSA-OAEP', use: 'enc', x5c: [certificate], x5t: 'eA' },
      { ...key, alg: 'RS256', use: 'sig', x5c: [certificate], x5t: 'eQ', 'x5t#S256': 'eg' },
      { ...next, alg: 'RS256', use: 'sig', x5c: [certificate] },
    ],
  }),
  header: { typ: 'JWT', kid: 'FJ86GcF3jTbNLOco4NvZkUCIUmfYCqoqtOQeMfbhNlE' },
  claims: {
    exp: now + 300,
    iat: now,
    jti: 'j1',
    iss,
    aud: ['notes-api', 'account'],
    sub,
    typ: 'Bearer',
    azp: 'notes-web',
    sid: 's1',
    acr: '1',
    'allowed-origins': ['https://app.example.test'],
    realm_access: { roles: ['default-roles-acme', 'editor'] },
    resource_access: { 'notes-api': { roles: ['writer'] } },
    scope: 'openid email organization',
    email_verified: true,
    organization: { testcorp: { id: '42c3e46f-0000-4000-8000-000000000002' } },
    preferred_username: 'ann',
  },
  userId: sub,
  refused: {
    'the ID token of the same sign-in': { claims: { typ: 'ID', aud: 'notes-web' }, code: audience },
    'an ID token of the API itself': { claims: { typ: 'ID', aud: 'notes-api' }, code: claim },
    'a refresh token': { claims: { typ: 'Refresh', aud: ['notes-api', iss] }, code: claim },
    'an offline token': { claims: { typ: 'Offline' }, code: claim },
    'a logout token': { claims: { typ: 'Logout' }, code: claim },
    'a token that is bound to a key': { claims: { typ: 'DPoP' }, code: claim },
    'a token of another client of the realm': {
      claims: { aud: 'account', azp: 'other-app' },
      code: audience,
    },
    'a service account': {
      claims: { preferred_username: 'service-account-batch', client_id: 'batch', azp: 'batch' },
      code: claim,
    },
    'a token of another realm': { claims: { iss: 'https://id.example.test/realms/other' }, code: issuer },
    'a lightweight token without sub': { claims: { sub: undefined }, code: claim },
  },
  accepted: {
    'a token of the RFC 9068 type': { header: { typ: 'at+jwt' } },
    'a user without organisation': { claims: { organization: undefined } },
    'a federated user': { claims: { sub: 'f:9a1c7d6e-0000-4000-8000-000000000009:ann' } },
    'a service account where it is asked for': {
      options: { machines: true },
      claims: { preferred_username: 'service-account-batch', client_id: 'batch' },
    },
    'a client that is named, with no audience': {
      options: { audience: undefined, clientId: ['notes-web', 'notes-app'] },
      claims: { aud: undefined },
    },
    'an issuer of before version 17': {
      options: { url: 'https://id.example.test/auth', jwksUrl: `${iss}/protocol/openid-connect/certs` },
      claims: { iss: 'https://id.example.test/auth/realms/acme' },
    },
  },
  wrong: [
    [{ url: undefined }, '"url" must be a URL such as https://id.example.com'],
    [{ url: 'https://id.example.test/' }, '"url" must be a URL such as'],
    [{ url: 'https://id.example.test/?a=b' }, '"url" must be a URL such as'],
    [{ url: 'id.example.test' }, '"url" must be a URL such as'],
    [{ url: 'http://id.example.test' }, '"url" must be https'],
    [{ realm: undefined }, '"realm" must be the name of a realm'],
    [{ realm: 'realms/acme' }, '"realm" must be the name of a realm'],
    [{ audience: undefined }, '"audience" or "clientId" is required'],
    [{ clientId: [] }, '"clientId" must be the id of a client'],
  ],
};

export const keycloakClientCase: Conformance = {
  ...keycloakCase,
  options: { url: 'https://id.example.test', realm: 'acme', clientId: 'notes-web' } satisfies KeycloakOptions,
  refused: {
    'a token of another client': { claims: { azp: 'other-app' }, code: claim },
    'a token of no client': { claims: { azp: undefined }, code: claim },
  },
  accepted: { 'a token for nobody in particular': { claims: { aud: undefined } } },
  wrong: [],
};
