import { stytch, stytchB2B, type StytchOptions } from '../../../../src/jwt/index.ts';
import { certificate, claim, type Conformance, issuer, now } from './conformance.ts';

const options: StytchOptions = { projectId: 'project-live-1111' };

// The document has members of its own, and the certificate's digest a name that is not in the RFC.
const keySet: Conformance['keySet'] = (key, { next }) => ({
  keys: [next, key].map((jwk) => ({
    alg: 'RS256',
    key_ops: ['verify'],
    use: 'sig',
    x5c: [certificate],
    x5tS256: 'ZGlnZXN0',
    ...jwk,
  })),
  request_id: 'request-id-live-9999',
  status_code: 200,
});
const session = {
  id: 'session-live-3333',
  started_at: '2030-03-17T17:46:40Z',
  last_accessed_at: '2030-03-17T17:46:40Z',
  expires_at: '2030-03-17T18:46:40Z',
  attributes: { ip_address: '', user_agent: '' },
  authentication_factors: [],
  roles: ['stytch_member'],
};
const claims = {
  aud: ['project-live-1111'],
  exp: now + 300,
  'https://stytch.com/session': session,
  iat: now,
  iss: 'stytch.com/project-live-1111',
  nbf: now,
};
const header = { kid: 'jwk-live-5555', typ: 'JWT' };
const machine = { sub: 'm2m-client-live-6666', 'https://stytch.com/session': undefined, scope: 'read:notes' };
const refused: Conformance['refused'] = {
  'a machine token, which has the same audience': { claims: machine, code: claim },
  'a token of a Connected App': { claims: { 'https://stytch.com/session': undefined }, code: claim },
  'a token of another type': { header: { typ: 'at+jwt' }, code: claim },
  'a token without type': { header: { typ: undefined }, code: claim },
  'a token of another project': { claims: { iss: 'stytch.com/project-live-2222' }, code: issuer },
  'an issuer with a scheme': { claims: { iss: 'https://stytch.com/project-live-1111' }, code: issuer },
  'a token that lives as long as the session': { claims: { exp: now + 3_600 }, code: claim },
};
const wrong: Conformance['wrong'] = [
  [{ projectId: undefined }, '"projectId" must be the id of a project'],
  [{ projectId: '1111' }, '"projectId" must be the id of a project'],
  [{ projectId: 'stytch.com/project-live-1111' }, '"projectId" must be the id of a project'],
  [{ domain: 'https://login.example.test' }, '"domain" must be a host name such as login.example.com'],
];

export const stytchCase: Conformance = {
  preset: stytch,
  options,
  keySetUrl: 'https://api.stytch.com/v1/sessions/jwks/project-live-1111',
  algorithm: 'RS256',
  keySet,
  header,
  claims: { ...claims, sub: 'user-live-4444' },
  userId: 'user-live-4444',
  refused: { ...refused, 'a member of a business': { claims: { sub: 'member-live-4444' }, code: claim } },
  accepted: {},
  wrong,
};

const organization = { organization_id: 'organization-live-2222', slug: 'acme' };

export const stytchB2BCase: Conformance = {
  preset: stytchB2B,
  options,
  keySetUrl: 'https://api.stytch.com/v1/b2b/sessions/jwks/project-live-1111',
  algorithm: 'RS256',
  keySet,
  header,
  claims: { ...claims, 'https://stytch.com/organization': organization, sub: 'member-live-4444' },
  userId: 'member-live-4444',
  refused: {
    ...refused,
    'a consumer': { claims: { sub: 'user-live-4444' }, code: claim },
    'a member of no organisation': { claims: { 'https://stytch.com/organization': undefined }, code: claim },
  },
  accepted: {},
  wrong,
};

export const stytchTestCase: Conformance = {
  ...stytchCase,
  options: { projectId: 'project-test-1111' } satisfies StytchOptions,
  keySetUrl: 'https://test.stytch.com/v1/sessions/jwks/project-test-1111',
  claims: { ...stytchCase.claims, iss: 'stytch.com/project-test-1111', aud: ['project-test-1111'] },
  refused: {},
  wrong: [],
};

export const stytchDomainCase: Conformance = {
  ...stytchCase,
  options: { ...options, domain: 'login.example.test' } satisfies StytchOptions,
  keySetUrl: 'https://login.example.test/.well-known/jwks.json',
  claims: { ...stytchCase.claims, iss: 'https://login.example.test' },
  refused: {},
  accepted: { 'the issuer of the other way in': { claims: { iss: 'stytch.com/project-live-1111' } } },
  wrong: [],
};
