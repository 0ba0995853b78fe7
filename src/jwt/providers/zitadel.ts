import type { ZitadelClaims } from '../claims.ts';
import type { Provider } from '../provider.ts';
import { toMatching, toOrigin } from './parameter.ts';
import { checkOptionNames, fromPreset, type PresetOptions } from './preset.ts';

/** What {@link zitadel} takes. */
export interface ZitadelOptions extends PresetOptions {
  /** Where Zitadel is: `https://acme.zitadel.cloud`, or your own. */
  readonly url: string;
  /** The id of the project, which its tokens have in `aud`. */
  readonly projectId: string;
}

/**
 * Zitadel: access tokens of an application whose token type is JWT. Service users cannot be told from people by their
 * tokens.
 *
 * @throws {TypeError} naming the option that is missing, unknown or wrong
 * @example
 * const provider = zitadel({ url: 'https://acme.zitadel.cloud', projectId: '69234237810729019' });
 * @see https://zitadel.com/docs/apis/openidoauth/claims
 */
export function zitadel(options: ZitadelOptions): Provider<ZitadelClaims> {
  checkOptionNames('zitadel', options, ['url', 'projectId']);
  const issuer = toOrigin('zitadel', 'url', options.url, 'https://acme.zitadel.cloud');
  const projectId = toMatching('zitadel', 'projectId', options.projectId, {
    pattern: /^\d+$/,
    expected: 'the id of a project as text, digits such as 69234237810729019',
  });
  return fromPreset('zitadel', options, {
    name: 'Zitadel',
    jwksUrl: `${issuer}/oauth/v2/keys`,
    issuers: [issuer],
    audiences: [projectId],
    algorithms: ['RS256'],
    organizationClaims: [['urn:zitadel:iam:user:resourceowner:id']],
    roleClaims: [['urn:zitadel:iam:org:project:roles']],
    rules: [
      // An ID token has the same audience.
      { claim: ['at_hash'], must: 'be absent', hint: 'send the access token, not the ID token' },
      { claim: ['nonce'], must: 'be absent', hint: 'send the access token, not the ID token' },
    ],
  });
}
