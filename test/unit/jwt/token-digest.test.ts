import { expect, it } from 'vitest';
import { toDigest, tokenDigest } from '../../../src/jwt/token-digest.ts';

it('is the SHA-256 of the token, whichever way it is made', async () => {
  const onEdge = toDigest(undefined);
  for (const token of ['abc', 'e30.e30.c2ln', 'x'.repeat(8_192)]) {
    expect(await onEdge(token)).toBe(await tokenDigest(token));
  }
  expect(await onEdge('abc')).toBe('ungWv48Bz-pBQUDeXa4iI7ADYaOWF3qctBD_YfIAFa0');
});

it('needs no waiting where node:crypto is', () => {
  expect(typeof tokenDigest('abc')).toBe('string');
});
