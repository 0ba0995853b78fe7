import { errors, type LocalJWKSet } from 'jose';
import { defaultTimeoutMs, type Fetch, fetchDocument } from './fetch-document.ts';
import { parseKeySet } from './parse-key-set.ts';
import { sharesWork } from './shares-work.ts';

export interface RemoteKeySetOptions {
  /** What messages call the provider. */
  readonly name: string;
  /** Where they are, or how that is found out, which is done again before each fetch. */
  readonly url: URL | (() => Promise<URL>);
  /** Keys that serve none of these are left out. */
  readonly algorithms: readonly string[];
  readonly fetch: Fetch;
  /** Epoch milliseconds. */
  readonly now: () => number;
  /** Default: 5,000. */
  readonly timeoutMs?: number;
  /** Default: 65,536. */
  readonly maxBodyBytes?: number;
}

/** Chooses the key for a token's header; what `compactVerify` of jose takes. */
export type FindKey = (...args: Parameters<LocalJWKSet>) => ReturnType<LocalJWKSet>;

/** Chooses among keys that are fetched. */
export type FindRemoteKey = FindKey & {
  /** Fetches them if they are not here yet, or too old. @throws KeySetError */
  readonly load: () => Promise<void>;
};

/** Older keys are fetched again, without anybody waiting for it. */
const refreshAfterMs = 10 * 60_000;
/** Older keys are not used any more, should the provider be down. */
const keepForMs = 60 * 60_000;
/** Between two fetches because of a key that is not in the set. */
const unknownKeyCooldownMs = 30_000;
/** Between a fetch that failed and the next one. */
const failureCooldownMs = 5_000;

interface KnownKeys {
  readonly find: FindKey;
  readonly fetchedAt: number;
}

/**
 * The keys behind a URL: fetched when the first token needs them, and then kept.
 *
 * Choosing the key is left to jose. Its `createRemoteJWKSet` is not used, because it lets a caller wait when keys
 * get old, drops good keys while the provider is down, tries again at once after a failure, and takes no clock.
 *
 * @returns a function that throws KeySetError if there are no keys and none can be fetched, and jose's
 * JWKSNoMatchingKey or JWKSMultipleMatchingKeys if it is not for exactly one key
 */
export function createRemoteKeySet(options: RemoteKeySetOptions): FindRemoteKey {
  const { name, url, algorithms, fetch, now, timeoutMs = defaultTimeoutMs, maxBodyBytes } = options;
  let known: KnownKeys | undefined;
  let fetching: { readonly keys: Promise<KnownKeys>; readonly since: number } | undefined;
  let failure: { readonly error: unknown; readonly at: number } | undefined;
  let unknownKeyFetchAt = -Infinity;

  async function fetchKeys(): Promise<KnownKeys> {
    try {
      const { href } = typeof url === 'function' ? await url() : url;
      const keySet = await fetchDocument({
        document: 'key set',
        name,
        url: href,
        fetch,
        timeoutMs,
        maxBodyBytes,
      });
      const find = await parseKeySet(keySet, { name, algorithms });
      failure = undefined;
      known = { find, fetchedAt: now() };
      return known;
    } catch (error) {
      failure = { error, at: now() };
      throw error;
    }
  }

  function hasJustFailed(): boolean {
    return failure !== undefined && now() - failure.at < failureCooldownMs;
  }

  /** Joins the fetch in flight, or begins one, unless the last one has just failed. */
  function renew(): Promise<KnownKeys> {
    // A fetch far beyond its deadline, which may be one for each of two documents, has been cut off together with the
    // request that began it.
    if (fetching !== undefined && sharesWork && now() - fetching.since <= 3 * timeoutMs) return fetching.keys;
    if (failure !== undefined && hasJustFailed()) return Promise.reject(failure.error);
    const keys = fetchKeys().finally(() => {
      if (fetching?.keys === keys) fetching = undefined;
    });
    fetching = { keys, since: now() };
    return keys;
  }

  async function current(): Promise<KnownKeys> {
    const age = known === undefined ? Infinity : now() - known.fetchedAt;
    if (known === undefined || age > keepForMs) return renew();
    // A failure is remembered by renew(); the keys at hand serve until they are too old.
    if (age > refreshAfterMs) renew().catch(() => {});
    return known;
  }

  /** Keys newer than the ones that lack the key, or undefined if it is too early to ask again. */
  async function renewForUnknownKey(): Promise<KnownKeys | undefined> {
    const joins = sharesWork && fetching !== undefined;
    if (!joins && now() - unknownKeyFetchAt < unknownKeyCooldownMs) return undefined;
    if (!joins && !hasJustFailed()) unknownKeyFetchAt = now();
    return renew();
  }

  const find: FindKey = async (header, token) => {
    const before = known;
    const keys = await current();
    try {
      return await keys.find(header, token);
    } catch (error) {
      // Keys that came while this token was waiting are as new as they get.
      if (!(error instanceof errors.JWKSNoMatchingKey) || keys !== before) throw error;
      const renewed = await renewForUnknownKey();
      if (renewed === undefined) throw error;
      return renewed.find(header, token);
    }
  };
  const load = async (): Promise<void> => {
    await current();
  };
  return Object.assign(find, { load });
}
