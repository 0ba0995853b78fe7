import { chmod, mkdir, readdir, readFile, rm, rmdir, stat } from 'node:fs/promises';
import path from 'node:path';

import { afterEach, beforeEach, describe, expect, test } from 'vitest';

import { makeProject, makeTemporaryFolder, type Project, type ProjectOptions, startIn } from './project.ts';
import { rowsOf } from './query.ts';

const isRoot = process.getuid?.() === 0;
const nobody = 65_534;
/** An ordinary user: we, unless we are root. */
const ordinary = isRoot ? { uid: nobody } : {};

let temporary: string;
let project: Project;

async function begin(options: ProjectOptions): Promise<Project> {
  project = await makeProject(options);
  return project;
}

async function copies(): Promise<readonly string[]> {
  return (await readdir(temporary)).filter((name) => name.startsWith('drizzle-authorize-postgres-'));
}

beforeEach(async () => {
  temporary = await makeTemporaryFolder(0o1777);
});
afterEach(async () => {
  await project.remove();
  await rm(temporary, { recursive: true, force: true });
});

// As an ordinary user this is nothing special, as root the server's user reaches neither programs nor data there.
describe('in a project of mode 0700', () => {
  test('an ephemeral cluster starts', async () => {
    const run = await startIn(await begin({ mode: 0o700 }), { temporary });
    expect(await rowsOf(run.ownerUrl, 'SELECT 1')).toEqual([[1]]);
    expect(await run.finish()).toBe(0);
    expect(await copies()).toHaveLength(isRoot ? 1 : 0);
  });

  test('data are kept, and found again', async () => {
    const { folder } = await begin({ mode: 0o700 });
    const dataDirectory = path.join(folder, '.authorize/postgres');
    const first = await startIn(project, { temporary, dataDirectory });
    try {
      await rowsOf(first.ownerUrl, 'CREATE TABLE kept AS SELECT 42 AS answer');
      expect(await first.finish()).toBe(0);
      const second = await startIn(project, { temporary, dataDirectory });
      expect(await rowsOf(second.ownerUrl, 'SELECT answer FROM kept')).toEqual([[42]]);
      expect(await second.finish()).toBe(0);
      expect(second.dataDirectory).toBe(first.dataDirectory);
      if (isRoot) {
        expect(await readFile(path.join(dataDirectory, 'moved-to.txt'), 'utf8')).toContain(
          first.dataDirectory,
        );
        expect((await stat(path.join(first.dataDirectory, 'password'))).mode & 0o777).toBe(0o600);
      } else {
        expect(first.dataDirectory).toBe(dataDirectory);
      }
    } finally {
      await rm(first.dataDirectory, { recursive: true, force: true });
      // Goes if nobody else has data there.
      if (isRoot) await rmdir(path.dirname(first.dataDirectory)).catch(() => undefined);
    }
  });

  test('several first starts at the same time share one copy of the programs', async () => {
    await begin({ mode: 0o700 });
    const runs = await Promise.all([1, 2, 3].map(() => startIn(project, { temporary })));
    for (const run of runs) expect(await rowsOf(run.ownerUrl, 'SELECT 1')).toEqual([[1]]);
    await Promise.all(runs.map((run) => run.finish()));
    expect(await copies()).toHaveLength(isRoot ? 1 : 0);
  });
});

describe('without the links that an install script makes', () => {
  test('they are made where the programs are, by a user who may', async () => {
    const run = await startIn(await begin({ withoutLinks: true }), { temporary });
    expect(await run.finish()).toBe(0);
    expect(await copies()).toEqual([]);
  });

  test('they are made in a copy, by a user who may not', async () => {
    await begin({ withoutLinks: true, readOnlyPackages: true });
    const run = await startIn(project, { temporary, ...ordinary });
    expect(await rowsOf(run.ownerUrl, 'SELECT 1')).toEqual([[1]]);
    expect(await run.finish()).toBe(0);
    expect(await copies()).toHaveLength(1);
  });

  test('a copy that others can write to is not used, one that lacks files is made again', async () => {
    await begin({ withoutLinks: true, readOnlyPackages: true });
    const first = await startIn(project, { temporary, ...ordinary });
    await first.finish();
    const [shared = ''] = await copies();
    const copy = path.join(temporary, shared);

    await rm(path.join(copy, 'share'), { recursive: true });
    const second = await startIn(project, { temporary, ...ordinary });
    await second.finish();
    expect(await copies()).toEqual([shared]);
    expect(await readdir(copy)).toContain('share');

    await rm(copy, { recursive: true });
    await mkdir(path.join(copy, 'bin'), { recursive: true });
    await chmod(copy, 0o777);
    const third = await startIn(project, { temporary, ...ordinary });
    expect(await rowsOf(third.ownerUrl, 'SELECT 1')).toEqual([[1]]);
    await third.finish();
    expect(await readdir(path.join(copy, 'bin'))).toEqual([]);
  });
});

test('an ordinary user starts a cluster out of a project that is not his', async () => {
  const run = await startIn(await begin({}), { temporary, ...ordinary });
  expect(await rowsOf(run.ownerUrl, 'SELECT 1')).toEqual([[1]]);
  expect((await stat(path.join(run.dataDirectory, 'data'))).uid).toBe(isRoot ? nobody : process.getuid?.());
  expect(await run.finish()).toBe(0);
  expect(await copies()).toEqual([]);
});

test('root runs the server as the owner of data that an ordinary user has made', async () => {
  await begin({});
  const dataDirectory = path.join(temporary, 'data-of-somebody');
  await (await startIn(project, { temporary, dataDirectory, ...ordinary })).finish();
  const run = await startIn(project, { temporary, dataDirectory });
  expect((await stat(`/proc/${run.pid}`).catch(() => stat(dataDirectory))).uid).toBe(
    isRoot ? nobody : process.getuid?.(),
  );
  expect(await run.finish()).toBe(0);
});
