import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    pool: 'forks',
    maxWorkers: 2,
    testTimeout: 30_000,
    hookTimeout: 60_000,
    projects: [
      { extends: true, test: { name: 'unit', include: ['test/unit/**/*.test.ts'] } },
      {
        extends: true,
        test: {
          name: 'postgres',
          include: ['test/**/*.test.ts'],
          exclude: ['test/unit/**', 'test/**/*.full.test.ts'],
          globalSetup: 'test/support/global-setup.ts',
        },
      },
      {
        // What takes longer than `npm test` may: the same kind of tests, with a run of their own.
        extends: true,
        test: {
          name: 'full',
          include: ['test/**/*.full.test.ts'],
          globalSetup: 'test/support/global-setup.ts',
          testTimeout: 300_000,
          hookTimeout: 300_000,
        },
      },
    ],
  },
});
