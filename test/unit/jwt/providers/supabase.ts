import { supabase, type SupabaseOptions } from '../../../../src/jwt/index.ts';
import { audience, claim, type Conformance, issuer, now } from './conformance.ts';

const options: SupabaseOptions = { projectRef: 'abcdefghijklmnopqrst' };

export const supabaseClaims = {
  aal: 'aal1',
  amr: [{ method: 'password', timestamp: now }],
  app_metadata: { provider: 'email', providers: ['email'], org_id: 'o-1' },
  aud: 'authenticated',
  email: 'ann@example.test',
  exp: now + 3_600,
  iat: now,
  is_anonymous: false,
  iss: 'https://abcdefghijklmnopqrst.supabase.co/auth/v1',
  phone: '',
  role: 'authenticated',
  session_id: '123e4567-0000-4000-8000-000000000001',
  sub: '123e4567-0000-4000-8000-000000000002',
  user_metadata: { role: 'service_role' },
};

export const supabaseCase: Conformance = {
  preset: supabase,
  options,
  keySetUrl: 'https://abcdefghijklmnopqrst.supabase.co/auth/v1/.well-known/jwks.json',
  algorithm: 'ES256',
  keySet: (key, { next }) => ({
    keys: [
      { alg: 'ES256', key_ops: ['verify'], use: 'sig', ext: true, ...next },
      { alg: 'ES256', key_ops: ['verify'], use: 'sig', ext: true, ...key },
    ],
  }),
  header: { kid: '3a18cfe2-7226-43b0-bc20-7f4a3a3c1a51', typ: 'JWT' },
  claims: supabaseClaims,
  userId: supabaseClaims.sub,
  refused: {
    'a token of service_role': { claims: { role: 'service_role' }, code: claim },
    'a token of a role that nobody has named': { claims: { role: 'supabase_admin' }, code: claim },
    'a token without role': { claims: { role: undefined }, code: claim },
    'an anonymous sign-in': { claims: { is_anonymous: true }, code: claim },
    'the token of an OAuth client': { claims: { client_id: 'c0ffee00-1' }, code: claim },
    'the ID token of an OAuth client': {
      claims: { aud: 'c0ffee00-0000-4000-8000-000000000003', role: undefined },
      code: audience,
    },
    'an API key': {
      claims: { iss: 'supabase', sub: undefined, aud: undefined, role: 'anon', exp: now + 3e8 },
      code: issuer,
    },
    'a user id that is no UUID': { claims: { sub: 'ann' }, code: claim },
    'a token of another project': {
      claims: { iss: 'https://zzzzzzzzzzzzzzzzzzzz.supabase.co/auth/v1' },
      code: issuer,
    },
  },
  accepted: {
    'an anonymous sign-in where that is asked for': {
      options: { anonymous: true },
      claims: { is_anonymous: true },
    },
    'a role that an access token hook writes': {
      options: { tokenRoles: ['authenticated', 'editor'] },
      claims: { role: 'editor' },
    },
    'the token of an OAuth client that is named': {
      options: { oauthClients: 'c0ffee00-1' },
      claims: { client_id: 'c0ffee00-1' },
    },
  },
  wrong: [
    [{ projectRef: undefined }, 'either "projectRef" or "url"'],
    [{ url: 'https://auth.example.test' }, 'either "projectRef" or "url"'],
    [{ projectRef: 'https://abcdefghijklmnopqrst.supabase.co' }, '"projectRef" must be the reference'],
    [{ projectRef: 'abcdefghijklmnopqrst/' }, '"projectRef" must be the reference'],
    [{ projectRef: undefined, url: 'https://auth.example.test/' }, '"url" must be a URL such as'],
    [{ projectRef: undefined, url: 'http://auth.example.test' }, '"url" must be https'],
    [{ projectRef: undefined, url: 'auth.example.test' }, '"url" must be a URL such as'],
    [{ tokenRoles: ['service_role'] }, '"tokenRoles" must not have service_role'],
    [{ tokenRoles: [] }, '"tokenRoles" must be'],
    [{ legacySecret: 'short' }, '"keys.secret" needs at least 32 bytes'],
    [{ legacySecret: 7 }, '"legacySecret" must be the JWT secret as text'],
    [{ legacySecret: '-----BEGIN PUBLIC KEY-----' }, '"legacySecret" must be the JWT secret as text'],
    [{ legacySecret: 'x'.repeat(40), jwksUrl: 'https://a.test/k' }, '"jwksUrl" and "legacySecret"'],
    [{ legacySecret: 'x'.repeat(40), algorithms: ['ES256'] }, '"algorithms" may only have'],
  ],
};
