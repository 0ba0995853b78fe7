import { firebase, type FirebaseOptions } from '../../../../src/jwt/index.ts';
import { audience, claim, type Conformance, issuer, now } from './conformance.ts';

const options: FirebaseOptions = { projectId: 'demo-prj-1234' };
const identities = { email: ['ann@example.test'] };

export const firebaseCase: Conformance = {
  preset: firebase,
  options,
  keySetUrl: 'https://www.googleapis.com/service_accounts/v1/jwk/securetoken@system.gserviceaccount.com',
  algorithm: 'RS256',
  keySet: (key, { next }) => ({
    keys: [
      { use: 'sig', alg: 'RS256', ...next },
      { use: 'sig', alg: 'RS256', ...key },
    ],
  }),
  header: { kid: 'a0b1c2d3e4f5a0b1c2d3e4f5a0b1c2d3e4f5a0b1', typ: 'JWT' },
  claims: {
    iss: 'https://securetoken.google.com/demo-prj-1234',
    aud: 'demo-prj-1234',
    auth_time: now,
    user_id: 'Q3xW7mZk2LpN8vB4cD6fG1hJ5sT9',
    sub: 'Q3xW7mZk2LpN8vB4cD6fG1hJ5sT9',
    iat: now,
    exp: now + 3_600,
    email: 'ann@example.test',
    email_verified: true,
    firebase: { identities, sign_in_provider: 'password' },
    role: 'service_role',
  },
  userId: 'Q3xW7mZk2LpN8vB4cD6fG1hJ5sT9',
  refused: {
    'a user of a stranger’s project, whose tokens have the same keys': {
      claims: { iss: 'https://securetoken.google.com/evil-prj', aud: 'evil-prj' },
      code: issuer,
    },
    'a token for another project’s audience': { claims: { aud: 'evil-prj' }, code: audience },
    'an anonymous sign-in': {
      claims: { firebase: { identities: {}, sign_in_provider: 'anonymous' } },
      code: claim,
    },
    'a user of a tenant': {
      claims: { firebase: { identities, sign_in_provider: 'password', tenant: 'acme-x1' } },
      code: claim,
    },
    'a session cookie': {
      claims: { iss: 'https://session.firebase.google.com/demo-prj-1234' },
      code: issuer,
    },
    'a custom token': {
      header: { kid: undefined },
      claims: {
        aud: 'https://identitytoolkit.googleapis.com/google.identity.identitytoolkit.v1.IdentityToolkit',
      },
      code: audience,
    },
    'a token without kid': { header: { kid: undefined }, code: claim },
    'the token of a blocking function': { claims: { event_type: 'beforeSignIn' }, code: claim },
    'the token of a blocking function for its own audience': {
      claims: { event_type: 'beforeSignIn', aud: 'https://fn.example.test' },
      code: audience,
    },
    'a token without sign-in': { claims: { firebase: undefined }, code: claim },
    'a user id that is too long': { claims: { sub: 'x'.repeat(129) }, code: claim },
    'a token that lives for a day': { claims: { exp: now + 86_400 }, code: claim },
  },
  accepted: {
    'an anonymous sign-in where that is asked for': {
      options: { anonymous: true },
      claims: { firebase: { identities: {}, sign_in_provider: 'anonymous' } },
    },
    'a user of a tenant that is named': {
      options: { tenant: ['other', 'acme-x1'] },
      claims: { firebase: { identities, sign_in_provider: 'password', tenant: 'acme-x1' } },
    },
  },
  wrong: [
    [{ projectId: undefined }, '"projectId" must be the id of a project such as my-app-1234'],
    [{ projectId: '123456789' }, '"projectId" must be the id of a project'],
    [{ projectId: 'https://demo-prj.firebaseapp.com' }, '"projectId" must be the id of a project'],
    [{ projectId: 'demo-prj/' }, '"projectId" must be the id of a project'],
    [{ tenant: '' }, '"tenant" must be the id of a tenant'],
    [{ audience: 'demo-prj' }, 'has no option "audience"'],
  ],
};
