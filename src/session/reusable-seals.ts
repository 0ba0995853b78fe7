import type { Identity } from './identity.ts';
import type { SealKey } from './seal-key.ts';
import { seal, sealLifetimeSeconds } from './seal.ts';

/** Where a seal is for, and what o'clock it is there. */
export interface SealTarget {
  readonly database: string;
  /** The backend that the seal is for, or 0 for any. */
  readonly backendPid: number;
  /** Seconds by which the database's clock is ahead of ours. */
  readonly clockOffsetSeconds: number;
}

/**
 * Seals identities, and gives the same seal again for the same identity and target within half of a seal's lifetime.
 * Both are told apart as objects, and seals go with them.
 */
export class ReusableSeals {
  readonly #key: () => Promise<SealKey>;
  readonly #made = new WeakMap<Identity, WeakMap<SealTarget, ReusableSeal>>();

  constructor(key: () => Promise<SealKey>) {
    this.#key = key;
  }

  /** @throws AuthorizeError `ERR_IDENTITY_INVALID`, `ERR_TOKEN_EXPIRED`, and the errors of the key */
  async sealFor(identity: Identity, target: SealTarget): Promise<string> {
    const nowSeconds = Date.now() / 1000;
    const ofIdentity = this.#made.get(identity) ?? new WeakMap<SealTarget, ReusableSeal>();
    const made = ofIdentity.get(target);
    if (made !== undefined && nowSeconds < made.reuseUntil) return made.text;

    const { database, backendPid, clockOffsetSeconds: offset } = target;
    const { expiresAt = Infinity } = identity;
    const text = await seal({ ...identity, expiresAt: expiresAt + offset }, await this.#key(), {
      database,
      backendPid,
      nowSeconds: nowSeconds + offset,
    });
    ofIdentity.set(target, { text, reuseUntil: Math.min(nowSeconds + sealLifetimeSeconds / 2, expiresAt) });
    this.#made.set(identity, ofIdentity);
    return text;
  }
}

interface ReusableSeal {
  readonly text: string;
  readonly reuseUntil: number;
}
