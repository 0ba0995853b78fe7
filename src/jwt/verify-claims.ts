import { TokenError } from '../errors.ts';
import type { Provider } from './provider.ts';

/** What the claims of a token have been found to say. */
export interface VerifiedClaims {
  /** Deeply frozen. */
  readonly claims: Readonly<Record<string, unknown>>;
  /** Whole epoch seconds, tolerance included. */
  readonly expiresAt: number;
}

/**
 * Judges the payload of a token whose signature holds: who issued it, for whom, and when.
 *
 * @throws {TokenError} whose message says which claim, never what is in it
 * @see https://www.rfc-editor.org/rfc/rfc7519#section-4.1
 */
export function verifyClaims(
  payload: Uint8Array,
  provider: Provider,
  clock: { readonly nowMs: number; readonly toleranceSeconds: number },
): VerifiedClaims {
  const claims = parseClaims(payload);
  const { iss, aud, sub } = claims;
  if (provider.issuers.length > 0 && !(typeof iss === 'string' && provider.issuers.includes(iss))) {
    throw new TokenError('ERR_TOKEN_ISSUER', `the token has another "iss" than "${provider.name}" issues`, {
      hint: 'compare the issuer to the letter, the slash at its end included',
    });
  }
  if (provider.audiences !== null && !hasAudience(aud, provider.audiences)) {
    throw new TokenError(
      'ERR_TOKEN_AUDIENCE',
      `the token has no "aud" that "${provider.name}" is configured for`,
    );
  }
  const exp = numericDate(claims, 'exp');
  const nbf = numericDate(claims, 'nbf');
  const iat = numericDate(claims, 'iat');
  if (exp === undefined) throw new TokenError('ERR_TOKEN_CLAIM', 'the token has no "exp"');
  if (typeof sub !== 'string' || sub === '') {
    throw new TokenError('ERR_TOKEN_CLAIM', 'the token needs a "sub" that is text and not empty');
  }

  const now = clock.nowMs / 1000;
  const expiresAt = Math.floor(exp) + clock.toleranceSeconds;
  if (now >= expiresAt) throw new TokenError('ERR_TOKEN_EXPIRED', 'the token has expired');
  if (nbf !== undefined && nbf > now + clock.toleranceSeconds) {
    throw new TokenError('ERR_TOKEN_NOT_YET_VALID', 'the token is not valid yet: its "nbf" is in the future');
  }
  if (iat !== undefined && iat > now + clock.toleranceSeconds) {
    throw new TokenError('ERR_TOKEN_NOT_YET_VALID', 'the token is not valid yet: its "iat" is in the future');
  }
  return { claims: deepFreeze(claims), expiresAt };
}

function parseClaims(payload: Uint8Array): Record<string, unknown> {
  let claims: unknown;
  try {
    claims = JSON.parse(new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(payload));
  } catch {
    claims = undefined;
  }
  if (!isObject(claims)) {
    throw new TokenError('ERR_TOKEN_MALFORMED', 'the payload of the token is not a JSON object');
  }
  return claims;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function hasAudience(aud: unknown, accepted: readonly string[]): boolean {
  const audiences: readonly unknown[] = Array.isArray(aud) ? aud : [aud];
  return audiences.some((audience) => typeof audience === 'string' && accepted.includes(audience));
}

/** The last second that a `Date` can hold. JSON can say 1e999 as well, which is Infinity and would never expire. */
const lastSecond = 8.64e12;

function numericDate(claims: Record<string, unknown>, claim: 'exp' | 'nbf' | 'iat'): number | undefined {
  const value = claims[claim];
  if (value === undefined) return undefined;
  if (typeof value !== 'number' || Math.abs(value) > lastSecond) {
    throw new TokenError('ERR_TOKEN_CLAIM', `the "${claim}" of the token is not a number of seconds`);
  }
  return value;
}

/** With a list instead of recursion: how deep claims are nested is up to the issuer. */
function deepFreeze(claims: Record<string, unknown>): Readonly<Record<string, unknown>> {
  const open: object[] = [claims];
  for (let value = open.pop(); value !== undefined; value = open.pop()) {
    Object.freeze(value);
    const children: readonly unknown[] = Object.values(value);
    for (const child of children) {
      if (typeof child === 'object' && child !== null) open.push(child);
    }
  }
  return claims;
}
