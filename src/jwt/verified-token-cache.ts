import type { VerifiedIdentity } from './verified-identity.ts';

/** Remembers the identities of verified tokens by a digest, bounded; what was not used for longest goes first. */
export class VerifiedTokenCache {
  readonly #size: number;
  /** A `Map` keeps the order of insertion: the first key is the one that was not used for longest. */
  readonly #identities = new Map<string, VerifiedIdentity>();

  constructor(size: number) {
    this.#size = size;
  }

  get size(): number {
    return this.#identities.size;
  }

  get(key: string, nowMs: number): VerifiedIdentity | undefined {
    const identity = this.#identities.get(key);
    if (identity === undefined) return undefined;
    this.#identities.delete(key);
    if (nowMs >= identity.expiresAt * 1000) return undefined;
    this.#identities.set(key, identity);
    return identity;
  }

  set(key: string, identity: VerifiedIdentity): void {
    if (this.#size === 0) return;
    this.#identities.delete(key);
    this.#identities.set(key, identity);
    if (this.#identities.size <= this.#size) return;
    const { value: oldest } = this.#identities.keys().next();
    if (oldest !== undefined) this.#identities.delete(oldest);
  }
}
