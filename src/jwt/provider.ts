import type { JSONWebKeySet } from 'jose';
import { asymmetricAlgorithms, fewestSecretBytes, keyFits, symmetricAlgorithms } from './algorithm.ts';
import { areClaimRules, type ClaimPath, type ClaimRule, isClaimPath } from './claim-rule.ts';
import type { Claims } from './claims.ts';
import { deepFreeze } from './deep-freeze.ts';
import { isSecureUrl } from './secure-url.ts';

/**
 * Where the keys of a provider are: at a URL, where the discovery document of an issuer says, at hand, or a secret that
 * is shared with whoever signs.
 */
export type ProviderKeys =
  | { readonly jwksUrl: URL }
  | { readonly issuer: string }
  | { readonly jwks: JSONWebKeySet }
  | { readonly secret: Uint8Array<ArrayBuffer> };

/** Only a type: which claims the tokens of a provider have. */
declare const claimsOf: unique symbol;

/** The claims of the tokens of a provider; of several, the union. */
export type ClaimsOf<P> = P extends { readonly [claimsOf]?: infer C } ? Exclude<C, undefined> : never;

/**
 * Who issues tokens, as data: {@link jwks}, {@link customKeys} and the presets make one, {@link createVerifier} reads
 * it. Frozen.
 */
export interface Provider<C extends Claims = Claims> {
  /** Never there. */
  readonly [claimsOf]?: C;
  /** What error messages call it. */
  readonly name: string;
  readonly keys: ProviderKeys;
  /** The values of `iss` that are accepted, compared as exact strings. Empty: `iss` is not checked. */
  readonly issuers: readonly string[];
  /** One of these must be in `aud`. `null`: `aud` is not checked. */
  readonly audiences: readonly string[] | null;
  /** The values of `alg` that are accepted. Never `none`, and HMAC only together with a secret. */
  readonly algorithms: readonly string[];
  /** The Postgres roles that this provider's tokens may be used for. */
  readonly roles: readonly string[];
  /** The claim that names the one of `roles` that a token may be used for. `null`: each of them. */
  readonly roleFrom: string | null;
  /** The claim that says who the user is, and becomes `sub` of the identity. */
  readonly userIdClaim: string;
  /** Where a token says which organisation the user acts in, the first that is there; empty if nowhere. */
  readonly organizationClaims: readonly ClaimPath[];
  /** How the organisation is written there: as text, or as the name of an object's only member. */
  readonly organizationForm: 'text' | 'only member';
  /** The object whose members are the user's organisations: one that is not there is not believed. `null`: no such object. */
  readonly organizationsClaim: ClaimPath | null;
  /** Where a token says which roles the user has in the application: never the Postgres role. */
  readonly roleClaims: readonly ClaimPath[];
  /** The longest time between `iat` and `exp` that is accepted. `null`: any. */
  readonly maxLifetimeSeconds: number | null;
  /** What else must hold of a token; all of it. */
  readonly rules: readonly ClaimRule[];
}

/** What all providers have in common, as the user writes it. */
export interface ProviderOptions {
  /**
   * The `iss` that tokens must have, to the letter: mind the slash at the end, which some providers write and some
   * do not. `null` says, on purpose, that `iss` is not checked: do that only where nobody else can get a token
   * signed with the same keys.
   */
  readonly issuer: string | readonly string[] | null;
  /**
   * What must be in `aud`; one of several is enough. Default: not checked. Give it wherever other applications
   * get tokens from the same issuer.
   */
  readonly audience?: string | readonly string[] | undefined;
  /** The signature algorithms that are accepted, whatever a token or a key says of itself. */
  readonly algorithms?: readonly string[] | undefined;
  /** The Postgres roles that tokens may be used for. Default: `['authenticated']`. */
  readonly roles?: readonly string[] | undefined;
  /**
   * The claim that names the role which a token may be used for. It must be one of `roles`, and the one that the
   * connection is for; the claim never chooses a connection. Default: no claim is asked, and a token may be used for
   * each of `roles`.
   */
  readonly roleFrom?: string | undefined;
  /**
   * The claim that says who the user is: text, which becomes `sub` of the identity and thereby `auth.user_id()`. If
   * the token has another `sub`, that is kept as `token_sub`. Default: `sub`.
   */
  readonly userIdClaim?: string | undefined;
  /**
   * Where the token says in which organisation the user acts, as text: a name, or names from the outside inwards, such
   * as `['app_metadata', 'org_id']`. It becomes `$organization` of the identity. Default: what the preset says.
   */
  readonly organizationClaim?: string | ClaimPath | undefined;
  /**
   * Where the token says which roles the user has in the application, as text or a list of texts. They become
   * `$roles` of the identity, and never the Postgres role. Default: what the preset says.
   */
  readonly roleClaim?: string | ClaimPath | undefined;
  /**
   * The longest time in seconds between `iat` and `exp` that is accepted; without `iat`, between now and `exp`.
   * `null`: any.
   */
  readonly maxLifetimeSeconds?: number | null | undefined;
  /** What error messages call the provider. */
  readonly name?: string | undefined;
}

