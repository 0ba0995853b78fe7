import type { ClaimRule } from '../claim-rule.ts';
import { type Provider, type ProviderOptions, providerOptionNames, toProvider } from '../provider.ts';
import { refuseUnknownOptions } from '../refuse-unknown-options.ts';
import { accessTokenType, toSwitch, toTexts } from './parameter.ts';

/** What {@link oidc} takes. */
export interface OidcOptions extends Omit<ProviderOptions, 'issuer' | 'audience'> {
  /**
   * The issuer, to the letter: mind the slash at the end. Its discovery document, at
   * `/.well-known/openid-configuration` behind it, must name the same one.
   */
  readonly issuer: string;
  /**
   * What must be in `aud`. `null` says, on purpose, that `aud` is not checked: then every application of the issuer
   * can send what its users have given it.
   */
  readonly audience: string | readonly string[] | null;
  /** Accept tokens of applications that act for nobody (client credentials). Default: false. */
  readonly machines?: boolean | undefined;
}

/**
 * Any provider with OpenID Connect Discovery. Nothing is fetched until the first token.
 *
 * @throws {TypeError} naming the option that is missing, unknown or wrong
 * @example
 * const provider = oidc({ issuer: 'https://login.acme.example', audience: 'https://api.acme.example' });
 * @see https://openid.net/specs/openid-connect-discovery-1_0.html
 */
export function oidc(options: OidcOptions): Provider {
  refuseUnknownOptions('oidc', options, [...providerOptionNames, 'machines']);
  const { audience, machines, ...rest } = options;
  const issuer = toIssuer(options.issuer);
  const rules: readonly ClaimRule[] = [
    { claim: ['typ'], in: 'header', must: 'be absent or match', pattern: accessTokenType },
    ...(toSwitch('oidc', 'machines', machines) ? [] : [noMachine]),
  ];
  const audiences =
    audience === null ? undefined : toTexts('oidc', 'audience', audience, 'the audience of your API');
  return toProvider(
    'oidc',
    { issuer },
    { ...rest, audience: audiences },
    {
      name: new URL(issuer).host,
      algorithms: ['RS256', 'ES256'],
      rules,
    },
  );
}

function toIssuer(issuer: unknown): string {
  const url = typeof issuer === 'string' && URL.canParse(issuer) ? new URL(issuer) : undefined;
  if (typeof issuer !== 'string' || url === undefined || url.search !== '' || url.hash !== '') {
    throw new TypeError(
      'oidc(): "issuer" must be a URL such as https://login.acme.example, without query and fragment',
    );
  }
  return issuer;
}

/** RFC 9068 §2.2: the subject of a token that was given to a client for itself is the client. */
const noMachine: ClaimRule = {
  claim: ['sub'],
  must: 'differ from',
  other: ['client_id'],
  hint: 'tokens of applications are accepted with machines: true',
};
