import { exportJWK, generateKeyPair, SignJWT } from 'jose';
import { expect, it } from 'vitest';
import { createVerifier, supabase } from '../../../../src/jwt/index.ts';
import { json, startKeyServer } from '../key-server.ts';
import { signWithSecret } from '../signer.ts';
import { now } from './conformance.ts';
import { supabaseClaims } from './supabase.ts';

// A project that still signs with its secret publishes an empty key set.
const secret = 'super-secret-jwt-token-with-at-least-32-characters-long';
const bytes = new TextEncoder().encode(secret);
const projectRef = 'abcdefghijklmnopqrst';
const legacy = supabase({ projectRef, legacySecret: secret });

function verify(token: string, ...providers: Parameters<typeof createVerifier>[0]['providers']) {
  return createVerifier({
    providers,
    now: () => now * 1000,
    fetch: () => Promise.reject(new Error('offline')),
  })
    .verify(token)
    .then(
      ({ claims }) => claims['sub'],
      (error: { code: string }) => error.code,
    );
}

it('accepts a user’s token of the legacy secret', async () => {
  expect(await verify(await signWithSecret(bytes, supabaseClaims), legacy)).toBe(supabaseClaims.sub);
});

it('does not accept it without the secret having been given', async () => {
  const token = await signWithSecret(bytes, supabaseClaims);
  expect(await verify(token, supabase({ projectRef }))).toBe('ERR_TOKEN_ALGORITHM');
});

it.each(['anon', 'service_role'])('refuses the API key %s, which the same secret signs', async (role) => {
  const key = { iss: 'supabase', ref: projectRef, role, iat: now - 3e8, exp: now + 3e8, sub: undefined };
  expect(await verify(await signWithSecret(bytes, key), legacy)).toBe('ERR_TOKEN_ISSUER');
  const disguised = { ...supabaseClaims, role };
  expect(await verify(await signWithSecret(bytes, disguised), legacy)).toBe('ERR_TOKEN_CLAIM');
});

it('says that a project with an empty key set still signs with a secret', async () => {
  const server = await startKeyServer();
  server.answer(json({ keys: [] }));
  try {
    const provider = supabase({ url: server.origin });
    const { privateKey } = await generateKeyPair('ES256');
    const token = await new SignJWT({ ...supabaseClaims, iss: `${server.origin}/auth/v1` })
      .setProtectedHeader({ alg: 'ES256', kid: 'x' })
      .sign(privateKey);
    const verifier = createVerifier({ providers: [provider], now: () => now * 1000 });
    await expect(verifier.verify(token)).rejects.toMatchObject({
      code: 'ERR_KEY_SET_INVALID',
      hint: expect.stringContaining('shared secret') as unknown,
    });
    expect(server.requests).toEqual(['/auth/v1/.well-known/jwks.json']);
  } finally {
    await server.close();
  }
});

it('accepts both kinds of token while a project moves from one to the other', async () => {
  const { privateKey, publicKey } = await generateKeyPair('ES256');
  const server = await startKeyServer();
  server.answer(json({ keys: [{ ...(await exportJWK(publicKey)), alg: 'ES256', kid: 'new', use: 'sig' }] }));
  try {
    const url = server.origin;
    const providers = [supabase({ url }), supabase({ url, legacySecret: secret })];
    const verifier = createVerifier({ providers, now: () => now * 1000 });
    const claims = { ...supabaseClaims, iss: `${url}/auth/v1` };
    const signed = await new SignJWT(claims)
      .setProtectedHeader({ alg: 'ES256', kid: 'new' })
      .sign(privateKey);
    const old = await signWithSecret(bytes, claims);
    for (const token of [signed, old]) {
      expect((await verifier.verify(token)).claims['sub']).toBe(supabaseClaims.sub);
    }
    const forged = await signWithSecret(new Uint8Array(32), claims);
    await expect(verifier.verify(forged)).rejects.toMatchObject({ code: 'ERR_TOKEN_SIGNATURE' });
  } finally {
    await server.close();
  }
});
