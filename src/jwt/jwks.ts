import { type Provider, type ProviderOptions, providerOptionNames, toProvider } from './provider.ts';
import { refuseUnknownOptions } from './refuse-unknown-options.ts';

/** What {@link jwks} takes. */
export interface JwksOptions extends ProviderOptions {
  /** Where the provider publishes its JSON Web Key Set. https, or http on a loopback address; no credentials. */
  readonly url: string | URL;
  /**
   * Default: `['RS256', 'ES256']`. Possible: RS, PS and ES with 256, 384 or 512, `EdDSA` and `Ed25519`. The last
   * two are one algorithm with two names: list the one that is in your tokens, or both.
   */
  readonly algorithms?: readonly string[] | undefined;
  /** Default: the host of the URL. */
  readonly name?: string | undefined;
}

/**
 * A provider that publishes its public keys at a URL. Nothing is fetched until the first token.
 *
 * @returns a frozen provider for {@link createVerifier}
 * @throws {TypeError} naming the option that is missing, unknown or wrong
 * @example
 * const acme = jwks({
 *   url: 'https://login.acme.example/.well-known/jwks.json',
 *   issuer: 'https://login.acme.example/',
 *   audience: 'https://api.acme.example',
 * });
 * @see https://www.rfc-editor.org/rfc/rfc7517#section-5
 */
export function jwks(options: JwksOptions): Provider {
  refuseUnknownOptions('jwks', options, ['url', ...providerOptionNames]);
  const jwksUrl = toKeySetUrl(options.url);
  return toProvider('jwks', { jwksUrl }, options, { name: jwksUrl.host, algorithms: ['RS256', 'ES256'] });
}

function toKeySetUrl(url: string | URL): URL {
  // The URL is not quoted: it may have credentials in it.
  if (!(url instanceof URL) && (typeof url !== 'string' || !URL.canParse(url))) {
    throw new TypeError('jwks(): "url" must be an absolute URL');
  }
  return new URL(url);
}
