import type { PropelAuthClaims } from '../claims.ts';
import type { Provider } from '../provider.ts';
import { toOrigin } from './parameter.ts';
import { checkOptionNames, fromPreset, type PresetOptions } from './preset.ts';

/** What {@link propelAuth} takes. */
export interface PropelAuthOptions extends PresetOptions {
  /** The auth URL of the dashboard: `https://auth.example.com`, or `https://1234.propelauthtest.com`. */
  readonly authUrl: string;
}

/**
 * PropelAuth: access tokens of users. The user's id is `user_id`, which the identity has as `sub`.
 *
 * @throws {TypeError} naming the option that is missing, unknown or wrong
 * @example
 * const provider = propelAuth({ authUrl: 'https://auth.example.com' });
 * @see https://docs.propelauth.com/reference/backend-apis/node
 */
export function propelAuth(options: PropelAuthOptions): Provider<PropelAuthClaims> {
  checkOptionNames('propelAuth', options, ['authUrl']);
  const issuer = toOrigin('propelAuth', 'authUrl', options.authUrl, 'https://auth.example.com');
  return fromPreset('propelAuth', options, {
    name: 'PropelAuth',
    jwksUrl: `${issuer}/.well-known/jwks.json`,
    issuers: [issuer],
    audiences: null,
    algorithms: ['RS256'],
    userIdClaim: 'user_id',
    organizationClaims: [['org_member_info', 'org_id']],
    roleClaims: [['org_member_info', 'user_role']],
  });
}
