import type { SupabaseClaims } from '../claims.ts';
import type { ClaimRule } from '../claim-rule.ts';
import { type Provider, toProvider } from '../provider.ts';
import { toBaseUrl, toMatching, toSwitch, toTexts, uuid } from './parameter.ts';
import {
  checkOptionNames,
  fromPreset,
  type Preset,
  type PresetOptions,
  toProviderOptions,
} from './preset.ts';

/** What {@link supabase} takes. */
export interface SupabaseOptions extends PresetOptions {
  /** The project's reference, the first part of its host name. Either this or `url`. */
  readonly projectRef?: string | undefined;
  /** The project's URL where it has another: a custom domain, self-hosted, or `http://127.0.0.1:54321`. */
  readonly url?: string | undefined;
  /**
   * The legacy JWT secret, for a project that still signs with it: then HS256 is accepted, and nothing else. Whoever
   * has the secret can be everybody; move to signing keys. While a project moves, configure both, as two providers.
   */
  readonly legacySecret?: string | undefined;
  /** The values of the token's own `role` that are accepted. Default: `['authenticated']`. Never `service_role`. */
  readonly tokenRoles?: string | readonly string[] | undefined;
  /** Accept anonymous sign-ins, which anybody can make as many of as they like. Default: false. */
  readonly anonymous?: boolean | undefined;
  /** The OAuth clients that may act for users with tokens of their own. Default: none. */
  readonly oauthClients?: string | readonly string[] | undefined;
}

/**
 * Supabase Auth: access tokens of users. The API keys `anon` and `service_role`, which are tokens of the legacy
 * secret, are refused.
 *
 * @throws {TypeError} naming the option that is missing, unknown or wrong; never quoting the secret
 * @example
 * const provider = supabase({ projectRef: 'abcdefghijklmnopqrst' });
 * @see https://supabase.com/docs/guides/auth/signing-keys
 */
export function supabase(options: SupabaseOptions): Provider<SupabaseClaims> {
  checkOptionNames('supabase', options, [
    'projectRef',
    'url',
    'legacySecret',
    'tokenRoles',
    'anonymous',
    'oauthClients',
  ]);
  const issuer = `${toUrl(options)}/auth/v1`;
  const preset: Preset = {
    name: 'Supabase',
    jwksUrl: `${issuer}/.well-known/jwks.json`,
    issuers: [issuer],
    audiences: ['authenticated'],
    algorithms: ['ES256', 'RS256'],
    maxLifetimeSeconds: 604_800,
    organizationClaims: [['app_metadata', 'org_id']],
    roleClaims: [['app_metadata', 'roles']],
    rules: [
      { claim: ['sub'], must: 'match', pattern: uuid },
      roleRule(options.tokenRoles),
      clientRule(options.oauthClients),
      ...(toSwitch('supabase', 'anonymous', options.anonymous) ? [] : [noAnonymous]),
    ],
  };
  if (options.legacySecret === undefined) return fromPreset('supabase', options, preset);
  if (options.jwksUrl !== undefined) {
    throw new TypeError('supabase(): "jwksUrl" and "legacySecret" exclude each other; make two providers');
  }
  const keys = { secret: toSecret(options.legacySecret) };
  return toProvider('supabase', keys, toProviderOptions(options, preset), {
    ...preset,
    name: 'Supabase (legacy secret)',
    algorithms: ['HS256'],
  });
}

function toUrl({ projectRef, url }: SupabaseOptions): string {
  if ((projectRef === undefined) === (url === undefined)) {
    throw new TypeError('supabase(): give either "projectRef" or "url"');
  }
  if (url !== undefined) return toBaseUrl('supabase', 'url', url, 'https://auth.example.com');
  const ref = toMatching('supabase', 'projectRef', projectRef, {
    pattern: /^[a-z0-9]{20}$/,
    expected: 'the reference of a project, 20 letters such as abcdefghijklmnopqrst; a URL is given as "url"',
  });
  return `https://${ref}.supabase.co`;
}

/** Supabase takes the text of the secret as it is, also where it looks like base64. */
function toSecret(secret: unknown): Uint8Array<ArrayBuffer> {
  if (typeof secret === 'string' && !secret.trimStart().startsWith('-----BEGIN')) {
    return new TextEncoder().encode(secret);
  }
  throw new TypeError('supabase(): "legacySecret" must be the JWT secret as text');
}

function roleRule(tokenRoles: unknown = 'authenticated'): ClaimRule {
  const values = toTexts('supabase', 'tokenRoles', tokenRoles, 'a value of the claim "role"');
  if (values.includes('service_role')) {
    throw new TypeError('supabase(): "tokenRoles" must not have service_role, which is above all policies');
  }
  return {
    claim: ['role'],
    must: 'be one of',
    values,
    hint: 'name what the access token hook writes in "tokenRoles"',
  };
}

function clientRule(oauthClients: unknown): ClaimRule {
  const claim = ['client_id'];
  if (oauthClients === undefined) {
    return { claim, must: 'be absent', hint: 'name the clients that may act for users in "oauthClients"' };
  }
  return {
    claim,
    must: 'be absent or one of',
    values: toTexts('supabase', 'oauthClients', oauthClients, 'the id of an OAuth client'),
  };
}

const noAnonymous: ClaimRule = {
  claim: ['is_anonymous'],
  must: 'be absent or one of',
  values: [false],
  hint: 'anonymous sign-ins are accepted with anonymous: true',
};
