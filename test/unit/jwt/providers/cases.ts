import { auth0Case } from './auth0.ts';
import { clerkCase } from './clerk.ts';
import { cognitoAccessCase, cognitoIdCase } from './cognito.ts';
import type { Conformance } from './conformance.ts';
import { firebaseCase } from './firebase.ts';
import { supabaseCase } from './supabase.ts';

/** Every preset; one of them twice where its options decide which kind of token is accepted. */
export const cases: Readonly<Record<string, Conformance>> = {
  clerk: clerkCase,
  auth0: auth0Case,
  firebase: firebaseCase,
  supabase: supabaseCase,
  'cognito, access tokens': cognitoAccessCase,
  'cognito, ID tokens': cognitoIdCase,
};
