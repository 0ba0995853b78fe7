import type { Verifier } from '../jwt/index.ts';
import type { Identity } from '../session/identity.ts';

/** A JWT, a promise of one, or a function that is called when one is needed. */
export type TokenInput = string | Promise<string> | (() => string | Promise<string>);

/** Says who asks, whenever a query is about to run. */
export type IdentitySource = () => Promise<Identity>;

/**
 * Reads the token when it is called; a function is asked each time.
 *
 * @throws TypeError at once when the token is undefined, null or empty, and later when it turns out to be: that is a
 *   mistake, and never an anonymous visitor
 */
export function tokenSource(token: TokenInput): () => Promise<string> {
  if (typeof token === 'string' ? token === '' : typeof token !== 'function' && !isPromise(token)) {
    throw new TypeError('$withAuth: the token is missing; use $withAnonymous() for visitors without one');
  }
  // The handle may never be used; whoever made the promise hears of its failure from the query.
  if (isPromise(token)) token.catch(() => {});

  return async () => {
    const text: unknown = await (typeof token === 'function' ? token() : token);
    if (typeof text !== 'string' || text === '') {
      throw new TypeError('$withAuth: the token turned out to be missing');
    }
    return text;
  };
}

/**
 * Verifies a token at the first query and again when it has expired; a function is then asked for a new one.
 *
 * @throws TypeError as {@link tokenSource} does
 */
export function bearerIdentity(token: TokenInput, verifier: Verifier, role: string): IdentitySource {
  const read = tokenSource(token);
  let verified: Promise<Identity> | undefined;
  let expiresAt = 0;
  return () => {
    if (verified === undefined || Date.now() / 1000 >= expiresAt) {
      expiresAt = Infinity;
      verified = (async () => {
        const identity = await verifier.verify(await read(), { role });
        expiresAt = identity.expiresAt;
        return identity;
      })();
      // A failure is not kept: the provider may be back for the next query.
      verified.catch(() => {
        verified = undefined;
      });
    }
    return verified;
  };
}

function isPromise(value: unknown): value is Promise<string> {
  return typeof value === 'object' && value !== null && 'then' in value && typeof value.then === 'function';
}
