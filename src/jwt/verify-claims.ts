import { TokenError } from '../errors.ts';
import { checkClaims, readClaim } from './claim-rule.ts';
import type { Claims } from './claims.ts';
import { withCommonClaims } from './common-claims.ts';
import { deepFreeze } from './deep-freeze.ts';
import type { Provider } from './provider.ts';
import type { SignedToken } from './verify-signature.ts';

/** What the claims of a token have been found to say. */
export interface VerifiedClaims {
  /** Deeply frozen; `sub` is the user. */
  readonly claims: Claims;
  /** Whole epoch seconds, tolerance included. */
  readonly expiresAt: number;
}

/**
 * Judges the payload of a token whose signature holds: who issued it, for whom, of which kind it is, and when.
 *
 * @throws {TokenError} whose message says which claim, never what is in it
 * @see https://www.rfc-editor.org/rfc/rfc7519#section-4.1
 */
export function verifyClaims(
  { header, payload }: SignedToken,
  provider: Provider,
  clock: { readonly nowMs: number; readonly toleranceSeconds: number },
): VerifiedClaims {
  const claims = parseClaims(payload);
  const { iss, aud } = claims;
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
  checkClaims({ header, claims }, provider.rules, provider.name);
  const expiresAt = checkTimes(claims, provider, clock);
  const identified = withCommonClaims(withUserAsSubject(claims, provider.userIdClaim), provider);
  return { claims: deepFreeze(identified), expiresAt };
}

/** When the token stops being accepted, in whole epoch seconds. */
function checkTimes(
  claims: Record<string, unknown>,
  { name, maxLifetimeSeconds }: Provider,
  { nowMs, toleranceSeconds }: Parameters<typeof verifyClaims>[2],
): number {
  const exp = numericDate(claims, 'exp');
  const nbf = numericDate(claims, 'nbf');
  const iat = numericDate(claims, 'iat');
  if (exp === undefined) throw new TokenError('ERR_TOKEN_CLAIM', 'the token has no "exp"');
  const now = nowMs / 1000;
  const expiresAt = Math.floor(exp) + toleranceSeconds;
  if (now >= expiresAt) throw new TokenError('ERR_TOKEN_EXPIRED', 'the token has expired');
  if (nbf !== undefined && nbf > now + toleranceSeconds) {
    throw new TokenError('ERR_TOKEN_NOT_YET_VALID', 'the token is not valid yet: its "nbf" is in the future');
  }
  if (iat !== undefined && iat > now + toleranceSeconds) {
    throw new TokenError('ERR_TOKEN_NOT_YET_VALID', 'the token is not valid yet: its "iat" is in the future');
  }
  if (maxLifetimeSeconds !== null && exp - (iat ?? now) > maxLifetimeSeconds + toleranceSeconds) {
    throw new TokenError(
      'ERR_TOKEN_CLAIM',
      `the "exp" of the token is further away than tokens of "${name}" live`,
      { hint: 'if the provider really issues such tokens, say so in "maxLifetimeSeconds"' },
    );
  }
  return expiresAt;
}

/**
 * Everybody who asks for the user reads `sub`: the database's `auth.user_id()`, revocations, logs. So the user's id
 * is put there, and a `sub` that means something else stays readable as `token_sub`.
 *
 * The claims were read for this token and nobody else has them yet: they are changed, for a copy costs every new token.
 */
function withUserAsSubject(
  claims: Record<string, unknown>,
  userIdClaim: string,
): Record<string, unknown> & { readonly sub: string } {
  const userId = readClaim(claims, [userIdClaim]);
  if (typeof userId !== 'string' || userId === '') {
    throw new TokenError('ERR_TOKEN_CLAIM', `the token needs a "${userIdClaim}" that is text and not empty`);
  }
  const { sub } = claims;
  if (sub !== undefined && sub !== userId) claims.token_sub = sub;
  return Object.assign(claims, { sub: userId });
}

// Keeps nothing between two tokens.
const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

function parseClaims(payload: Uint8Array): Record<string, unknown> {
  let claims: unknown;
  try {
    claims = JSON.parse(utf8.decode(payload));
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
