import { expect, it } from 'vitest';

import { bundleSize } from '../../bench/bundle-size.ts';

// What does not depend on the machine; `npm run size` also reports how long an import takes.
it('the schema entry adds less than 10 kB to a bundle', async () => {
  const { minifiedBytes, gzippedBytes } = await bundleSize('drizzle-authorize');
  expect(minifiedBytes).toBeGreaterThan(1_000);
  expect(minifiedBytes).toBeLessThan(10_000);
  expect(gzippedBytes).toBeLessThan(5_000);
});
