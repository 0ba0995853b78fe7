import { readdirSync, readFileSync } from 'node:fs';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { startKeyServer } from './key-server.ts';
import { createSigner, frozenClock, issuer } from './signer.ts';

const folder = new URL('../../../src/jwt/', import.meta.url);

afterEach(() => {
  vi.unstubAllGlobals();
  vi.resetModules();
});

describe('src/jwt on an edge runtime', () => {
  it('imports nothing but jose, the errors and itself', () => {
    for (const file of readdirSync(folder)) {
      const source = readFileSync(new URL(file, folder), 'utf8');
      for (const [, from] of source.matchAll(/^(?:import|export)[^;]*? from '([^']+)';/gm)) {
        expect(from, file).toMatch(/^(?:jose|\.\.\/errors\.ts|\.\/[a-z-]+\.ts)$/);
      }
      expect(source, file).not.toMatch(/\bBuffer\b|\brequire\(|import\(/);
    }
  });

  it('works without node:crypto, and with requests that may not wait for each other', async () => {
    const signer = await createSigner('ES256');
    const server = await startKeyServer(signer.publicJwk);
    vi.stubGlobal('navigator', { userAgent: 'Cloudflare-Workers' });
    // Not the whole process: the loader of vitest needs it.
    const builtin = vi.spyOn(process, 'getBuiltinModule').mockReturnValue(undefined);
    const digest = vi.spyOn(crypto.subtle, 'digest');
    vi.resetModules();
    const { createVerifier, jwks } = await import('../../../src/jwt/index.ts');
    builtin.mockRestore();
    try {
      const { now } = frozenClock();
      const verifier = createVerifier({ providers: [jwks({ url: server.url, issuer })], now });
      const token = await signer.sign();
      await Promise.all([verifier.verify(token), verifier.verify(token)]);
      expect(await verifier.verify(token)).toBe(await verifier.verify(token));
      expect(digest).toHaveBeenCalled();
      expect(server.requests).toHaveLength(2);

      const strange = await createSigner('ES256', 'strange');
      const strangers = await Promise.all(Array.from({ length: 20 }, (_, n) => strange.sign({ n })));
      await Promise.allSettled(strangers.map((stranger) => verifier.verify(stranger)));
      expect(server.requests).toHaveLength(3);
    } finally {
      digest.mockRestore();
      await server.close();
    }
  });
});
