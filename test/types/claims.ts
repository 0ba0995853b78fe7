import { expectTypeOf } from 'vitest';

import {
  auth0,
  clerk,
  createVerifier,
  customKeys,
  type Auth0Claims,
  type Claims,
  type ClerkClaims,
} from '../../src/jwt/index.ts';

// Compiled by `npm run check`, never run.

const ofClerk = clerk({ domain: 'clerk.example.com', authorizedParties: null });
const ofAuth0 = auth0({ domain: 'acme.eu.auth0.com', audience: 'api' });
const own = customKeys({ keys: { kty: 'EC' }, issuer: 'https://id.example' });

export async function claims(token: string): Promise<void> {
  const one = await createVerifier({ providers: [ofClerk] }).verify(token);
  expectTypeOf(one.claims).toEqualTypeOf<ClerkClaims>();
  expectTypeOf(one.claims.sub).toEqualTypeOf<string>();
  expectTypeOf(one.claims.o?.id).toEqualTypeOf<string | undefined>();
  // What the provider does not document is there, of a type that nobody knows.
  expectTypeOf(one.claims['something']).toEqualTypeOf<unknown>();

  const two = await createVerifier({ providers: [ofClerk, ofAuth0] }).verify(token);
  expectTypeOf(two.claims).toEqualTypeOf<ClerkClaims | Auth0Claims>();
  expectTypeOf(two.claims.org_id).toEqualTypeOf<string | undefined>();
  expectTypeOf(two.claims.$organization).toEqualTypeOf<string | undefined>();
  expectTypeOf(two.claims.$roles).toEqualTypeOf<readonly string[] | undefined>();

  const three = await createVerifier({ providers: [own] }).verify(token);
  expectTypeOf(three.claims).toEqualTypeOf<Claims>();

  // @ts-expect-error claims are what the token said, and cannot be changed
  one.claims.sub = 'bob';
  // @ts-expect-error the number is a text
  const level: number | undefined = one.claims.o?.id;
  void level;
}
