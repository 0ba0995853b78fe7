import type { Auth0Claims } from '../claims.ts';
import type { ClaimRule } from '../claim-rule.ts';
import type { Provider } from '../provider.ts';
import { accessTokenType, toHost, toSwitch, toTexts } from './parameter.ts';
import { checkOptionNames, fromPreset, type PresetOptions } from './preset.ts';

/** What {@link auth0} takes. */
export interface Auth0Options extends PresetOptions {
  /** The tenant's host, `tenant.region.auth0.com`, or the custom domain that people sign in at. */
  readonly domain: string;
  /** The identifier of your API. One tenant's keys sign for all of its APIs and applications. */
  readonly audience: string | readonly string[];
  /** Accept tokens of applications that act for nobody (client credentials). Default: false. */
  readonly machines?: boolean | undefined;
}

/**
 * Auth0: access tokens for an API. Without an `audience` in the application's request Auth0 gives out opaque tokens,
 * which cannot be verified.
 *
 * @throws {TypeError} naming the option that is missing, unknown or wrong
 * @example
 * const provider = auth0({ domain: 'acme.eu.auth0.com', audience: 'https://api.example.com' });
 * @see https://auth0.com/docs/secure/tokens/access-tokens/access-token-profiles
 */
export function auth0(options: Auth0Options): Provider<Auth0Claims> {
  checkOptionNames('auth0', options, ['domain', 'audience', 'machines']);
  // The slash at the end is part of the issuer.
  const issuer = `https://${toHost('auth0', 'domain', options.domain, 'acme.eu.auth0.com')}/`;
  const machines = toSwitch('auth0', 'machines', options.machines);
  return fromPreset('auth0', options, {
    name: 'Auth0',
    jwksUrl: `${issuer}.well-known/jwks.json`,
    issuers: [issuer],
    audiences: toTexts('auth0', 'audience', options.audience, 'the identifier of your API'),
    algorithms: ['RS256'],
    maxLifetimeSeconds: 2_592_000,
    organizationClaims: [['org_id']],
    roleClaims: [['permissions']],
    rules: [
      { claim: ['typ'], in: 'header', must: 'be absent or match', pattern: accessTokenType },
      ...(machines ? [] : userRules),
    ],
  });
}

const hint = 'tokens of applications are accepted with machines: true';
const userRules: readonly ClaimRule[] = [
  // A person is "connection|id"; an application is "id@clients", or an id alone.
  { claim: ['sub'], must: 'match', pattern: /^[^|]+[|]./, hint },
  { claim: ['gty'], must: 'not be one of', values: ['client-credentials'], hint },
];
