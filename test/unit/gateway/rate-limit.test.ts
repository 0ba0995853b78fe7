import { expect, it } from 'vitest';

import { RateLimit } from '../../../src/gateway/rate-limit.ts';

const of = (sub: string, iss = 'https://id.example') => ({ claims: { sub, iss } });

function limited(requestsPerSecond: number, burst: number) {
  const clock = { ms: 1_000 };
  const limit = new RateLimit({ requestsPerSecond, burst, now: () => clock.ms });
  return { clock, passes: (who = of('alice')) => limit.refuses(who) === undefined, limit };
}

it('a person may ask a burst at once, and then as often as the rate says', () => {
  const { clock, passes, limit } = limited(2, 3);
  expect([passes(), passes(), passes(), passes()]).toEqual([true, true, true, false]);
  expect(limit.refuses(of('alice'))).toMatchObject({
    code: '53400',
    hint: 'Try again in 1 s; there may be 2 a second.',
  });
  clock.ms += 500;
  expect([passes(), passes()]).toEqual([true, false]);
  clock.ms += 3_600_000;
  expect([passes(), passes(), passes(), passes()]).toEqual([true, true, true, false]);
});

it('each person of each issuer has a limit of their own, and visitors have none', () => {
  const { passes } = limited(1, 1);
  expect([passes(), passes()]).toEqual([true, false]);
  expect(passes(of('bob'))).toBe(true);
  expect(passes(of('alice', 'https://other.example'))).toBe(true);
  const visitor = { claims: {} };
  expect([passes(visitor as never), passes(visitor as never)]).toEqual([true, true]);
});

it('a rate below one a second says how long to wait', () => {
  const { limit } = limited(0.1, 1);
  limit.refuses(of('alice'));
  expect(limit.refuses(of('alice'))?.hint).toBe('Try again in 10 s; there may be 0.1 a second.');
});

it('a hundred thousand persons do not make it forget who has asked too often', () => {
  const { clock, passes } = limited(1, 2);
  expect([passes(), passes(), passes()]).toEqual([true, true, false]);
  for (let n = 0; n < 100_000; n += 1) {
    clock.ms += 0.001;
    passes(of(`person ${n}`));
  }
  expect(passes()).toBe(false);
  clock.ms += 1_000;
  expect(passes()).toBe(true);
});
