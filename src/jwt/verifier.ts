import { TokenError } from '../errors.ts';
import type { Claims } from './claims.ts';
import { discoverKeySet } from './discover-key-set.ts';
import type { Fetch } from './fetch-document.ts';
import type { VerifiedIdentity } from './verified-identity.ts';
import { parseKeySet } from './parse-key-set.ts';
import { checkProvider, type ClaimsOf, type Provider } from './provider.ts';
import { refuseUnknownOptions } from './refuse-unknown-options.ts';
import { createRemoteKeySet, type FindKey, type FindRemoteKey } from './remote-key-set.ts';
import { sharesWork } from './shares-work.ts';
import { tokenDigest } from './token-digest.ts';
import { VerifiedTokenCache } from './verified-token-cache.ts';
import { verifyToken } from './verify-token.ts';

/** What {@link createVerifier} takes. */
export interface VerifierOptions<P extends readonly Provider[] = readonly Provider[]> {
  /** Whose tokens are accepted; at least one, made by a preset, `oidc()`, `jwks()` or `customKeys()`. */
  readonly providers: P;
  /** How far the clocks of issuer and verifier may differ, in whole seconds. Default: 30; 0 to 300. */
  readonly clockToleranceSeconds?: number | undefined;
  /** Longer tokens are refused unread. Default: 8,192. */
  readonly maxTokenBytes?: number | undefined;
  /** How many verified tokens are remembered, one for each role. Default: 10,000; 0 remembers none. */
  readonly cacheSize?: number | undefined;
  /** Fetches key sets, for hosts that have a fetch of their own. Default: the global `fetch`. */
  readonly fetch?: Fetch | undefined;
  /** The time in epoch milliseconds. Default: `Date.now`. */
  readonly now?: (() => number) | undefined;
}

/** What {@link Verifier.verify} takes besides the token. */
export interface VerifyOptions {
  /** The Postgres role that the token is to be used for. Default: `authenticated`. */
  readonly role?: string | undefined;
}

/** Turns tokens into identities; holds key sets and the cache of verified tokens, and no timer or socket. */
export interface Verifier<C extends Claims = Claims> {
  /**
   * Says who a token speaks for. The signature is verified first; only then is anything in the payload judged:
   * `iss`, `aud` if configured, what the provider's rules ask for, `exp` and the user id, which a token must have, `nbf`
   * and `iat`, which it may have.
   *
   * A token that has been verified is remembered by its SHA-256 digest until it expires, and gives the same
   * `VerifiedIdentity` object again. It stays accepted until then even if its key leaves the key set meanwhile. Refusals
   * are not remembered.
   *
   * @throws {TypeError} if `token` is not a string or is empty: a missing token is a mistake, never an anonymous user
   * @throws {TokenError} if the token is refused, with the reason as `code`
   * @throws {KeySetError} if the keys that would decide cannot be had: ERR_KEY_SET_UNREACHABLE, ERR_KEY_SET_INVALID
   */
  verify(token: string, options?: VerifyOptions): Promise<VerifiedIdentity<C>>;

  /**
   * Fetches the key sets that the next tokens would have to wait for: those that are not here yet, or too old. A verifier of
   * one's own need not have it.
   *
   * @throws {KeySetError} if one cannot be had
   */
  loadKeySets?(): Promise<void>;
}

const optionNames = ['providers', 'clockToleranceSeconds', 'maxTokenBytes', 'cacheSize', 'fetch', 'now'];

/**
 * A verifier for the tokens of these providers. Nothing is fetched before the first token. Make one and keep it:
 * key sets and verified tokens are remembered in it. Another list of providers is another verifier.
 *
 * Key sets at URLs are fetched once for any number of tokens, refreshed in the background when they are older than
 * 10 minutes, or than their Cache-Control says if that is less, but a minute at least, fetched again at once for an
 * unknown key, and kept for an hour while the provider is down. A key that is not there is searched for again after
 * 30 s, and at most five of them in that time; after a failure the next fetch is 5 s away. A fetch takes at most 5 s
 * and 64 KiB and follows no redirect.
 *
 * @throws {TypeError} naming the option that is missing, unknown or wrong
 * @example
 * const verifier = createVerifier({
 *   providers: [jwks({ url: 'https://id.example/.well-known/jwks.json', issuer: 'https://id.example' })],
 * });
 * const identity = await verifier.verify(token); // with the claims of a preset, typed as those of its provider
 * identity.claims.sub; // who it is
 * @see https://www.rfc-editor.org/rfc/rfc8725 for the attacks that these rules answer
 */
