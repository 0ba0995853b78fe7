import { afterEach, beforeEach, expect, it, vi } from 'vitest';

import type { Identity } from '../../../src/session/identity.ts';
import { ReusableSeals, type SealTarget } from '../../../src/session/reusable-seals.ts';
import { createSealKey, generateAuthorizeKey, parseAuthorizeKey } from '../../../src/session/seal-key.ts';

const start = 1_800_000_000;
const target: SealTarget = { database: 'app', backendPid: 0, clockOffsetSeconds: 0 };
const alice: Identity = { role: 'authenticated', claims: { sub: 'alice' } };

let seals: ReusableSeals;
let signed = 0;

beforeEach(async () => {
  vi.useFakeTimers({ toFake: ['Date'], now: start * 1000 });
  signed = 0;
  const key = await createSealKey(parseAuthorizeKey(generateAuthorizeKey())[0]);
  const sign: typeof key.sign = (message) => {
    signed += 1;
    return key.sign(message);
  };
  seals = new ReusableSeals(() => Promise.resolve({ ...key, sign }));
});

afterEach(() => {
  vi.useRealTimers();
});

/** As whoever sends a seal does. */
const sealed = async (identity: Identity, place: SealTarget): Promise<string> =>
  (seals.find(identity, place) ?? (await seals.make(identity, place))).text;

const later = (seconds: number): void => {
  vi.setSystemTime((start + seconds) * 1000);
};

it('a seal serves again for half of its lifetime, and is then made anew', async () => {
  const first = await sealed(alice, target);
  later(29);
  expect(await sealed(alice, target)).toBe(first);
  expect(signed).toBe(1);
  later(30);
  expect(await sealed(alice, target)).not.toBe(first);
  expect(signed).toBe(2);
});

it('for no other person, and for no other place', async () => {
  const first = await sealed(alice, target);
  const others = [
    await sealed({ ...alice }, target),
    await sealed(alice, { ...target }),
    await sealed(alice, { ...target, backendPid: 42 }),
    await sealed({ ...alice, claims: { sub: 'bob' } }, target),
  ];
  expect(signed).toBe(5);
  expect(others.slice(2)).not.toContain(first);
});

it('never longer than the identity', async () => {
  const brief: Identity = { ...alice, expiresAt: start + 10 };
  await sealed(brief, target);
  later(10);
  await expect(sealed(brief, target)).rejects.toMatchObject({ code: 'ERR_TOKEN_EXPIRED' });
});

it('goes by the clock of the database', async () => {
  const ahead = await sealed({ ...alice, expiresAt: start + 20 }, { ...target, clockOffsetSeconds: 100 });
  const [, , , issued, expires] = ahead.split('.').map(Number);
  expect([issued, expires]).toEqual([start + 100, start + 120]);
});