/** The names of {@link ProviderOptions}, for the check that no other is given. */
export const providerOptionNames = [
  'issuer',
  'audience',
  'algorithms',
  'roles',
  'roleFrom',
  'userIdClaim',
  'organizationClaim',
  'roleClaim',
  'maxLifetimeSeconds',
  'name',
] as const;

/** What is known of a provider before its options are read. */
export interface ProviderFacts extends Partial<
  Pick<
    Provider,
    | 'userIdClaim'
    | 'organizationClaims'
    | 'organizationForm'
    | 'organizationsClaim'
    | 'roleClaims'
    | 'maxLifetimeSeconds'
    | 'rules'
  >
> {
  readonly name: string;
  readonly algorithms: readonly string[];
}

/** A frozen provider from checked options; `caller` is the function that messages name. */
export function toProvider<C extends Claims = Claims>(
  caller: string,
  keys: ProviderKeys,
  options: ProviderOptions,
  facts: ProviderFacts,
): Provider<C> {
  const { issuer, audience, algorithms = facts.algorithms, roles = ['authenticated'] } = options;
  const { name = facts.name, roleFrom = null, userIdClaim = facts.userIdClaim ?? 'sub' } = options;
  const { maxLifetimeSeconds = facts.maxLifetimeSeconds ?? null } = options;
  if (issuer === undefined) {
    throw new TypeError(`${caller}(): "issuer" is required; null says that it is not to be checked`);
  }
  const provider: Provider<C> = {
    name,
    keys: Object.freeze(keys),
    issuers: issuer === null ? [] : texts(caller, 'issuer', typeof issuer === 'string' ? [issuer] : issuer),
    audiences:
      audience === undefined
        ? null
        : texts(caller, 'audience', typeof audience === 'string' ? [audience] : audience),
    algorithms: texts(caller, 'algorithms', algorithms),
    roles: texts(caller, 'roles', roles),
    roleFrom,
    userIdClaim,
    ...organizationFrom(caller, options.organizationClaim, facts),
    roleClaims: deepFreeze(pathsFrom(caller, 'roleClaim', options.roleClaim) ?? facts.roleClaims ?? []),
    maxLifetimeSeconds,
    rules: deepFreeze(facts.rules ?? []),
  };
  checkProvider(caller, provider);
  return Object.freeze(provider);
}

/** A claim that the user names is text, whatever the preset would have read. */
function organizationFrom(
  caller: string,
  named: string | ClaimPath | undefined,
  { organizationClaims = [], organizationForm = 'text', organizationsClaim = null }: ProviderFacts,
): Pick<Provider, 'organizationClaims' | 'organizationForm' | 'organizationsClaim'> {
  const paths = pathsFrom(caller, 'organizationClaim', named);
  return paths === undefined
    ? deepFreeze({ organizationClaims, organizationForm, organizationsClaim })
    : deepFreeze({ organizationClaims: paths, organizationForm: 'text', organizationsClaim: null });
}

function pathsFrom(
  caller: string,
  option: string,
  named: string | ClaimPath | undefined,
): readonly ClaimPath[] | undefined {
  if (named === undefined) return undefined;
  const path: unknown = typeof named === 'string' ? [named] : named;
  if (isClaimPath(path)) return [[...path]];
  throw new TypeError(`${caller}(): "${option}" must be the name of a claim, or a list of names`);
}

/**
 * Refuses a provider that could accept what it should not: one with unsafe algorithms, or with algorithms that do
 * not belong to its kind of key.
 *
 * @throws {TypeError} naming the option
 */
