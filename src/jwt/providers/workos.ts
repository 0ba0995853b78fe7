import type { WorkosClaims } from '../claims.ts';
import type { Provider } from '../provider.ts';
import { toHost, toMatching, toTexts } from './parameter.ts';
import { checkOptionNames, fromPreset, type PresetOptions } from './preset.ts';

/** What {@link workos} takes. */
export interface WorkosOptions extends PresetOptions {
  /** The client id of the environment, `client_…`. */
  readonly clientId: string;
  /** What must be in `aud`, where a JWT template writes one. Default: not checked; session tokens have none. */
  readonly audience?: string | readonly string[] | undefined;
  /** The custom authentication domain, if there is one. Default: `api.workos.com`. */
  readonly domain?: string | undefined;
}

/**
 * WorkOS AuthKit: access tokens of sessions. Tokens of agents, which the same keys sign, are refused.
 *
 * @throws {TypeError} naming the option that is missing, unknown or wrong
 * @example
 * const provider = workos({ clientId: 'client_01HBEQKA6K4QJAS93VPE39W1JT' });
 * @see https://workos.com/docs/reference/authkit/session-tokens
 */
export function workos(options: WorkosOptions): Provider<WorkosClaims> {
  checkOptionNames('workos', options, ['clientId', 'audience', 'domain']);
  const { audience, domain = 'api.workos.com' } = options;
  const clientId = toMatching('workos', 'clientId', options.clientId, {
    pattern: /^client_[A-Za-z0-9_]+$/,
    expected: 'a client id, which begins with client_',
  });
  const base = `https://${toHost('workos', 'domain', domain, 'auth.example.com')}`;
  return fromPreset('workos', options, {
    name: 'WorkOS',
    jwksUrl: `${base}/sso/jwks/${clientId}`,
    // The three that WorkOS documents, in different places.
    issuers: [base, `${base}/`, `${base}/user_management/${clientId}`],
    audiences: audience === undefined ? null : toTexts('workos', 'audience', audience, 'an audience'),
    algorithms: ['RS256'],
    organizationClaims: [['org_id']],
    roleClaims: [['roles'], ['role']],
    rules: [
      { claim: ['sid'], must: 'be present', hint: 'send the access token of a session' },
      { claim: ['sub'], must: 'match', pattern: /^user_/ },
    ],
  });
}
