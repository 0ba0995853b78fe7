import { compactVerify, decodeProtectedHeader, errors } from 'jose';
import { KeySetError, TokenError } from '../errors.ts';
import type { FindKey } from './remote-key-set.ts';
import type { Provider } from './provider.ts';

/** How many keys are tried for a token that fits more than one, since it names none or they share a name. */
const maxKeysTried = 8;

/**
 * The payload of a token, as bytes that a key of the provider has signed. What the header says of keys (`jku`,
 * `jwk`, `x5u`, `x5c`) is never looked at; `crit` is refused, since no extension is understood here.
 *
 * jose's errors are not passed on: some quote the header, and some carry the payload.
 *
 * @throws {TokenError} ERR_TOKEN_MALFORMED, ERR_TOKEN_ALGORITHM or ERR_TOKEN_SIGNATURE
 * @throws {KeySetError} if there are no keys to verify with
 * @see https://www.rfc-editor.org/rfc/rfc7515#section-5.2
 */
export async function verifySignature(
  token: string,
  provider: Provider,
  key: FindKey | Uint8Array<ArrayBuffer>,
): Promise<Uint8Array> {
  const algorithms = [...provider.algorithms];
  try {
    refuseCriticalExtensions(token);
    const { payload } = await compactVerify(token, key, { algorithms });
    return payload;
  } catch (error) {
    if (error instanceof errors.JWKSMultipleMatchingKeys) {
      const payload = await tryKeys(token, error, algorithms);
      if (payload !== undefined) return payload;
    }
    throw toRefusal(error, provider.name);
  }
}

function refuseCriticalExtensions(token: string): void {
  let header: object;
  try {
    header = decodeProtectedHeader(token);
  } catch {
    throw new TokenError('ERR_TOKEN_MALFORMED', 'the header of the token is not a JSON object');
  }
  if ('crit' in header) {
    throw new TokenError('ERR_TOKEN_MALFORMED', 'the token demands an extension that is not understood');
  }
}

async function tryKeys(
  token: string,
  candidates: errors.JWKSMultipleMatchingKeys,
  algorithms: string[],
): Promise<Uint8Array | undefined> {
  let tried = 0;
  for await (const key of candidates) {
    tried += 1;
    if (tried > maxKeysTried) return undefined;
    try {
      return (await compactVerify(token, key, { algorithms })).payload;
    } catch {
      // Not this one.
    }
  }
  return undefined;
}

function toRefusal(error: unknown, name: string): TokenError | KeySetError {
  if (error instanceof TokenError || error instanceof KeySetError) return error;
  switch (error instanceof errors.JOSEError ? error.code : undefined) {
    case 'ERR_JWS_INVALID':
      return new TokenError('ERR_TOKEN_MALFORMED', 'the token is not a signed JWT in compact form');
    case 'ERR_JOSE_ALG_NOT_ALLOWED':
    case 'ERR_JOSE_NOT_SUPPORTED':
      return new TokenError(
        'ERR_TOKEN_ALGORITHM',
        `the token is signed with an algorithm that "${name}" does not allow`,
        { hint: 'if the provider really signs with it, name it in "algorithms"' },
      );
    case 'ERR_JWKS_NO_MATCHING_KEY':
      return new TokenError('ERR_TOKEN_SIGNATURE', `no key of "${name}" fits the token`);
    default:
      return new TokenError('ERR_TOKEN_SIGNATURE', `the signature of the token is not one of "${name}"`);
  }
}
