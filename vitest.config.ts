import { defineConfig } from 'vitest/config';

import { secondLine } from './test/drizzle-1.0/resolve.ts';

export default defineConfig({
  // Otherwise package.json leads to what was built.
  resolve: {
    alias: { '#statement-judge': new URL('src/database/statement-judge.ts', import.meta.url).pathname },
  },
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
          exclude: ['test/unit/**', 'test/drizzle-1.0/**', 'test/**/*.full.test.ts'],
          globalSetup: 'test/support/global-setup.ts',
        },
      },
      {
        // Every driver again, out of the packed tarball and on drizzle-orm 1.0.
        extends: true,
        plugins: [secondLine()],
        test: {
          name: 'drizzle-1.0',
          include: ['test/integration/{with-auth,observe}/*.test.ts', 'test/drizzle-1.0/*.test.ts'],
          exclude: ['**/*.full.test.ts'],
          globalSetup: ['test/support/global-setup.ts', 'test/drizzle-1.0/global-setup.ts'],
        },
      },
      {
        // Migrations again, by drizzle-kit 1.0.
        extends: true,
        plugins: [secondLine()],
        test: {
          name: 'full-1.0',
          include: [
            'test/integration/migration/{*.full,create}.test.ts',
            'test/integration/adopt/pull.full.test.ts',
            'test/drizzle-1.0/*.full.test.ts',
          ],
          exclude: ['test/integration/migration/journal.full.test.ts'],
          globalSetup: ['test/support/global-setup.ts', 'test/drizzle-1.0/global-setup.ts'],
          testTimeout: 300_000,
          hookTimeout: 300_000,
        },
      },
      {
        // What takes longer than `npm test` may: the same kind of tests, with a run of their own.
        extends: true,
        test: {
          name: 'full',
          include: ['test/**/*.full.test.ts'],
          exclude: ['test/drizzle-1.0/**'],
          globalSetup: 'test/support/global-setup.ts',
          testTimeout: 300_000,
          hookTimeout: 300_000,
        },
      },
    ],
  },
});
