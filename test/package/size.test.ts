import { describe, expect, it } from 'vitest';

import { bundleSize } from '../../bench/bundle-size.ts';

// What does not depend on the machine; `npm run size` also reports how long an import takes.
describe('the schema entry', () => {
  it('adds less than 10 kB to a bundle', async () => {
    const { minifiedBytes, gzippedBytes } = await bundleSize('drizzle-authorize');
    expect(minifiedBytes).toBeGreaterThan(1_000);
    expect(minifiedBytes).toBeLessThan(10_000);
    expect(gzippedBytes).toBeLessThan(5_000);
  });

  it('loads what it needs of drizzle-orm, and not the whole of it', async () => {
    const { imports } = await bundleSize('drizzle-authorize');
    expect(imports).toEqual([
      'drizzle-orm/column',
      'drizzle-orm/entity',
      'drizzle-orm/pg-core/policies',
      'drizzle-orm/pg-core/roles',
      'drizzle-orm/sql/sql',
      'drizzle-orm/utils',
    ]);
  });
});
