import type { DescopeClaims } from '../claims.ts';
import type { ClaimRule } from '../claim-rule.ts';
import type { Provider } from '../provider.ts';
import { toBaseUrl, toMatching, toSwitch, toTexts } from './parameter.ts';
import { checkOptionNames, fromPreset, type PresetOptions } from './preset.ts';

/** What {@link descope} takes. */
export interface DescopeOptions extends PresetOptions {
  /** The project's id, `P2…`. */
  readonly projectId: string;
  /** What must be in `aud`, where a JWT template writes one. Default: not checked; session tokens have none. */
  readonly audience?: string | readonly string[] | undefined;
  /** Where Descope is reached, for regions and custom domains. Default: `https://api.descope.com`. */
  readonly baseUrl?: string | undefined;
  /** Accept tokens of access keys, which are no people. Default: false. */
  readonly machines?: boolean | undefined;
}

/**
 * Descope: session tokens. Refresh tokens, which the same keys sign and which live for weeks, are refused.
 *
 * @throws {TypeError} naming the option that is missing, unknown or wrong
 * @example
 * const provider = descope({ projectId: 'P2bQkmTnVdRfGhJkLmNpQrStUvWx' });
 * @see https://docs.descope.com/session-overview
 */
export function descope(options: DescopeOptions): Provider<DescopeClaims> {
  checkOptionNames('descope', options, ['projectId', 'audience', 'baseUrl', 'machines']);
  const { audience, baseUrl = 'https://api.descope.com' } = options;
  const projectId = toMatching('descope', 'projectId', options.projectId, {
    pattern: /^P[A-Za-z0-9]+$/,
    expected: 'the id of a project, which begins with P, not a URL',
  });
  const base = toBaseUrl('descope', 'baseUrl', baseUrl, 'https://api.descope.com');
  return fromPreset('descope', options, {
    name: 'Descope',
    jwksUrl: `${base}/${projectId}/.well-known/jwks.json`,
    // Which one depends on the JWT template; the first is no URL.
    issuers: [projectId, `${base}/${projectId}`, `${base}/v1/apps/${projectId}`],
    audiences: audience === undefined ? null : toTexts('descope', 'audience', audience, 'an audience'),
    algorithms: ['RS256'],
    maxLifetimeSeconds: 86_400,
    organizationClaims: [['dct']],
    organizationsClaim: ['tenants'],
    roleClaims: [['roles']],
    rules: [
      {
        claim: ['drn'],
        must: 'be absent or one of',
        values: ['DS'],
        hint: 'send the session token, not the refresh token',
      },
      ...(toSwitch('descope', 'machines', options.machines) ? [] : [userRule]),
    ],
  });
}

/** A person is `U2…`, an access key `K2…`. */
const userRule: ClaimRule = {
  claim: ['sub'],
  must: 'match',
  pattern: /^U/,
  hint: 'tokens of access keys are accepted with machines: true',
};
