import type { LogtoClaims } from '../claims.ts';
import type { ClaimRule } from '../claim-rule.ts';
import type { Provider } from '../provider.ts';
import { toOrigin, toSwitch, toTexts } from './parameter.ts';
import { checkOptionNames, fromPreset, type PresetOptions } from './preset.ts';

/** What {@link logto} takes. */
export interface LogtoOptions extends PresetOptions {
  /** Where Logto is: `https://acme.logto.app`, or your own. */
  readonly endpoint: string;
  /** The indicator of your API resource, or `urn:logto:organization:…` for organisations' own tokens. */
  readonly audience: string | readonly string[];
  /** Accept tokens of applications that act for nobody. Default: false. */
  readonly machines?: boolean | undefined;
}

/**
 * Logto: access tokens for an API. Without a `resource` in the application's request Logto gives out opaque tokens,
 * which cannot be verified.
 *
 * @throws {TypeError} naming the option that is missing, unknown or wrong
 * @example
 * const provider = logto({ endpoint: 'https://acme.logto.app', audience: 'https://api.example.com' });
 * @see https://docs.logto.io/authorization/validate-access-tokens
 */
export function logto(options: LogtoOptions): Provider<LogtoClaims> {
  checkOptionNames('logto', options, ['endpoint', 'audience', 'machines']);
  const issuer = `${toOrigin('logto', 'endpoint', options.endpoint, 'https://acme.logto.app')}/oidc`;
  return fromPreset('logto', options, {
    name: 'Logto',
    jwksUrl: `${issuer}/jwks`,
    issuers: [issuer],
    audiences: toTexts('logto', 'audience', options.audience, 'the indicator of your API resource'),
    algorithms: ['ES384', 'RS256'],
    organizationClaims: [['organization_id']],
    rules: [
      {
        claim: ['typ'],
        in: 'header',
        must: 'match',
        pattern: /^(?:application\/)?at\+jwt$/i,
        hint: 'send an access token, not the ID token',
      },
      ...(toSwitch('logto', 'machines', options.machines) ? [] : [noMachine]),
    ],
  });
}

const noMachine: ClaimRule = {
  claim: ['sub'],
  must: 'differ from',
  other: ['client_id'],
  hint: 'tokens of applications are accepted with machines: true',
};
