import { describe, expect, it } from 'vitest';
import type { VerifiedIdentity } from '../../../src/jwt/index.ts';
import { VerifiedTokenCache } from '../../../src/jwt/verified-token-cache.ts';

function identityUntil(expiresAt: number): VerifiedIdentity {
  return { role: 'authenticated', claims: { sub: 'alice' }, expiresAt };
}

describe('VerifiedTokenCache', () => {
  it('never holds more than its size', () => {
    const cache = new VerifiedTokenCache(100);
    for (let n = 0; n < 1_000; n += 1) cache.set(`digest ${n}`, identityUntil(10));
    expect(cache.size).toBe(100);
    expect(cache.get('digest 899', 0)).toBeUndefined();
    expect(cache.get('digest 900', 0)).toBeDefined();
  });

  it('drops an identity in the millisecond in which it expires', () => {
    const cache = new VerifiedTokenCache(1);
    cache.set('digest', identityUntil(10));
    expect(cache.get('digest', 9_999)).toBeDefined();
    expect(cache.get('digest', 10_000)).toBeUndefined();
    expect(cache.size).toBe(0);
  });
});
