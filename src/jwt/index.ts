export { KeySetError, TokenError } from '../errors.ts';
export { customKeys, type CustomKeysOptions } from './custom-keys.ts';
export type { Fetch } from './fetch-key-set.ts';
export type { VerifiedIdentity } from './verified-identity.ts';
export { jwks, type JwksOptions } from './jwks.ts';
export type { Provider, ProviderKeys, ProviderOptions } from './provider.ts';
export { createVerifier, type Verifier, type VerifierOptions, type VerifyOptions } from './verifier.ts';
