import type { Verifier } from '../jwt/index.ts';
import type { Identity } from '../session/identity.ts';

/** A JWT, a promise of one, or a function that is called when one is needed. */
export type TokenInput = string | Promise<string> | (() => string | Promise<string>);

/** Says who asks, whenever a query is about to run. */
export type IdentitySource = () => Promise<Identity>;

/**
 * Verifies a token at the first query and again when it has expired; a function is then asked for a new one.
 *
 * @throws TypeError at once when the token is undefined, null or empty: that is a mistake, and never an anonymous visitor
 */
export function bearerIdentity(token: TokenInput, verifier: Verifier, role: string): IdentitySource {
  if (typeof token === 'string' ? token === '' : typeof token !== 'function' && !isPromise(token)) {
    throw new TypeError('$withAuth: the token is missing; use $withAnonymous() for visitors without one');
  }
  // The handle may never be used; whoever made the promise hears of its failure from the query.
  if (isPromise(token)) token.catch(() => {});

  let verified: Promise<Identity> | undefined;
  let expiresAt = 0;
  return () => {
    if (verified === undefined || Date.now() / 1000 >= expiresAt) {
      expiresAt = Infinity;
      verified = (async () => {
        const text: unknown = await (typeof token === 'function' ? token() : token);
        if (typeof text !== 'string' || text === '') {
          throw new TypeError('$withAuth: the token turned out to be missing');
        }
        const identity = await verifier.verify(text, { role });
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
