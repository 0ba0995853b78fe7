export { KeySetError, TokenError } from '../errors.ts';
export type {
  Auth0Claims,
  BetterAuthClaims,
  Claims,
  ClerkClaims,
  CognitoClaims,
  DescopeClaims,
  EntraClaims,
  FirebaseClaims,
  GoogleClaims,
  KeycloakClaims,
  LogtoClaims,
  NeonAuthClaims,
  OktaClaims,
  PropelAuthClaims,
  StackAuthClaims,
  StytchClaims,
  SupabaseClaims,
  WorkosClaims,
  ZitadelClaims,
} from './claims.ts';
export type { ClaimPath, ClaimRule } from './claim-rule.ts';
export { customKeys, type CustomKeysOptions } from './custom-keys.ts';
export type { Fetch } from './fetch-document.ts';
export type { VerifiedIdentity } from './verified-identity.ts';
export { jwks, type JwksOptions } from './jwks.ts';
export type { Provider, ProviderKeys, ProviderOptions } from './provider.ts';
export { auth0, type Auth0Options } from './providers/auth0.ts';
export { betterAuth, type BetterAuthOptions } from './providers/better-auth.ts';
export { clerk, type ClerkOptions } from './providers/clerk.ts';
export { cognito, type CognitoOptions } from './providers/cognito.ts';
export { descope, type DescopeOptions } from './providers/descope.ts';
export { entra, type EntraOptions } from './providers/entra.ts';
export { firebase, type FirebaseOptions } from './providers/firebase.ts';
export { google, type GoogleOptions } from './providers/google.ts';
export { keycloak, type KeycloakOptions } from './providers/keycloak.ts';
export { logto, type LogtoOptions } from './providers/logto.ts';
export { neonAuth, type NeonAuthOptions } from './providers/neon-auth.ts';
export { oidc, type OidcOptions } from './providers/oidc.ts';
export { okta, type OktaOptions } from './providers/okta.ts';
export type { PresetOptions } from './providers/preset.ts';
export { propelAuth, type PropelAuthOptions } from './providers/propel-auth.ts';
export { stackAuth, type StackAuthOptions } from './providers/stack-auth.ts';
export { stytch, stytchB2B, type StytchOptions } from './providers/stytch.ts';
export { supabase, type SupabaseOptions } from './providers/supabase.ts';
export { workos, type WorkosOptions } from './providers/workos.ts';
export { zitadel, type ZitadelOptions } from './providers/zitadel.ts';
export { createVerifier, type Verifier, type VerifierOptions, type VerifyOptions } from './verifier.ts';
