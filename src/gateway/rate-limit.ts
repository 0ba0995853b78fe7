import type { Identity } from '../session/identity.ts';
import { personOf } from './person.ts';
import type { Verdict } from './statement-policy.ts';

export interface RateLimitOptions {
  readonly requestsPerSecond: number;
  /** How many may come at once after a pause. */
  readonly burst: number;
  /** Milliseconds of a clock that is never set. Default: `performance.now`. */
  readonly now?: () => number;
}

interface Bucket {
  tokens: number;
  filledAt: number;
}

// Then those are looked for that are as if they had never asked.
const manyBuckets = 10_000;

/** How often a person may ask: a bucket of tokens for each, of which a request takes one. */
export class RateLimit {
  readonly #options: RateLimitOptions;
  readonly #now: () => number;
  readonly #buckets = new Map<string, Bucket>();
  #sweepAt = manyBuckets;

  constructor(options: RateLimitOptions) {
    this.#options = options;
    this.#now = options.now ?? (() => performance.now());
  }

  /**
   * Counts a request. Visitors are nobody in particular, and not limited.
   *
   * @returns what it is refused with, where it is one too many
   */
  refuses(identity: Pick<Identity, 'claims'>): Verdict | undefined {
    const person = personOf(identity);
    if (person === undefined) return undefined;
    const { requestsPerSecond } = this.#options;
    const bucket = this.#filled(person);
    if (bucket.tokens < 1) {
      const seconds = Math.ceil((1 - bucket.tokens) / requestsPerSecond);
      return {
        message: 'too many requests of one person',
        code: '53400',
        hint: `Try again in ${seconds} s; there may be ${requestsPerSecond} a second.`,
      };
    }
    bucket.tokens -= 1;
    return undefined;
  }

  #filled(person: string): Bucket {
    const { burst } = this.#options;
    const now = this.#now();
    const known = this.#buckets.get(person);
    if (known !== undefined) {
      known.tokens = Math.min(burst, known.tokens + this.#tokensSince(known, now));
      known.filledAt = now;
      return known;
    }
    if (this.#buckets.size >= this.#sweepAt) this.#sweep(now);
    const bucket: Bucket = { tokens: burst, filledAt: now };
    this.#buckets.set(person, bucket);
    return bucket;
  }

  #sweep(now: number): void {
    for (const [person, bucket] of this.#buckets) {
      if (bucket.tokens + this.#tokensSince(bucket, now) >= this.#options.burst) this.#buckets.delete(person);
    }
    this.#sweepAt = Math.max(manyBuckets, this.#buckets.size * 2);
  }

  #tokensSince({ filledAt }: Bucket, now: number): number {
    return ((now - filledAt) / 1000) * this.#options.requestsPerSecond;
  }
}
