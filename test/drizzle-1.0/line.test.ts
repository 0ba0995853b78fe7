import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';

import * as drizzle from 'drizzle-orm';
import { expect, it } from 'vitest';

import { line } from '../support/drizzle-line.ts';
import * as source from '../../src/driver/node-postgres.ts';
import pins from './package.json' with { type: 'json' };

// Says of the other tests of this project that they are on the second line, and not twice on the first.

it('drizzle-orm is the one that is pinned here', async () => {
  const manifest: unknown = JSON.parse(
    await readFile(resolve('test/drizzle-1.0/node_modules/drizzle-orm/package.json'), 'utf8'),
  );
  expect(manifest).toMatchObject({ version: pins.devDependencies['drizzle-orm'] });
  expect(line).toBe(pins.devDependencies['drizzle-orm']);
  expect(drizzle).toHaveProperty('defineRelations');
});

it('a driver is the one of the tarball', async () => {
  const packed = resolve('test/drizzle-1.0/node_modules/drizzle-authorize/dist/driver/node-postgres.js');
  expect(source.withAuth).toBe(((await import(packed)) as typeof source).withAuth);
});
