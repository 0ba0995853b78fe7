import { propelAuth, type PropelAuthOptions } from '../../../../src/jwt/index.ts';
import { claim, type Conformance, issuer, now } from './conformance.ts';

const options: PropelAuthOptions = { authUrl: 'https://auth.example.test' };
const userId = 'cbf064e2-0000-4000-8000-000000000001';
const orgId = '99ee1329-0000-4000-8000-000000000002';
const member = {
  org_id: orgId,
  org_name: 'Acme',
  url_safe_org_name: 'acme',
  org_metadata: {},
  user_role: 'Owner',
  inherited_user_roles_plus_current_role: ['Owner', 'Admin', 'Member'],
  user_permissions: [],
  org_role_structure: 'single_role_in_hierarchy',
  additional_roles: [],
};

export const propelAuthCase: Conformance = {
  preset: propelAuth,
  options,
  keySetUrl: 'https://auth.example.test/.well-known/jwks.json',
  algorithm: 'RS256',
  keySet: (key) => ({ keys: [{ alg: 'RS256', use: 'sig', ...key }] }),
  header: { typ: 'JWT', kid: 'k-1' },
  claims: {
    user_id: userId,
    sub: userId,
    iss: 'https://auth.example.test',
    iat: now,
    exp: now + 1_800,
    email: 'ann@example.test',
    org_id_to_org_member_info: { [orgId]: member },
  },
  userId,
  refused: {
    'a token of another project': { claims: { iss: 'https://auth.other.test' }, code: issuer },
    'a token of the project’s test environment': {
      claims: { iss: 'https://1234.propelauthtest.com' },
      code: issuer,
    },
    'a token that has sub alone': { claims: { user_id: undefined }, code: claim },
  },
  accepted: {
    'a token without sub': { claims: { sub: undefined } },
    'a token with an active organisation': {
      claims: { org_id_to_org_member_info: undefined, org_member_info: member },
    },
    'a user without organisation': { claims: { org_id_to_org_member_info: undefined } },
  },
  wrong: [
    [{ authUrl: undefined }, '"authUrl" must be a URL such as https://auth.example.com'],
    [{ authUrl: 'auth.example.test' }, '"authUrl" must be a URL such as'],
    [{ authUrl: 'https://auth.example.test/' }, '"authUrl" must be a URL such as'],
    [{ authUrl: 'https://auth.example.test/login' }, '"authUrl" must be an origin such as'],
    [{ authUrl: 'http://auth.example.test' }, '"authUrl" must be https'],
  ],
};
