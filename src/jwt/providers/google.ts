import type { GoogleClaims } from '../claims.ts';
import type { ClaimRule } from '../claim-rule.ts';
import type { Provider } from '../provider.ts';
import { toMatching, toTexts } from './parameter.ts';
import { checkOptionNames, fromPreset, type PresetOptions } from './preset.ts';

/** What {@link google} takes. */
export interface GoogleOptions extends PresetOptions {
  /** Your OAuth client ids: all applications of the world share Google's keys, and these alone tell yours. */
  readonly clientId: string | readonly string[];
  /** The Workspace domains whose people are accepted (`hd`). Default: everybody with a Google account. */
  readonly hostedDomain?: string | readonly string[] | undefined;
}

/**
 * Sign in with Google: ID tokens. Google's access tokens are opaque and cannot be verified.
 *
 * @throws {TypeError} naming the option that is missing, unknown or wrong
 * @example
 * const provider = google({ clientId: '1234-abcd.apps.googleusercontent.com', hostedDomain: 'example.com' });
 * @see https://developers.google.com/identity/openid-connect/reference
 */
export function google(options: GoogleOptions): Provider<GoogleClaims> {
  checkOptionNames('google', options, ['clientId', 'hostedDomain']);
  const given: readonly unknown[] = Array.isArray(options.clientId) ? options.clientId : [options.clientId];
  const shape = {
    pattern: /^[\w-]+\.apps\.googleusercontent\.com$/,
    expected: 'an OAuth client id, which ends in .apps.googleusercontent.com, or a list of such',
  };
  const clientIds = given.map((clientId) => toMatching('google', 'clientId', clientId, shape));
  if (clientIds.length === 0) throw new TypeError(`google(): "clientId" must be ${shape.expected}`);
  return fromPreset('google', options, {
    name: 'Google',
    jwksUrl: 'https://www.googleapis.com/oauth2/v3/certs',
    // The second is the form of old.
    issuers: ['https://accounts.google.com', 'accounts.google.com'],
    audiences: clientIds,
    algorithms: ['RS256'],
    maxLifetimeSeconds: 86_400,
    organizationClaims: [['hd']],
    rules: [
      // A service account can have an ID token for any audience; it names itself, by a number.
      { claim: ['azp'], must: 'be absent or match', pattern: /\.apps\.googleusercontent\.com$/ },
      ...domainRules(options.hostedDomain),
    ],
  });
}

function domainRules(hostedDomain: unknown): readonly ClaimRule[] {
  if (hostedDomain === undefined) return [];
  const values = toTexts('google', 'hostedDomain', hostedDomain, 'a domain such as example.com');
  return [{ claim: ['hd'], must: 'be one of', values }];
}
