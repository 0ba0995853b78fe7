import { createHmac, randomBytes } from 'node:crypto';

import { describe, expect, it } from 'vitest';

import { createSealKey, generateAuthorizeKey, parseAuthorizeKey } from '../../../src/session/seal-key.ts';
import { seal, sealContext, sealHeaderLength } from '../../../src/session/seal.ts';

const options = { database: 'app', backendPid: 42, nowSeconds: 1_900_000_000.9 };

async function newKey() {
  return createSealKey(parseAuthorizeKey(generateAuthorizeKey())[0]);
}

describe('AUTHORIZE_KEY', () => {
  it('is one key or several, newest first', () => {
    const [a, b] = [generateAuthorizeKey(), generateAuthorizeKey()];
    expect(parseAuthorizeKey(a)).toHaveLength(1);
    expect(parseAuthorizeKey(` ${a} , ${b}= `)).toHaveLength(2);
    expect(parseAuthorizeKey(`${a},${b}`)[0]).toEqual(parseAuthorizeKey(a)[0]);
    expect(Buffer.from(parseAuthorizeKey(a)[0]).toString('base64url')).toBe(a);
  });

  it.each([undefined, '', '  '])('%j is missing', (value) => {
    expect(() => parseAuthorizeKey(value)).toThrow(expect.objectContaining({ code: 'ERR_KEY_MISSING' }));
  });

  it.each([
    'password',
    'A'.repeat(43),
    randomBytes(31).toString('base64url'),
    randomBytes(33).toString('base64url'),
    `${randomBytes(32).toString('base64url')},`,
    `${'+'.repeat(10)}${randomBytes(32).toString('base64url').slice(10)}`,
  ])('%j is refused, and not shown', (value) => {
    expect(() => parseAuthorizeKey(value)).toThrow(expect.objectContaining({ code: 'ERR_KEY_INVALID' }));
    expect(() => parseAuthorizeKey(value)).not.toThrow(value);
  });
});

describe('a seal', () => {
  it('is an HMAC of what it says, by a key that is derived for the purpose', async () => {
    const secret = generateAuthorizeKey();
    const key = await createSealKey(parseAuthorizeKey(secret)[0]);
    const text = await seal({ role: 'authenticated', claims: { sub: 'alice' } }, key, options);
    const [mac, ...rest] = text.split('.');
    const signed = rest.join('.');
    expect(signed).toBe(`1.${key.id}.1900000000.1900000060.0000000042.{"sub":"alice"}`);
    expect(text.indexOf('{')).toBe(sealHeaderLength);
    const derived = createHmac('sha256', Buffer.from(secret, 'base64url'))
      .update('drizzle-authorize seal key 1')
      .digest();
    expect(mac).toBe(
      createHmac('sha256', derived)
        .update([sealContext, 'app', 'authenticated', signed].join('\0'))
        .digest('hex'),
    );
    // The pads are those of RFC 2104.
    const { inner, outer } = key.pads();
    expect([inner, outer].map((pad) => [pad.length, pad[0], pad[63]])).toEqual([
      [64, (derived[0] ?? 0) ^ 0x36, 0x36],
      [64, (derived[0] ?? 0) ^ 0x5c, 0x5c],
    ]);
  });

  it('ends with the identity when that is sooner than its minute', async () => {
    const until = async (expiresAt: number): Promise<string | undefined> =>
      (await seal({ role: 'a', claims: {}, expiresAt }, await newKey(), options)).split('.')[4];
    expect(await until(1_900_000_010)).toBe('1900000010');
    expect(await until(1_900_000_000.95)).toBe('1900000001');
    expect(await until(1_900_009_999)).toBe('1900000060');
    await expect(until(1_900_000_000)).rejects.toMatchObject({ code: 'ERR_TOKEN_EXPIRED' });
    const late = { ...options, nowSeconds: 1_900_000_000.7 };
    const ended = seal({ role: 'a', claims: {}, expiresAt: 1_900_000_000.6 }, await newKey(), late);
    await expect(ended).rejects.toMatchObject({ code: 'ERR_TOKEN_EXPIRED' });
  });

  it('holds text that only looks like a character that Postgres cannot hold', async () => {
    const text = await seal({ role: 'a', claims: { sub: '\\u0000 \\ud83d 😀' } }, await newKey(), options);
    expect(text).toContain(String.raw`{"sub":"\\u0000 \\ud83d 😀"}`);
  });

  it.each([
    ['no role', { role: '', claims: {} }],
    ['an empty subject', { role: 'a', claims: { sub: '' } }],
    ['a subject that is a number', { role: 'a', claims: { sub: 7 } }],
    ['a subject that is null', { role: 'a', claims: { sub: null } }],
    ['a subject with a NUL, which Postgres cannot hold', { role: 'a', claims: { sub: 'a\0' } }],
    ['half of a character deep in a claim', { role: 'a', claims: { org: { names: ['\\', '\\\uD83D'] } } }],
    ['an expiry that is not a number', { role: 'a', claims: {}, expiresAt: Number('tomorrow') }],
  ])('is not made for %s', async (_, identity) => {
    await expect(seal(identity, await newKey(), options)).rejects.toMatchObject({
      code: 'ERR_IDENTITY_INVALID',
    });
  });
});
