import { expect, it } from 'vitest';

import { remembered } from '../../../src/driver/remembered.ts';

function counter(results: readonly (number | Error)[]): { make: () => Promise<number>; made: () => number } {
  let made = 0;
  return {
    make: async () => {
      const result = results[made++];
      await Promise.resolve();
      if (result instanceof Error || result === undefined) throw result;
      return result;
    },
    made: () => made,
  };
}

it('is made when it is first needed, once for all who ask meanwhile and later', async () => {
  const { make, made } = counter([1, 2]);
  const result = remembered(make);
  expect(made()).toBe(0);
  expect(await Promise.all([result.get(), result.get()])).toEqual([1, 1]);
  expect(await result.get()).toBe(1);
  expect(made()).toBe(1);
});

it('a failure reaches all who wait for it, and is not kept', async () => {
  const { make, made } = counter([new Error('down'), 2]);
  const result = remembered(make);
  const both = await Promise.allSettled([result.get(), result.get()]);
  expect(both.map(({ status }) => status)).toEqual(['rejected', 'rejected']);
  expect(await result.get()).toBe(2);
  expect(made()).toBe(2);
});

it('is made anew when it was forgotten', async () => {
  const result = remembered(counter([1, 2]).make);
  expect(await result.get()).toBe(1);
  result.forget();
  expect(await result.get()).toBe(2);
});
