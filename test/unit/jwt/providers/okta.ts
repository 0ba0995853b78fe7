import { okta, type OktaOptions } from '../../../../src/jwt/index.ts';
import { audience, claim, type Conformance, issuer, now } from './conformance.ts';

const iss = 'https://acme.okta.com/oauth2/default';

export const oktaCase: Conformance = {
  preset: okta,
  options: { issuer: iss, audience: 'api://default' } satisfies OktaOptions,
  keySetUrl: `${iss}/v1/keys`,
  algorithm: 'RS256',
  keySet: (key, { next }) => ({
    keys: [
      { alg: 'RS256', use: 'sig', ...key },
      { alg: 'RS256', use: 'sig', ...next },
    ],
  }),
  header: { kid: 'mB8qT1x' },
  claims: {
    ver: 1,
    jti: 'AT.0mP4',
    iss,
    aud: 'api://default',
    sub: 'ann@example.test',
    iat: now,
    exp: now + 3_600,
    cid: '0oa1',
    uid: '00u1a2b3c4',
    scp: ['openid', 'notes'],
    groups: ['Everyone'],
  },
  userId: '00u1a2b3c4',
  refused: {
    'the ID token of the same sign-in': {
      claims: { aud: '0oa1', sub: '00u1a2b3c4', uid: undefined },
      code: audience,
    },
    'client credentials, which have no uid': { claims: { uid: undefined, sub: '0oa1' }, code: claim },
    'a token of the organization’s own server': { claims: { iss: 'https://acme.okta.com' }, code: issuer },
    'a token of another authorization server': {
      claims: { iss: 'https://acme.okta.com/oauth2/aus1' },
      code: issuer,
    },
    'a token for another audience': { claims: { aud: 'api://billing' }, code: audience },
  },
  accepted: {
    'a user in no group': { claims: { groups: undefined } },
  },
  wrong: [
    [{ issuer: undefined }, '"issuer" must be a URL such as https://acme.okta.com/oauth2/default'],
    [{ issuer: `${iss}/` }, '"issuer" must be a URL such as'],
    [{ issuer: 'http://acme.okta.com/oauth2/default' }, '"issuer" must be https'],
    [{ issuer: 'https://acme.okta.com' }, '"issuer" must be a custom authorization server'],
    [{ issuer: `${iss}/v1/keys` }, '"issuer" must be a custom authorization server'],
    [{ audience: undefined }, '"audience" must be the audience of the authorization server'],
  ],
};
