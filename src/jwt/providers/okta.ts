import type { OktaClaims } from '../claims.ts';
import type { Provider } from '../provider.ts';
import { toBaseUrl, toTexts } from './parameter.ts';
import { checkOptionNames, fromPreset, type PresetOptions } from './preset.ts';

/** What {@link okta} takes. */
export interface OktaOptions extends PresetOptions {
  /** The issuer of a custom authorization server, `https://acme.okta.com/oauth2/default`. */
  readonly issuer: string;
  /** The authorization server's audience, `api://default` where nobody has changed it. */
  readonly audience: string | readonly string[];
}

/**
 * Okta: access tokens of people from a custom authorization server. The user's id is `uid`, which the identity has as
 * `sub`; what the token has there, a login that can change, is `token_sub`. Tokens of applications have no `uid`.
 *
 * @throws {TypeError} naming the option that is missing, unknown or wrong
 * @example
 * const provider = okta({ issuer: 'https://acme.okta.com/oauth2/default', audience: 'api://default' });
 * @see https://developer.okta.com/docs/guides/validate-access-tokens/main/
 */
export function okta(options: OktaOptions): Provider<OktaClaims> {
  checkOptionNames('okta', options, ['issuer', 'audience']);
  const issuer = toBaseUrl('okta', 'issuer', options.issuer, 'https://acme.okta.com/oauth2/default');
  if (!/^\/oauth2\/[\w-]+$/.test(new URL(issuer).pathname)) {
    throw new TypeError(
      'okta(): "issuer" must be a custom authorization server such as https://acme.okta.com/oauth2/default; ' +
        'access tokens of the organization’s own are not for others to verify',
    );
  }
  return fromPreset('okta', options, {
    name: 'Okta',
    jwksUrl: `${issuer}/v1/keys`,
    issuers: [issuer],
    audiences: toTexts('okta', 'audience', options.audience, 'the audience of the authorization server'),
    algorithms: ['RS256'],
    userIdClaim: 'uid',
    roleClaims: [['groups']],
  });
}
