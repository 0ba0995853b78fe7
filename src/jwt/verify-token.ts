import { decodeJwt } from 'jose';
import { type ErrorCode, isAuthorizeError, TokenError } from '../errors.ts';
import { readClaim } from './claim-rule.ts';
import type { VerifiedIdentity } from './verified-identity.ts';
import type { Provider } from './provider.ts';
import type { FindKey } from './remote-key-set.ts';
import { verifyClaims } from './verify-claims.ts';
import { verifySignature } from './verify-signature.ts';

/** A provider, and how its key for a token is found. */
export interface Candidate {
  readonly provider: Provider;
  readonly key: FindKey | Uint8Array<ArrayBuffer>;
}

interface Clock {
  /** Epoch milliseconds. */
  readonly now: () => number;
  readonly toleranceSeconds: number;
}

/** Three parts of base64url; the last is empty in an unsigned token, which has an answer of its own. */
const compactForm = /^[\w-]+\.[\w-]+\.[\w-]*$/;

/**
 * The identity that one of the candidates grants to a token, whichever answers first. The `iss` that nobody has
 * verified yet only chooses whom to ask.
 *
 * @throws {TokenError | KeySetError} the answer that says most, if all refuse
 */
export async function verifyToken(
  token: string,
  role: string,
  candidates: readonly Candidate[],
  clock: Clock,
): Promise<VerifiedIdentity> {
  if (!compactForm.test(token)) throw malformed(token);
  const [only, ...others] = candidates;
  // With nobody to choose from, reading the payload before its time would be 6 µs spent on nothing.
  if (only !== undefined && others.length === 0) return judge(token, role, only, clock);
  const issuer = unverifiedIssuer(token);
  const named = candidates.filter(({ provider }) => provider.issuers.some((known) => known === issuer));
  const eligible = [...named, ...candidates.filter(({ provider }) => provider.issuers.length === 0)];
  // Strangers have other issuers and cannot accept the token. But whether their signature holds tells two mistakes
  // apart: an issuer that is configured wrongly, and a token of somebody else.
  const strangers = named.length > 0 ? [] : candidates.filter((candidate) => !eligible.includes(candidate));
  const asked = [...eligible, ...strangers];
  try {
    return await Promise.any(asked.map((candidate) => judge(token, role, candidate, clock)));
  } catch (error) {
    const answers: readonly unknown[] = error instanceof AggregateError ? error.errors : [error];
    const telling = answers.filter(
      (answer, index) => index < eligible.length || rank(answer) >= signatureHolds,
    );
    if (telling.length > 0) throw mostTelling(telling);
    if (answers.length === 1) throw answers[0];
    throw new TokenError('ERR_PROVIDER_UNKNOWN', 'no configured provider has issued the token');
  }
}

async function judge(
  token: string,
  role: string,
  { provider, key }: Candidate,
  clock: Clock,
): Promise<VerifiedIdentity> {
  const signed = await verifySignature(token, provider, key);
  const { claims, expiresAt } = verifyClaims(signed, provider, {
    nowMs: clock.now(),
    toleranceSeconds: clock.toleranceSeconds,
  });
  checkRole(role, claims, provider);
  return Object.freeze({ role, claims, expiresAt });
}

/** The role was chosen by the connection. A claim can forbid it, where the provider was given that power; no claim chooses one. */
function checkRole(role: string, claims: Readonly<Record<string, unknown>>, provider: Provider): void {
  const { name, roles, roleFrom } = provider;
  if (!roles.includes(role)) {
    throw new TokenError(
      'ERR_PROVIDER_ROLE',
      `"${name}" may not issue tokens for the role that was asked for`,
      {
        hint: 'name the role in "roles" of the provider if it may',
      },
    );
  }
  if (roleFrom !== null && readClaim(claims, [roleFrom]) !== role) {
    throw new TokenError(
      'ERR_PROVIDER_ROLE',
      `the "${roleFrom}" of the token is not the role that was asked for`,
    );
  }
}

/** Nothing has been verified yet: good enough to choose whom to ask, and for nothing else. */
function unverifiedIssuer(token: string): unknown {
  try {
    return decodeJwt(token).iss;
  } catch {
    return undefined;
  }
}

function malformed(token: string): TokenError {
  if (/^bearer\s/i.test(token)) {
    return new TokenError('ERR_TOKEN_MALFORMED', 'the token still has the word "Bearer" in front of it');
  }
  if (/^[\w-]+(?:\.[\w-]*){4}$/.test(token)) {
    return new TokenError('ERR_TOKEN_MALFORMED', 'the token is encrypted (JWE), which cannot be verified', {
      hint: 'ask the provider for signed access tokens',
    });
  }
  return new TokenError('ERR_TOKEN_MALFORMED', 'the token is not a signed JWT in compact form');
}

/** By how far verification got before it was refused; what comes later says more about the token. */
const refusals: readonly ErrorCode[] = [
  'ERR_TOKEN_ALGORITHM',
  'ERR_TOKEN_SIGNATURE',
  'ERR_KEY_SET_INVALID',
  'ERR_KEY_SET_UNREACHABLE',
  // From here on the signature holds.
  'ERR_TOKEN_MALFORMED',
  'ERR_TOKEN_ISSUER',
  'ERR_TOKEN_AUDIENCE',
  'ERR_TOKEN_CLAIM',
  'ERR_TOKEN_EXPIRED',
  'ERR_TOKEN_NOT_YET_VALID',
  'ERR_PROVIDER_ROLE',
];

const signatureHolds = refusals.indexOf('ERR_TOKEN_MALFORMED');

/** An error that is none of ours is a fault in here, and comes first. */
function rank(answer: unknown): number {
  return isAuthorizeError(answer) ? refusals.indexOf(answer.code) : refusals.length;
}

function mostTelling(answers: readonly unknown[]): unknown {
  return answers.reduce((best, answer) => (rank(answer) > rank(best) ? answer : best));
}
