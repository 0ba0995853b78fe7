import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import manifest from '../../package.json' with { type: 'json' };
import secondLine from '../drizzle-1.0/package.json' with { type: 'json' };
import { packPackage, run } from '../support/npm.ts';

// npm itself decides, since it has rules of its own for versions such as 1.0.0-rc.5.

let folder: string;
let tarball: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'peers-'));
  tarball = (await packPackage(folder)).filename;
});

afterAll(() => rm(folder, { recursive: true, force: true }));

/** What npm says of a project that has these packages beside ours; it installs nothing. */
async function resolved(dependencies: Readonly<Record<string, string>>): Promise<string> {
  await writeFile(
    join(folder, 'package.json'),
    JSON.stringify({ private: true, dependencies: { ...dependencies, [manifest.name]: `file:${tarball}` } }),
  );
  await rm(join(folder, 'package-lock.json'), { force: true });
  const install = ['install', '--package-lock-only', '--strict-peer-deps', '--prefer-offline'];
  const { code, stderr } = await run('npm', [...install, '--no-audit', '--no-fund', '--no-save'], folder);
  return code === 0 ? 'resolved' : (/npm error code (\w+)/u.exec(stderr)?.[1] ?? stderr);
}

describe('npm installs the package beside', { timeout: 120_000 }, () => {
  it.each([
    ['0.45', manifest.devDependencies],
    ['1.0', secondLine.devDependencies],
  ])('drizzle-orm and drizzle-kit of the line %s', async (_line, pins) => {
    const { 'drizzle-orm': orm, 'drizzle-kit': kit } = pins;
    expect(await resolved({ 'drizzle-orm': orm, 'drizzle-kit': kit })).toBe('resolved');
  });

  it('no drizzle-orm that nobody has tried', async () => {
    expect(await resolved({ 'drizzle-orm': '0.44.7' })).toBe('ERESOLVE');
  });
});
