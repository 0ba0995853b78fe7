import { cognito, type CognitoOptions } from '../../../../src/jwt/index.ts';
import { audience, claim, type Conformance, issuer, now } from './conformance.ts';

const access: CognitoOptions = {
  userPoolId: 'eu-west-1_AbCd12345',
  clientId: '57cbishk4j24pabc1234567890',
  tokenUse: 'access',
};
const iss = 'https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_AbCd12345';
const keySetUrl = `${iss}/.well-known/jwks.json`;
const sub = 'aaaaaaaa-0000-4000-8000-000000000001';

// Two keys: one signs ID tokens, the other access tokens.
const keySet: Conformance['keySet'] = (key, { next }) => ({
  keys: [
    { alg: 'RS256', use: 'sig', ...next },
    { alg: 'RS256', use: 'sig', ...key },
  ],
});
const accessClaims = {
  sub,
  'cognito:groups': ['admin'],
  iss,
  version: 2,
  client_id: access.clientId,
  origin_jti: 'o1',
  event_id: 'e1',
  token_use: 'access',
  scope: 'openid email',
  auth_time: now,
  exp: now + 3_600,
  iat: now,
  jti: 'j1',
  username: 'ann',
};
const idClaims = {
  sub,
  aud: access.clientId,
  token_use: 'id',
  'cognito:username': 'ann',
  'cognito:groups': ['admin'],
  'custom:tenant_id': 't1',
  email: 'ann@example.test',
  email_verified: true,
  iss,
  origin_jti: 'o1',
  event_id: 'e1',
  auth_time: now,
  iat: now,
  exp: now + 3_600,
  jti: 'j1',
};
const wrong: Conformance['wrong'] = [
  [{ userPoolId: undefined }, '"userPoolId" must be the id of a user pool such as eu-west-1_AbC123'],
  [{ userPoolId: 'AbCd12345' }, '"userPoolId" must be the id of a user pool'],
  [{ userPoolId: iss }, '"userPoolId" must be the id of a user pool'],
  [{ userPoolId: 'eu-west-1_AbCd12345/' }, '"userPoolId" must be the id of a user pool'],
  [{ clientId: undefined }, '"clientId" must be the id of an app client'],
  [{ tokenUse: undefined }, `"tokenUse" must be 'access' or 'id'`],
  [{ tokenUse: 'refresh' }, `"tokenUse" must be 'access' or 'id'`],
];

export const cognitoAccessCase: Conformance = {
  preset: cognito,
  options: access,
  keySetUrl,
  algorithm: 'RS256',
  keySet,
  header: { kid: 'abc+/1234example=' },
  claims: accessClaims,
  userId: sub,
  refused: {
    'the ID token of the same sign-in': {
      claims: { token_use: 'id', aud: access.clientId, client_id: undefined },
      code: claim,
    },
    'an ID token that names the client as access tokens do': { claims: { token_use: 'id' }, code: claim },
    'a token of another app client': { claims: { client_id: 'other' }, code: claim },
    'a token without client_id': { claims: { client_id: undefined }, code: claim },
    'a token that names the client in aud alone': {
      claims: { client_id: undefined, aud: access.clientId },
      code: claim,
    },
    'client credentials': {
      claims: { sub: access.clientId, username: undefined, scope: 'api/read' },
      code: claim,
    },
    'a token of another user pool': {
      claims: { iss: 'https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_Other' },
      code: issuer,
    },
    'a token of an identity pool': {
      claims: { iss: 'https://cognito-identity.amazonaws.com' },
      code: issuer,
    },
  },
  accepted: {
    'a user in no group': { claims: { 'cognito:groups': undefined } },
    'a token of one of several clients': { options: { clientId: ['other', access.clientId] } },
    'client credentials where they are asked for': {
      options: { machines: true },
      claims: { sub: access.clientId, username: undefined },
    },
  },
  wrong,
};

export const cognitoIdCase: Conformance = {
  preset: cognito,
  options: { ...access, tokenUse: 'id' } satisfies CognitoOptions,
  keySetUrl,
  algorithm: 'RS256',
  keySet,
  header: { kid: 'abc+/1234example=' },
  claims: idClaims,
  userId: sub,
  refused: {
    'the access token of the same sign-in': {
      claims: { token_use: 'access', aud: undefined, client_id: access.clientId },
      code: audience,
    },
    'an access token with an audience': { claims: { token_use: 'access' }, code: claim },
    'a token of another app client': { claims: { aud: 'other' }, code: audience },
  },
  accepted: {},
  wrong,
};
