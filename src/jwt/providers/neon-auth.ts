import type { NeonAuthClaims } from '../claims.ts';
import type { ClaimRule } from '../claim-rule.ts';
import type { Provider } from '../provider.ts';
import { toBaseUrl, toSwitch } from './parameter.ts';
import { checkOptionNames, fromPreset, type PresetOptions } from './preset.ts';

/** What {@link neonAuth} takes. */
export interface NeonAuthOptions extends PresetOptions {
  /** The auth URL of the console: `https://ep-….neonauth.us-east-2.aws.neon.tech/neondb/auth`. */
  readonly url: string;
  /** Accept the tokens that visitors get without signing in. Default: false. */
  readonly anonymous?: boolean | undefined;
}

/**
 * Neon Auth, which is Better Auth run by Neon. Its issuer and audience are the origin of the auth URL.
 *
 * @throws {TypeError} naming the option that is missing, unknown or wrong
 * @example
 * const provider = neonAuth({ url: 'https://ep-x.neonauth.us-east-2.aws.neon.tech/neondb/auth' });
 * @see https://neon.com/docs/auth/guides/plugins/jwt
 */
export function neonAuth(options: NeonAuthOptions): Provider<NeonAuthClaims> {
  checkOptionNames('neonAuth', options, ['url', 'anonymous']);
  const url = toBaseUrl(
    'neonAuth',
    'url',
    options.url,
    'https://ep-x.neonauth.us-east-2.aws.neon.tech/neondb/auth',
  );
  const { origin } = new URL(url);
  return fromPreset('neonAuth', options, {
    name: 'Neon Auth',
    jwksUrl: `${url}/.well-known/jwks.json`,
    issuers: [origin],
    audiences: [origin],
    algorithms: ['EdDSA', 'Ed25519'],
    organizationClaims: [['o', 'id']],
    roleClaims: [['o', 'role']],
    rules: [
      { claim: ['typ'], in: 'header', must: 'be absent or one of', values: ['JWT'] },
      ...(toSwitch('neonAuth', 'anonymous', options.anonymous) ? [] : [noAnonymous]),
    ],
  });
}

const noAnonymous: ClaimRule = {
  claim: ['role'],
  must: 'not be one of',
  values: ['anonymous'],
  hint: 'tokens of visitors are accepted with anonymous: true',
};
