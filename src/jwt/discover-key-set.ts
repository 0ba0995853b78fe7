import { KeySetError } from '../errors.ts';
import { type DocumentRequest, fetchDocument } from './fetch-document.ts';
import { isSecureUrl } from './secure-url.ts';

/** Whose key set is looked for; timeout and size are those of one document. */
export interface Discovery extends Omit<DocumentRequest, 'document' | 'url'> {
  /** To the letter, as in tokens. */
  readonly issuer: string;
}

/**
 * Where an issuer's key set is, by its discovery document. The document must say the same issuer, so that one which
 * lies elsewhere cannot speak for it.
 *
 * @throws {KeySetError} ERR_KEY_SET_UNREACHABLE or ERR_KEY_SET_INVALID
 * @see https://openid.net/specs/openid-connect-discovery-1_0.html#ProviderConfigurationValidation
 */
export async function discoverKeySet({ issuer, ...request }: Discovery): Promise<URL> {
  const url = `${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`;
  const { content: document } = await fetchDocument({ ...request, document: 'discovery document', url });
  if (typeof document !== 'object' || document === null) {
    throw invalid(request.name, 'is not a JSON object');
  }
  if (!('issuer' in document) || document.issuer !== issuer) {
    throw invalid(
      request.name,
      'names another issuer',
      'compare the issuer to the letter, the slash at its end included',
    );
  }
  const location = 'jwks_uri' in document ? document.jwks_uri : undefined;
  if (typeof location !== 'string' || !URL.canParse(location)) {
    throw invalid(request.name, 'does not say where the key set is');
  }
  const keySet = new URL(location);
  if (!isSecureUrl(keySet) || keySet.username !== '' || keySet.password !== '') {
    throw invalid(request.name, 'leads to keys that do not come over https');
  }
  return keySet;
}

function invalid(name: string, what: string, hint?: string): KeySetError {
  return new KeySetError(
    'ERR_KEY_SET_INVALID',
    `the discovery document of "${name}" ${what}`,
    hint === undefined ? {} : { hint },
  );
}
