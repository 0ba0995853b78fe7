import type { BetterAuthClaims } from '../claims.ts';
import type { ClaimRule } from '../claim-rule.ts';
import type { Provider } from '../provider.ts';
import { toMatching, toOrigin, toSwitch, toTexts } from './parameter.ts';
import { checkOptionNames, fromPreset, type PresetOptions } from './preset.ts';

/** What {@link betterAuth} takes. */
export interface BetterAuthOptions extends PresetOptions {
  /** The origin of Better Auth's `baseURL`; a path in there is `basePath` here. */
  readonly baseURL: string;
  /** Default: `/api/auth`, as there. */
  readonly basePath?: string | undefined;
  /** What the plugin's `jwt.issuer` says, if it does. Default: the origin. */
  readonly issuer?: string | undefined;
  /** What the plugin's `jwt.audience` says, if it does. Default: the origin. */
  readonly audience?: string | readonly string[] | undefined;
  /** Accept anonymous sign-ins, which anybody can make as many of as they like. Default: false. */
  readonly anonymous?: boolean | undefined;
}

/**
 * Better Auth with its JWT plugin. If `keyPairConfig` names another algorithm than EdDSA, name it in `algorithms`.
 *
 * @throws {TypeError} naming the option that is missing, unknown or wrong
 * @example
 * const provider = betterAuth({ baseURL: 'https://app.example.com' });
 * @see https://www.better-auth.com/docs/plugins/jwt
 */
export function betterAuth(options: BetterAuthOptions): Provider<BetterAuthClaims> {
  checkOptionNames('betterAuth', options, ['baseURL', 'basePath', 'issuer', 'audience', 'anonymous']);
  const origin = toOrigin('betterAuth', 'baseURL', options.baseURL, 'https://app.example.com');
  const basePath = toMatching('betterAuth', 'basePath', options.basePath ?? '/api/auth', {
    pattern: /^(?:\/[\w.~-]+)*$/,
    expected: 'a path such as /api/auth, without a slash at its end',
  });
  const { issuer = origin, audience = origin } = options;
  return fromPreset('betterAuth', options, {
    name: 'Better Auth',
    jwksUrl: `${origin}${basePath}/jwks`,
    issuers: toTexts('betterAuth', 'issuer', issuer, 'an issuer'),
    audiences: toTexts('betterAuth', 'audience', audience, 'an audience'),
    algorithms: ['EdDSA', 'Ed25519'],
    organizationClaims: [['org_id']],
    roleClaims: [['role']],
    rules: [
      { claim: ['typ'], in: 'header', must: 'be absent or one of', values: ['JWT'] },
      ...(toSwitch('betterAuth', 'anonymous', options.anonymous) ? [] : [noAnonymous]),
    ],
  });
}

const noAnonymous: ClaimRule = {
  claim: ['isAnonymous'],
  must: 'be absent or one of',
  values: [false],
  hint: 'anonymous sign-ins are accepted with anonymous: true',
};
