import {
  betterAuth,
  type BetterAuthOptions,
  neonAuth,
  type NeonAuthOptions,
} from '../../../../src/jwt/index.ts';
import { audience, claim, type Conformance, issuer, now } from './conformance.ts';

const origin = 'https://app.example.test';
const id = 'k9ORw9Q15l4JI3YRztHNU53T28FC0jv5';
const user = {
  iat: now,
  name: 'Ann',
  email: 'ann@example.test',
  emailVerified: false,
  createdAt: '2026-11-23T19:16:17.462Z',
  updatedAt: '2026-11-23T19:16:17.462Z',
  id,
  sub: id,
  exp: now + 900,
};

export const betterAuthCase: Conformance = {
  preset: betterAuth,
  options: { baseURL: origin } satisfies BetterAuthOptions,
  keySetUrl: `${origin}/api/auth/jwks`,
  algorithm: 'EdDSA',
  // Neither `use` nor `key_ops`.
  keySet: (key, { next }) => ({
    keys: [
      { alg: 'EdDSA', ...next },
      { alg: 'EdDSA', ...key },
    ],
  }),
  header: { kid: 'L1e7KmRmgRGZK2Sd3QdKLyY3Qfy5eKwj' },
  claims: { ...user, iss: origin, aud: origin, role: 'user' },
  userId: id,
  refused: {
    'an access token of the OAuth provider': { header: { typ: 'at+jwt' }, code: claim },
    'an ID token for an OAuth client': { claims: { aud: 'client-1', nonce: 'n1' }, code: audience },
    'a logout token': { header: { typ: 'logout+jwt' }, code: claim },
    'an anonymous user': { claims: { isAnonymous: true }, code: claim },
    'a token of another instance': {
      claims: { iss: 'https://other.example.test', aud: 'https://other.example.test' },
      code: issuer,
    },
    'an issuer with the path': { claims: { iss: `${origin}/api/auth` }, code: issuer },
  },
  accepted: {
    'a token of type JWT': { header: { typ: 'JWT' } },
    'a serial id': { claims: { sub: '1', id: '1' } },
    'an organisation that definePayload has written': { claims: { org_id: 'gV1w3x' } },
    'an anonymous user where that is asked for': {
      options: { anonymous: true },
      claims: { isAnonymous: true },
    },
    'an issuer and an audience of your own': {
      options: { issuer: 'notes', audience: 'notes-api' },
      claims: { iss: 'notes', aud: 'notes-api' },
    },
  },
  wrong: [
    [{ baseURL: undefined }, '"baseURL" must be a URL such as https://app.example.com'],
    [{ baseURL: `${origin}/` }, '"baseURL" must be a URL such as'],
    [{ baseURL: `${origin}/api/auth` }, '"baseURL" must be an origin such as'],
    [{ baseURL: 'http://app.example.test' }, '"baseURL" must be https'],
    [{ basePath: '/api/auth/' }, '"basePath" must be a path such as /api/auth'],
    [{ basePath: 'api' }, '"basePath" must be a path such as /api/auth'],
    [{ anonymous: 1 }, '"anonymous" must be true or false'],
  ],
};

export const betterAuthEcCase: Conformance = {
  ...betterAuthCase,
  options: { baseURL: origin, basePath: '/auth', algorithms: ['ES256'] } satisfies BetterAuthOptions,
  keySetUrl: `${origin}/auth/jwks`,
  algorithm: 'ES256',
  keySet: (key) => ({ keys: [{ alg: 'ES256', ...key }] }),
  header: { kid: '1' },
  refused: {},
  accepted: {},
  wrong: [],
};

const neonOrigin = 'https://ep-x.neonauth.us-east-2.aws.neon.tech';
const neonId = '860dc360-0000-4000-8000-000000000001';

export const neonAuthCase: Conformance = {
  preset: neonAuth,
  options: { url: `${neonOrigin}/neondb/auth` } satisfies NeonAuthOptions,
  keySetUrl: `${neonOrigin}/neondb/auth/.well-known/jwks.json`,
  algorithm: 'EdDSA',
  keySet: (key) => ({ keys: [{ alg: 'EdDSA', ...key }] }),
  header: { kid: '6f7a1b2c-0000-4000-8000-000000000004' },
  claims: {
    ...user,
    image: null,
    role: 'authenticated',
    banned: false,
    banReason: null,
    banExpires: null,
    id: neonId,
    sub: neonId,
    iss: neonOrigin,
    aud: neonOrigin,
    o: { id: 'org-123', slug: 'my-org', role: 'owner' },
  },
  userId: neonId,
  refused: {
    'a visitor': { claims: { role: 'anonymous' }, code: claim },
    'a token of another branch': {
      claims: { iss: 'https://ep-y.neonauth.us-east-2.aws.neon.tech' },
      code: issuer,
    },
    'a token for another audience': { claims: { aud: 'https://app.example.test' }, code: audience },
    'an OAuth access token': { header: { typ: 'at+jwt' }, code: claim },
  },
  accepted: {
    'a user without organisation': { claims: { o: undefined } },
    'a visitor where that is asked for': { options: { anonymous: true }, claims: { role: 'anonymous' } },
  },
  wrong: [
    [{ url: undefined }, '"url" must be a URL such as'],
    [{ url: `${neonOrigin}/neondb/auth/` }, '"url" must be a URL such as'],
    [{ url: 'http://ep-x.neonauth.us-east-2.aws.neon.tech/neondb/auth' }, '"url" must be https'],
  ],
};
