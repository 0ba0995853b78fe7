import { stackAuth, type StackAuthOptions } from '../../../../src/jwt/index.ts';
import { audience, claim, type Conformance, issuer, now } from './conformance.ts';

const options: StackAuthOptions = { projectId: 'p-1' };
const api = 'https://api.stack-auth.com/api/v1';
const sub = '7b0e3c1a-0000-4000-8000-000000000001';

// Two derivations of the kid for each audience, and no `use`.
const keySet: Conformance['keySet'] = (key, { next }) => ({
  keys: [
    { alg: 'ES256', ...next, kid: 'oldDerivatio' },
    { alg: 'ES256', ...key },
  ],
});
const claims = {
  sub,
  project_id: 'p-1',
  branch_id: 'main',
  refresh_token_id: 'r-1',
  role: 'authenticated',
  name: 'Ann',
  email: 'ann@example.test',
  email_verified: true,
  selected_team_id: null,
  signed_up_at: now - 10_000_000,
  is_anonymous: false,
  is_restricted: false,
  restricted_reason: null,
  requires_totp_mfa: false,
  iss: `${api}/projects/p-1`,
  aud: 'p-1',
  iat: now,
  exp: now + 600,
};
const header = { kid: 'aB3dE5gH7jK9' };

export const stackAuthCase: Conformance = {
  preset: stackAuth,
  options,
  keySetUrl: `${api}/projects/p-1/.well-known/jwks.json`,
  algorithm: 'ES256',
  keySet,
  header,
  claims,
  userId: sub,
  refused: {
    'an anonymous user': {
      claims: { iss: `${api}/projects-anonymous-users/p-1`, aud: 'p-1:anon', is_anonymous: true },
      code: issuer,
    },
    'a restricted user': {
      claims: { iss: `${api}/projects-restricted-users/p-1`, aud: 'p-1:restricted', is_restricted: true },
      code: issuer,
    },
    'the issuer of one class with the audience of another': { claims: { aud: 'p-1:anon' }, code: audience },
    'an anonymous user under the issuer of the others': { claims: { is_anonymous: true }, code: claim },
    'a restricted user under the issuer of the others': { claims: { is_restricted: true }, code: claim },
    'the issuer of old, which all projects had': {
      claims: { iss: 'https://access-token.jwt-signature.stack-auth.com' },
      code: issuer,
    },
    'a user of another project': { claims: { iss: `${api}/projects/p-2`, aud: 'p-2' }, code: issuer },
    'a token that names another project besides': { claims: { project_id: 'p-2' }, code: claim },
    'a user of another branch': { claims: { branch_id: 'preview' }, code: claim },
  },
  accepted: {
    'a user with a team': { claims: { selected_team_id: 't-1' } },
  },
  wrong: [
    [{ projectId: undefined }, '"projectId" must be the id of a project'],
    [{ projectId: `${api}/projects/p-1` }, '"projectId" must be the id of a project'],
    [{ users: 'all' }, `"users" must be 'normal', 'restricted' or 'anonymous'`],
    [{ apiUrl: 'https://stack.example.test/' }, '"apiUrl" must be a URL such as'],
    [{ apiUrl: 'http://stack.example.test' }, '"apiUrl" must be https'],
  ],
};

export const stackAuthAnonymousCase: Conformance = {
  preset: stackAuth,
  options: { projectId: 'p-1', users: 'anonymous', apiUrl: 'https://stack.example.test' },
  keySetUrl: 'https://stack.example.test/api/v1/projects/p-1/.well-known/jwks.json?include_anonymous=true',
  algorithm: 'ES256',
  keySet,
  header,
  claims: {
    ...claims,
    iss: 'https://stack.example.test/api/v1/projects-anonymous-users/p-1',
    aud: 'p-1:anon',
    is_anonymous: true,
    is_restricted: true,
  },
  userId: sub,
  refused: {
    'a normal user, whose keys are in the same set': {
      claims: { iss: 'https://stack.example.test/api/v1/projects/p-1', aud: 'p-1', is_anonymous: false },
      code: issuer,
    },
  },
  accepted: {},
  wrong: [],
};
