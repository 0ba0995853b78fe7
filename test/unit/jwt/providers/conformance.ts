import type { JWK } from 'jose';
import type { Provider } from '../../../../src/jwt/index.ts';

/** A change to the good token; `undefined` leaves a member out. */
export interface Change {
  readonly claims?: Readonly<Record<string, unknown>>;
  readonly header?: Readonly<Record<string, unknown>>;
}

/** A provider as its documentation describes it: where its keys are, how its tokens look, and which others it signs. */
export interface Conformance {
  /** A preset, and options that are good. `never`, since every preset has options of its own. */
  readonly preset: (options: never) => Provider;
  readonly options: object;
  /** The documented address of the key set, with these parameters. */
  readonly keySetUrl: string;
  readonly algorithm: string;
  /** The key set around a public key that has `kid`, as the provider writes it. */
  readonly keySet: (key: JWK, other: OtherKeys) => object;
  readonly header: Readonly<Record<string, unknown>>;
  readonly claims: Readonly<Record<string, unknown>>;
  /** What `sub` of the identity must be. */
  readonly userId: string;
  /** The neighbours of the good token that are refused, each for the reason that is named. */
  readonly refused: Readonly<Record<string, Change & { readonly code: string }>>;
  /** The neighbours that are accepted, some of them by a provider that is configured for them. */
  readonly accepted: Readonly<Record<string, Change & { readonly options?: object }>>;
  /** What is wrong in place of a good option, and what the message must have in it. */
  readonly wrong: readonly (readonly [options: object, expected: string])[];
}

/** Keys of the same provider that have not signed the token. */
interface OtherKeys {
  /** Of the same algorithm: the one before, or the next. */
  readonly next: JWK;
  /** RSA, for encryption. */
  readonly encryption: JWK;
}

/** The time of the good tokens, in epoch seconds. */
export const now = 1_900_000_000;

/** The options as a program in JavaScript can give them. */
export function make({ preset, options }: Conformance, other: object = {}): Provider {
  return preset({ ...options, ...other } as never);
}

export const claim = 'ERR_TOKEN_CLAIM';
export const issuer = 'ERR_TOKEN_ISSUER';
export const audience = 'ERR_TOKEN_AUDIENCE';

/** A certificate that nobody reads. */
export const certificate = 'MIIDBTCCAe2gAwIBAgIQ';
