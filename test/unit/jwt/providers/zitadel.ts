import { zitadel, type ZitadelOptions } from '../../../../src/jwt/index.ts';
import { audience, claim, type Conformance, issuer, now } from './conformance.ts';

const iss = 'https://acme.zitadel.cloud';

export const zitadelCase: Conformance = {
  preset: zitadel,
  options: { url: iss, projectId: '69234237810729019' } satisfies ZitadelOptions,
  keySetUrl: `${iss}/oauth/v2/keys`,
  algorithm: 'RS256',
  // Keys of several algorithms in one set.
  keySet: (key, { next }) => ({
    keys: [
      { use: 'sig', kid: '280000000000000009', alg: 'RS512', kty: 'RSA', n: next.n, e: next.e },
      { use: 'sig', alg: 'RS256', ...key },
    ],
  }),
  header: { kid: '280000000000000008' },
  claims: {
    iss,
    // More digits than a JavaScript number holds.
    sub: '77776025198584418',
    aud: ['69234237810729234', '69234237810729019'],
    azp: '69234237810729234',
    jti: 'V2_1',
    iat: now,
    nbf: now,
    exp: now + 43_200,
    'urn:zitadel:iam:user:resourceowner:id': '280000000000000001',
    'urn:zitadel:iam:org:project:roles': { editor: { '280000000000000001': 'acme.example.test' } },
  },
  userId: '77776025198584418',
  refused: {
    'a token of another project': { claims: { aud: ['1', '2'] }, code: audience },
    'the ID token of the same sign-in': { claims: { at_hash: 'aGFzaA' }, code: claim },
    'an ID token with a nonce': { claims: { nonce: 'n1' }, code: claim },
    'a token of another instance': { claims: { iss: 'https://other.zitadel.cloud' }, code: issuer },
  },
  accepted: {
    'a user whose roles were not asked for': { claims: { 'urn:zitadel:iam:org:project:roles': undefined } },
  },
  wrong: [
    [{ url: undefined }, '"url" must be a URL such as https://acme.zitadel.cloud'],
    [{ url: 'acme.zitadel.cloud' }, '"url" must be a URL such as'],
    [{ url: `${iss}/` }, '"url" must be a URL such as'],
    [{ url: 'http://acme.zitadel.cloud' }, '"url" must be https'],
    [{ projectId: 69_234_237 }, '"projectId" must be the id of a project as text'],
    [{ projectId: 'notes' }, '"projectId" must be the id of a project as text'],
  ],
};
