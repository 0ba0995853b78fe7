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

/**
 * Older keys are fetched again, without anybody waiting for it: sooner where the provider's Cache-Control says so, but not all the
 * time, and never later, so that a key which the provider has withdrawn is soon withdrawn here, whatever a cache was promised.
 */
const refreshAfterMs = { atLeast: 60_000, atMost: 10 * 60_000 };
/** Older keys are not used any more, should the provider be down. */
const keepForMs = 60 * 60_000;
/** A key that was searched for in vain is not searched for again before. */
const searchAgainAfterMs = 30_000;
/**
 * In that time at most so many keys are searched for in vain, and these are all that is remembered of them. More than one, since
 * one stray token must not keep out the people whose tokens the provider signs with a new key a moment later.
 */
const maxVainSearches = 5;
/** Between a fetch that failed and the next one. */
const failureCooldownMs = 5_000;

interface KnownKeys {
  readonly find: FindKey;
  readonly fetchedAt: number;
  /** The age at which they are fetched again. */
  readonly refreshAfterMs: number;
  /** Which fetch brought them: 1 for the first. */
  readonly fetch: number;
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
  let fetches = 0;
  let searching: { readonly done: Promise<KnownKeys>; readonly since: number } | undefined;
  /** The names of keys that were not found, and when they were searched for. */
  const vainSearches = new Map<string | undefined, number>();

  async function fetchKeys(): Promise<KnownKeys> {
    const number = (fetches += 1);
    try {
      const { href } = typeof url === 'function' ? await url() : url;
      const { content, freshForMs = refreshAfterMs.atMost } = await fetchDocument({
        document: 'key set',
        name,
        url: href,
        fetch,
        timeoutMs,
        maxBodyBytes,
      });
      const find = await parseKeySet(content, { name, algorithms });
      failure = undefined;
      known = {
        find,
        fetchedAt: now(),
        refreshAfterMs: Math.min(Math.max(freshForMs, refreshAfterMs.atLeast), refreshAfterMs.atMost),
        fetch: number,
      };
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
    if (age > known.refreshAfterMs) renew().catch(() => {});
    return known;
  }

  /** Keys newer than the ones that lack a key, or undefined if it is too early to ask again. */
  function search(...wanted: Parameters<FindKey>): Promise<KnownKeys> | undefined {
    if (searching !== undefined && sharesWork && now() - searching.since <= 3 * timeoutMs)
      return searching.done;
    for (const [kid, at] of vainSearches) if (now() - at >= searchAgainAfterMs) vainSearches.delete(kid);
    if (vainSearches.has(wanted[0]?.kid) || vainSearches.size >= maxVainSearches) return undefined;
    const done = searchFor(wanted).finally(() => {
      if (searching?.done === done) searching = undefined;
    });
    searching = { done, since: now() };
    return done;
  }

  async function searchFor(wanted: Parameters<FindKey>): Promise<KnownKeys> {
    const kid = wanted[0]?.kid;
    // A fetch in flight, or one that has just failed, is no search of ours.
    if (!hasJustFailed() && (fetching === undefined || !sharesWork)) vainSearches.set(kid, now());
    const keys = await renew();
    try {
      await keys.find(...wanted);
      // The provider has made this key, which no stranger can have it do: such searches are not counted.
      vainSearches.delete(kid);
    } catch {
      // Whoever waits for these keys looks into them by itself.
    }
    return keys;
  }

  const find: FindKey = async (header, token) => {
    const fetchesBefore = fetches;
    let keys = await current();
    for (;;) {
      try {
        return await keys.find(header, token);
      } catch (error) {
        // Keys that were asked for since this token came are as new as they get. Those of a fetch that was on its way already
        // may have left the provider before it made the key.
        if (!(error instanceof errors.JWKSNoMatchingKey) || keys.fetch > fetchesBefore) throw error;
        const renewed = search(header, token);
        if (renewed === undefined) throw error;
        keys = await renewed;
      }
    }
  };
  const load = async (): Promise<void> => {
    await current();
  };
  return Object.assign(find, { load });
}