export function checkProvider(caller: string, provider: Provider): void {
  const { keys } = provider;
  if (typeof keys !== 'object' || keys === null) throw new TypeError(`${caller}(): "keys" is required`);
  if ('jwksUrl' in keys) checkKeySetUrl(caller, 'url', keys.jwksUrl);
  if ('issuer' in keys) {
    if (typeof keys.issuer !== 'string' || !URL.canParse(keys.issuer)) {
      throw new TypeError(`${caller}(): "issuer" must be an absolute URL`);
    }
    checkKeySetUrl(caller, 'issuer', new URL(keys.issuer));
  }
  if (typeof provider.name !== 'string' || provider.name === '') {
    throw new TypeError(`${caller}(): "name" must be a string that is not empty`);
  }
  if (!Array.isArray(provider.issuers)) throw new TypeError(`${caller}(): "issuers" must be a list`);
  for (const [option, list] of [
    ['algorithms', provider.algorithms],
    ['roles', provider.roles],
    ['audiences', provider.audiences ?? ['not checked']],
  ] as const) {
    if (!Array.isArray(list) || list.length === 0) {
      throw new TypeError(`${caller}(): "${option}" must be a list that is not empty`);
    }
  }
  checkClaimNames(caller, provider);
  const possible = 'secret' in keys ? symmetricAlgorithms : asymmetricAlgorithms;
  if (!provider.algorithms.every((algorithm) => possible.includes(algorithm))) {
    throw new TypeError(
      `${caller}(): "algorithms" may only have ${possible.join(', ')} with ${'secret' in keys ? 'a secret' : 'public keys'}`,
    );
  }
  if ('secret' in keys && keys.secret.length < fewestSecretBytes(provider.algorithms)) {
    throw new TypeError(
      `${caller}(): "keys.secret" needs at least ${fewestSecretBytes(provider.algorithms)} bytes for ${provider.algorithms.join(', ')}`,
    );
  }
  if (
    'jwks' in keys &&
    !keys.jwks.keys.some((jwk) => provider.algorithms.some((algorithm) => keyFits(jwk, algorithm)))
  ) {
    throw new TypeError(`${caller}(): "algorithms" has none that the keys can be used with`);
  }
}

function checkClaimNames(caller: string, provider: Provider): void {
  const { roleFrom, userIdClaim, maxLifetimeSeconds, rules } = provider;
  if (typeof userIdClaim !== 'string' || userIdClaim === '') {
    throw new TypeError(`${caller}(): "userIdClaim" must be the name of a claim`);
  }
  if (roleFrom !== null && (typeof roleFrom !== 'string' || roleFrom === '')) {
    throw new TypeError(`${caller}(): "roleFrom" must be the name of a claim`);
  }
  const isDuration = typeof maxLifetimeSeconds === 'number' && Number.isInteger(maxLifetimeSeconds);
  if (maxLifetimeSeconds !== null && !(isDuration && maxLifetimeSeconds > 0)) {
    throw new TypeError(`${caller}(): "maxLifetimeSeconds" must be a whole number above 0, or null`);
  }
  if (!areClaimRules(rules)) throw new TypeError(`${caller}(): "rules" must be a list of claim rules`);
  for (const option of ['organizationClaims', 'roleClaims'] as const) {
    if (!Array.isArray(provider[option]) || !provider[option].every(isClaimPath)) {
      throw new TypeError(`${caller}(): "${option}" must be a list of paths to claims`);
    }
  }
  if (!['text', 'only member'].includes(provider.organizationForm)) {
    throw new TypeError(`${caller}(): "organizationForm" must be 'text' or 'only member'`);
  }
  if (provider.organizationsClaim !== null && !isClaimPath(provider.organizationsClaim)) {
    throw new TypeError(`${caller}(): "organizationsClaim" must be a path to a claim, or null`);
  }
}

/** Keys that arrive over a connection that anybody can write to are anybody's keys. */
function checkKeySetUrl(caller: string, option: string, url: URL): void {
  if (url.username !== '' || url.password !== '') {
    throw new TypeError(`${caller}(): "${option}" must not have credentials in it`);
  }
  if (!isSecureUrl(url)) {
    throw new TypeError(`${caller}(): "${option}" must be https; http is for loopback addresses only`);
  }
}

function texts(caller: string, option: string, list: unknown): readonly string[] {
  const isList = Array.isArray(list) && list.length > 0;
  if (!isList || !list.every((text): text is string => typeof text === 'string' && text !== '')) {
    throw new TypeError(`${caller}(): "${option}" must be made of strings that are not empty, at least one`);
  }
  return Object.freeze([...new Set(list)]);
}
