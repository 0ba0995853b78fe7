import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';

import manifest from '../../package.json' with { type: 'json' };
import { packPackage, succeed } from '../support/npm.ts';

// Two lines of drizzle-orm cannot share one node_modules. This folder has the second one, as its lock file says, and
// beside it the packed package; the drivers are those of the root, so that there is one copy and one pin of each.

const folder = resolve('test/drizzle-1.0');
const installed = join(folder, 'node_modules');
const stampFile = '.installed-from';

/**
 * Puts node_modules of this folder in place, as far as it is missing or was made from something else than what is there
 * now. The first time takes about 10 s and npm's registry or cache; after `npm run build` has changed something, 2 s.
 *
 * @throws Error when dist/ is missing, or older than src/
 */
export async function installSecondLine(): Promise<void> {
  await assertBuilt();
  const lockFile = await readFile(join(folder, 'package-lock.json'));
  await place(installed, digest([lockFile]), async (draft) => {
    for (const name of ['package.json', 'package-lock.json']) {
      await writeFile(join(draft, name), await readFile(join(folder, name)));
    }
    await succeed('npm', ['ci', '--ignore-scripts', '--no-audit', '--no-fund', '--prefer-offline'], draft);
    return join(draft, 'node_modules');
  });
  await place(join(installed, manifest.name), await digestOfPackage(), async (draft) => {
    const { filename } = await packPackage(draft);
    await succeed('tar', ['-xzf', filename], draft);
    return join(draft, 'package');
  });
}

/**
 * Puts a folder that `make` makes where it belongs, in one step, since other processes may be at work in there or be
 * doing the same. Does nothing where the folder bears the stamp.
 */
async function place(target: string, stamp: string, make: (draft: string) => Promise<string>): Promise<void> {
  const isThere = async (): Promise<boolean> =>
    (await readFile(join(target, stampFile), 'utf8').catch(() => '')) === stamp;
  if (await isThere()) return;
  const cache = resolve('node_modules/.cache');
  await mkdir(cache, { recursive: true });
  const draft = await mkdtemp(join(cache, 'drizzle-1.0-'));
  try {
    const made = await make(draft);
    await writeFile(join(made, stampFile), stamp);
    if (await isThere()) return;
    await rename(target, join(draft, 'replaced')).catch(unless('ENOENT'));
    // Where another process was faster, what it has put there is the same.
    await rename(made, target).catch(unless('ENOTEMPTY', 'EEXIST'));
  } finally {
    await rm(draft, { recursive: true, force: true });
  }
}

// What is tested is what was built last, and a test of what was changed since would say nothing.
async function assertBuilt(): Promise<void> {
  const builtAt = await stat('dist/index.js').then(
    ({ mtimeMs }) => mtimeMs,
    () => 0,
  );
  const sources = await Promise.all((await filesIn('src')).map(async (path) => (await stat(path)).mtimeMs));
  if (Math.max(...sources) <= builtAt) return;
  throw new Error('dist/ is older than src/: run `npm run build`, or only `--project=postgres`');
}

function unless(...codes: readonly string[]): (error: unknown) => void {
  return (error) => {
    if (!(error instanceof Error && 'code' in error && codes.includes(String(error.code)))) throw error;
  };
}

async function digestOfPackage(): Promise<string> {
  const paths = ['package.json', 'README.md', ...(await filesIn('dist'))];
  const texts = await Promise.all(paths.map((path) => readFile(path)));
  return digest(paths.flatMap((path, index) => [path, texts[index] ?? '']));
}

function digest(parts: readonly (string | Buffer)[]): string {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(createHash('sha256').update(part).digest());
  return hash.digest('hex');
}

async function filesIn(path: string): Promise<readonly string[]> {
  const entries = await readdir(path, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .toSorted();
}
