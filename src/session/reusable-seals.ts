import type { Identity } from './identity.ts';
import type { SealKey } from './seal-key.ts';
import { seal, sealLifetimeSeconds } from './seal.ts';

/** Where a seal is for, and what o'clock it is there. */
export interface SealTarget {
  readonly database: string;
  /** The backend that answers. */
  readonly backendPid: number;
  /** Seconds by which the database's clock is ahead of ours. */
  readonly clockOffsetSeconds: number;
}

export interface ReusableSeal {
  readonly text: string;
  /** In seconds since 1970, by our clock. */
  readonly reuseUntil: number;
  /** For whoever sends it: a transaction has begun with it, so that Postgres has found it genuine there. */
  checked: boolean;
}

export interface ReusableSealsOptions {
  /** Make seals that are good on every backend, where it is not known which one answers. Default: false. */
  readonly anyBackend?: boolean;
}

/**
 * Seals of identities. One serves again for the same identity and target within half of a seal's lifetime; both are
 * told apart as objects, and seals go with them.
 */
export class ReusableSeals {
  readonly #key: () => Promise<SealKey>;
  readonly #anyBackend: boolean;
  readonly #made = new WeakMap<Identity, WeakMap<SealTarget, ReusableSeal>>();

  constructor(key: () => Promise<SealKey>, { anyBackend = false }: ReusableSealsOptions = {}) {
    this.#key = key;
    this.#anyBackend = anyBackend;
  }

  /** Without a promise, for those to whom a turn of the event loop counts. */
  find(identity: Identity, target: SealTarget): ReusableSeal | undefined {
    const made = this.#made.get(identity)?.get(target);
    return made !== undefined && Date.now() / 1000 < made.reuseUntil ? made : undefined;
  }

  /** @throws AuthorizeError `ERR_IDENTITY_INVALID`, `ERR_TOKEN_EXPIRED`, and the errors of the key */
  async make(identity: Identity, target: SealTarget): Promise<ReusableSeal> {
    const nowSeconds = Date.now() / 1000;
    const { database, backendPid, clockOffsetSeconds: offset } = target;
    const { expiresAt = Infinity } = identity;
    const text = await seal({ ...identity, expiresAt: expiresAt + offset }, await this.#key(), {
      database,
      backendPid: this.#anyBackend ? 0 : backendPid,
      nowSeconds: nowSeconds + offset,
    });
    const reuseUntil = Math.min(nowSeconds + sealLifetimeSeconds / 2, expiresAt);
    const made: ReusableSeal = { text, reuseUntil, checked: false };
    const ofIdentity = this.#made.get(identity) ?? new WeakMap<SealTarget, ReusableSeal>();
    ofIdentity.set(target, made);
    this.#made.set(identity, ofIdentity);
    return made;
  }
}
