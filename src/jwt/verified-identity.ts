import type { Claims } from './claims.ts';

/**
 * Who a verified token speaks for.
 *
 * The object and everything inside it is frozen. While a verifier remembers a token, every verification of that
 * token for the same role returns this very object, so it can be the key of a `WeakMap`.
 */
export interface VerifiedIdentity<C extends Claims = Claims> {
  /** The Postgres role that this person's SQL runs as. */
  readonly role: string;
  /**
   * The payload of the token, deeply frozen. `sub` is the user, a string that is not empty: where the provider says
   * that in another claim, `sub` is that claim's value, and what the token had there is `token_sub`. `$organization` and
   * `$roles` say the same for every provider. Other claims are typed as the provider documents them, and are checked
   * only where its preset has a rule for them.
   */
  readonly claims: C;
  /** When the identity stops being accepted: `exp` of the token plus the clock tolerance, in whole epoch seconds. */
  readonly expiresAt: number;
}
