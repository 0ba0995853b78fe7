import { google, type GoogleOptions } from '../../../../src/jwt/index.ts';
import { audience, claim, type Conformance, now } from './conformance.ts';

const clientId = '123-web.apps.googleusercontent.com';
const options: GoogleOptions = { clientId };

export const googleCase: Conformance = {
  preset: google,
  options,
  keySetUrl: 'https://www.googleapis.com/oauth2/v3/certs',
  algorithm: 'RS256',
  keySet: (key, { next }) => ({
    keys: [
      { use: 'sig', alg: 'RS256', ...next },
      { use: 'sig', alg: 'RS256', ...key },
    ],
  }),
  header: { kid: 'f0e1d2c3b4a5f0e1d2c3b4a5f0e1d2c3b4a5f0e1', typ: 'JWT' },
  claims: {
    iss: 'https://accounts.google.com',
    azp: clientId,
    aud: clientId,
    // More digits than a JavaScript number holds.
    sub: '110169484474386276334',
    hd: 'example.test',
    email: 'ann@example.test',
    email_verified: true,
    at_hash: 'aGFzaA',
    iat: now,
    exp: now + 3_600,
  },
  userId: '110169484474386276334',
  refused: {
    'a sign-in to another application, whose tokens have the same keys': {
      claims: { aud: '666-evil.apps.googleusercontent.com', azp: '666-evil.apps.googleusercontent.com' },
      code: audience,
    },
    'a service account that has chosen your audience': {
      claims: { azp: '104029292853099978293', sub: '104029292853099978293', hd: undefined },
      code: claim,
    },
    'a token that lives for a year': { claims: { exp: now + 31_536_000 }, code: claim },
  },
  accepted: {
    'the issuer of old': { claims: { iss: 'accounts.google.com' } },
    'a private account': { claims: { hd: undefined } },
    'a sign-in through the Android application': {
      claims: { azp: '123-android.apps.googleusercontent.com' },
    },
    'one of several clients': { options: { clientId: ['9-ios.apps.googleusercontent.com', clientId] } },
    'a domain that is named': { options: { hostedDomain: ['example.test', 'example.org'] } },
  },
  wrong: [
    [{ clientId: undefined }, '"clientId" must be an OAuth client id'],
    [{ clientId: [] }, '"clientId" must be an OAuth client id'],
    [{ clientId: 'https://123.apps.googleusercontent.com' }, '"clientId" must be an OAuth client id'],
    [{ clientId: '123' }, '"clientId" must be an OAuth client id'],
    [{ hostedDomain: [] }, '"hostedDomain" must be a domain such as example.com'],
  ],
};

export const googleDomainCase: Conformance = {
  ...googleCase,
  options: { clientId, hostedDomain: 'example.test' } satisfies GoogleOptions,
  refused: {
    'a private account': { claims: { hd: undefined }, code: claim },
    'another domain': { claims: { hd: 'evil.test' }, code: claim },
  },
  accepted: {},
  wrong: [],
};
