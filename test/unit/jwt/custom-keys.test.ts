import { exportPKCS8, exportSPKI, generateKeyPair, importJWK } from 'jose';
import { beforeAll, describe, expect, it } from 'vitest';
import { createVerifier, customKeys, type Verifier } from '../../../src/jwt/index.ts';
import { createSigner, frozenClock, issuer, signWithSecret, type Signer } from './signer.ts';

const secret = new Uint8Array(32).map((_, index) => index * 7);

let ec: Signer;
beforeAll(async () => {
  ec = await createSigner('ES256');
});

function verifier(options: Parameters<typeof customKeys>[0]): Verifier {
  return createVerifier({ providers: [customKeys(options)], now: frozenClock().now });
}

describe('customKeys', () => {
  it('takes a public JWK', async () => {
    await verifier({ keys: ec.publicJwk, issuer }).verify(await ec.sign());
  });

  it('takes a JWK set with several keys', async () => {
    const next = await createSigner('ES256', 'next');
    const both = verifier({ keys: { keys: [ec.publicJwk, next.publicJwk] }, issuer });
    await both.verify(await ec.sign());
    await both.verify(await next.sign());
  });

  it.each(['RS256', 'PS256', 'ES256', 'ES384', 'ES512', 'EdDSA'])(
    'takes a PEM public key for %s',
    async (alg) => {
      const signer = await createSigner(alg);
      const key = await importJWK(signer.publicJwk, alg);
      if (key instanceof Uint8Array) throw new Error('not a public key');
      const pem = await exportSPKI(key);
      await verifier({ keys: pem, algorithms: [alg], issuer }).verify(await signer.sign());
    },
  );

  it('takes a secret, for HS256 unless told otherwise', async () => {
    await verifier({ keys: { secret }, issuer }).verify(await signWithSecret(secret));
  });

  it('keeps a copy of the secret, so that clearing the original does no harm', async () => {
    const original = Uint8Array.from(secret);
    const one = verifier({ keys: { secret: original }, issuer });
    original.fill(0);
    await one.verify(await signWithSecret(secret));
  });

  it('keeps only the public half of a private JWK', async () => {
    const rsa = await createSigner('RS256');
    for (const signer of [ec, rsa]) {
      const provider = customKeys({ keys: { ...signer.privateJwk, key_ops: ['sign'] }, issuer });
      const kept = JSON.stringify(provider);
      for (const member of ['d', 'p', 'q', 'dp', 'dq', 'qi'] as const) {
        expect(kept).not.toContain(`"${member}":`);
      }
      expect(kept).not.toContain(signer.privateJwk.d);
      await createVerifier({ providers: [provider], now: frozenClock().now }).verify(await signer.sign());
    }
  });

  it('returns a frozen value with these defaults', () => {
    const provider = customKeys({ keys: ec.publicJwk, issuer });
    expect(provider).toMatchObject({
      name: 'custom keys',
      issuers: [issuer],
      audiences: null,
      algorithms: ['RS256', 'ES256'],
      roles: ['authenticated'],
    });
    for (const value of [provider, provider.keys, provider.issuers, provider.algorithms, provider.roles]) {
      expect(Object.isFrozen(value)).toBe(true);
    }
  });

  it('names the option that is wrong and quotes no key', async () => {
    const { publicKey, privateKey } = await generateKeyPair('ES256', { extractable: true });
    const pem = await exportSPKI(publicKey);
    const wrong: readonly (readonly [option: string, options: object])[] = [
      ['keys', { issuer }],
      ['keys', { keys: null, issuer }],
      ['keys', { keys: [], issuer }],
      ['keys', { keys: { keys: [] }, issuer }],
      ['keys', { keys: { keys: ['key'] }, issuer }],
      ['keys', { keys: { kty: 'EC' }, issuer }],
      ['keys', { keys: { kty: 'oct', k: 'c2VjcmV0LXZhbHVl' }, issuer }],
      ['keys', { keys: 'secret-as-text', algorithms: ['ES256'], issuer }],
      ['keys', { keys: await exportPKCS8(privateKey), algorithms: ['ES256'], issuer }],
      ['keys', { keys: pem.replace(/\n.{12}/, '\n'), algorithms: ['ES256'], issuer }],
      ['keys', { keys: pem.replace(/\n.{4}/, '\n****'), algorithms: ['ES256'], issuer }],
      ['keys.secret', { keys: { secret: 'secret-as-text'.repeat(4) }, issuer }],
      ['keys.secret', { keys: { secret: secret.subarray(1) }, issuer }],
      ['keys.secret', { keys: { secret }, algorithms: ['HS256', 'HS512'], issuer }],
      ['keys.secret', { keys: { secret: new TextEncoder().encode(pem) }, issuer }],
      ['algorithms', { keys: { secret }, algorithms: ['ES256'], issuer }],
      ['algorithms', { keys: { secret }, algorithms: ['HS256', 'RS256'], issuer }],
      ['algorithms', { keys: ec.publicJwk, algorithms: ['HS256'], issuer }],
      ['algorithms', { keys: ec.publicJwk, algorithms: ['RS256'], issuer }],
      ['algorithms', { keys: ec.publicJwk, algorithms: ['none'], issuer }],
      ['algorithms', { keys: ec.publicJwk, algorithms: [], issuer }],
      ['algorithms', { keys: pem, issuer }],
      ['algorithms', { keys: pem, algorithms: ['ES256', 'ES384'], issuer }],
      ['algorithms', { keys: pem, algorithms: ['ES384'], issuer }],
      ['issuer', { keys: ec.publicJwk }],
      ['issuer', { keys: ec.publicJwk, issuer: '' }],
      ['issuer', { keys: ec.publicJwk, issuer: [] }],
      ['audience', { keys: ec.publicJwk, issuer, audience: [7] }],
      ['roles', { keys: ec.publicJwk, issuer, roles: [] }],
      ['name', { keys: ec.publicJwk, issuer, name: '' }],
      ['audiences', { keys: ec.publicJwk, issuer, audiences: ['app'] }],
    ];
    for (const [option, options] of wrong) {
      // @ts-expect-error a program in JavaScript can pass anything
      const message = messageOf(() => customKeys(options));
      expect(message, JSON.stringify(options)).toContain(`"${option}"`);
      expect(message).not.toMatch(/secret-as-text|c2VjcmV0|MFkw/);
    }
  });
});

function messageOf(make: () => unknown): string {
  try {
    make();
  } catch (error) {
    if (error instanceof TypeError) return error.message;
    throw error;
  }
  throw new Error('nothing was thrown');
}
