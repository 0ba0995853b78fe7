import { auth0Case } from './auth0.ts';
import { betterAuthCase, betterAuthEcCase, neonAuthCase } from './better-auth.ts';
import { clerkCase } from './clerk.ts';
import { cognitoAccessCase, cognitoIdCase } from './cognito.ts';
import type { Conformance } from './conformance.ts';
import { descopeAudienceCase, descopeCase } from './descope.ts';
import { entraCase, entraTenantsCase, entraV1Case } from './entra.ts';
import { firebaseCase } from './firebase.ts';
import { googleCase, googleDomainCase } from './google.ts';
import { keycloakCase, keycloakClientCase } from './keycloak.ts';
import { logtoCase } from './logto.ts';
import { oktaCase } from './okta.ts';
import { propelAuthCase } from './propel-auth.ts';
import { stackAuthAnonymousCase, stackAuthCase } from './stack-auth.ts';
import { stytchB2BCase, stytchCase, stytchDomainCase, stytchTestCase } from './stytch.ts';
import { supabaseCase } from './supabase.ts';
import { workosCase, workosDomainCase } from './workos.ts';
import { zitadelCase } from './zitadel.ts';

/** Every preset; more than once where its options lead to other keys or other tokens. */
export const cases: Readonly<Record<string, Conformance>> = {
  clerk: clerkCase,
  'stack auth': stackAuthCase,
  'stack auth, hosted by oneself, for anonymous users': stackAuthAnonymousCase,
  auth0: auth0Case,
  firebase: firebaseCase,
  stytch: stytchCase,
  'stytch, a test project': stytchTestCase,
  'stytch, a custom domain': stytchDomainCase,
  'stytch for businesses': stytchB2BCase,
  keycloak: keycloakCase,
  'keycloak, by client': keycloakClientCase,
  supabase: supabaseCase,
  'cognito, access tokens': cognitoAccessCase,
  'cognito, ID tokens': cognitoIdCase,
  'entra, version 2': entraCase,
  'entra, version 1': entraV1Case,
  'entra, several tenants': entraTenantsCase,
  google: googleCase,
  'google, one domain': googleDomainCase,
  descope: descopeCase,
  'descope, an audience and a custom domain': descopeAudienceCase,
  propelauth: propelAuthCase,
  'better auth': betterAuthCase,
  'better auth with another algorithm': betterAuthEcCase,
  'neon auth': neonAuthCase,
  workos: workosCase,
  'workos, a custom domain': workosDomainCase,
  okta: oktaCase,
  logto: logtoCase,
  zitadel: zitadelCase,
};
