import { compactVerify, type CompactVerifyResult, decodeProtectedHeader, errors } from 'jose';
import { KeySetError, TokenError } from '../errors.ts';
import type { FindKey } from './remote-key-set.ts';
import type { Provider } from './provider.ts';

/** How many keys are tried for a token that fits more than one, since it names none or they share a name. */
const maxKeysTried = 8;

/** What a key of the provider has signed. */
export interface SignedToken {
  readonly header: object;
  /** Nobody has read it yet. */
  readonly payload: Uint8Array;
}

/**
 * The parts of a token, the payload as bytes that a key of the provider has signed. What the header says of keys (`jku`,
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
): Promise<SignedToken> {
  const algorithms = [...provider.algorithms];
  try {
    return toSigned(await compactVerify(token, key, { algorithms }));
  } catch (error) {
    // What is wrong with the header says more than what jose made of it. A good token is spared the second reading.
    refuseCriticalExtensions(token);
    if (error instanceof errors.JWKSMultipleMatchingKeys) {
      const signed = await tryKeys(token, error, algorithms);
      if (signed !== undefined) return signed;
    }
    throw toRefusal(error, provider.name);
  }
}

function toSigned({ protectedHeader, payload }: CompactVerifyResult): SignedToken {
  // jose itself understands one, "b64".
  refuseExtensionsIn(protectedHeader);
  return { header: protectedHeader, payload };
}

function refuseCriticalExtensions(token: string): void {
  let header: object;
  try {
    header = decodeProtectedHeader(token);
  } catch {
    throw new TokenError('ERR_TOKEN_MALFORMED', 'the header of the token is not a JSON object');
  }
  refuseExtensionsIn(header);
}

function refuseExtensionsIn(header: object): void {
  if ('crit' in header) {
    throw new TokenError('ERR_TOKEN_MALFORMED', 'the token demands an extension that is not understood');
  }
}

async function tryKeys(
  token: string,
  candidates: errors.JWKSMultipleMatchingKeys,
  algorithms: string[],
): Promise<SignedToken | undefined> {
  let tried = 0;
  for await (const key of candidates) {
    tried += 1;
    if (tried > maxKeysTried) return undefined;
    try {
      return toSigned(await compactVerify(token, key, { algorithms }));
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