export function createVerifier<const P extends readonly Provider[]>(
  options: VerifierOptions<P>,
): Verifier<ClaimsOf<P[number]>> {
  refuseUnknownOptions('createVerifier', options, optionNames);
  const { providers, clockToleranceSeconds = 30, maxTokenBytes = 8192, cacheSize = 10_000 } = options;
  const { fetch = (url, init) => globalThis.fetch(url, init), now = () => Date.now() } = options;
  if (!Array.isArray(providers) || providers.length === 0) {
    throw new TypeError('createVerifier(): "providers" must have at least one provider');
  }
  checkInteger('clockToleranceSeconds', clockToleranceSeconds, 0, 300);
  checkInteger('maxTokenBytes', maxTokenBytes, 1, 1_048_576);
  checkInteger('cacheSize', cacheSize, 0, 10_000_000);
  checkFunction('fetch', fetch);
  checkFunction('now', now);
  const candidates = providers.map((provider) => {
    checkProvider('createVerifier', provider);
    return { provider, key: toKey(provider, fetch, now) };
  });

  const clock = { now, toleranceSeconds: clockToleranceSeconds };
  const verified = new VerifiedTokenCache(cacheSize);
  const pending = new Map<string, Promise<VerifiedIdentity>>();

  async function remember(token: string, role: string, cacheKey: string): Promise<VerifiedIdentity> {
    const identity = await verifyToken(token, role, candidates, clock);
    verified.set(cacheKey, identity);
    return identity;
  }

  const verifier: Verifier = {
    async verify(token: string, { role = 'authenticated' }: VerifyOptions = {}): Promise<VerifiedIdentity> {
      if (typeof token !== 'string' || token === '') {
        throw new TypeError('verify(): "token" must be a string that is not empty');
      }
      if (typeof role !== 'string' || role === '') {
        throw new TypeError('verify(): "role" must be a string that is not empty');
      }
      // A token is ASCII; anything else is refused as malformed, so characters may stand for bytes.
      if (token.length > maxTokenBytes) {
        throw new TokenError('ERR_TOKEN_MALFORMED', `the token is longer than ${maxTokenBytes} bytes`);
      }
      const digest = tokenDigest(token);
      // A digest has a fixed length, so the role may follow without a separator. No await where none is needed.
      const cacheKey = (typeof digest === 'string' ? digest : await digest) + role;
      const identity = verified.get(cacheKey, now());
      if (identity !== undefined) return identity;

      const begun = pending.get(cacheKey);
      if (begun !== undefined && sharesWork) return begun;
      const verification = remember(token, role, cacheKey).finally(() => pending.delete(cacheKey));
      pending.set(cacheKey, verification);
      return verification;
    },

    async loadKeySets(): Promise<void> {
      await Promise.all(candidates.flatMap(({ key }) => ('load' in key ? [key.load()] : [])));
    },
  };
  // What kind of claims a token has is known of its provider alone, whose preset says it.
  return Object.freeze(verifier) as Verifier<ClaimsOf<P[number]>>;
}

function toKey(
  provider: Provider,
  fetch: Fetch,
  now: () => number,
): FindKey | FindRemoteKey | Uint8Array<ArrayBuffer> {
  const { name, keys, algorithms } = provider;
  if ('secret' in keys) return keys.secret;
  if ('jwksUrl' in keys) return createRemoteKeySet({ name, url: keys.jwksUrl, algorithms, fetch, now });
  if ('issuer' in keys) {
    const url = (): Promise<URL> => discoverKeySet({ name, issuer: keys.issuer, fetch });
    return createRemoteKeySet({ name, url, algorithms, fetch, now });
  }
  const { jwks } = keys;
  // Keys without a name, such as PEM, are meant for tokens of any name; jose takes them for tokens without one.
  const areNameless = jwks.keys.every(({ kid }) => kid === undefined);
  let find: FindKey | undefined;
  return async (header, token) => {
    find ??= await parseKeySet(jwks, provider);
    return find(areNameless && header?.alg !== undefined ? { alg: header.alg } : header, token);
  };
}

function checkInteger(option: string, value: unknown, least: number, most: number): void {
  if (typeof value !== 'number' || !Number.isInteger(value) || value < least || value > most) {
    throw new TypeError(`createVerifier(): "${option}" must be a whole number from ${least} to ${most}`);
  }
}

function checkFunction(option: string, value: unknown): void {
  if (typeof value !== 'function') throw new TypeError(`createVerifier(): "${option}" must be a function`);
}
