import { existsSync } from 'node:fs';
import { readdir, rm } from 'node:fs/promises';
import path from 'node:path';

import { afterAll, beforeAll, describe, expect, test } from 'vitest';

import {
  eventually,
  isAlive,
  makeProject,
  makeTemporaryFolder,
  type Project,
  type Run,
  spawnIn,
  startIn,
} from './project.ts';
import { rowsOf } from './query.ts';

let project: Project;
let temporary: string;

beforeAll(async () => {
  project = await makeProject();
  temporary = await makeTemporaryFolder();
});
afterAll(async () => {
  await project.remove();
  await rm(temporary, { recursive: true, force: true });
});

describe('a process that started an ephemeral cluster leaves nothing behind', () => {
  const ends: readonly (readonly [string, (run: Run) => unknown])[] = [
    ['when it is killed', (run) => run.child.kill('SIGKILL')],
    ['when it is terminated', (run) => run.child.kill('SIGTERM')],
    ['when it calls process.exit', (run) => run.finish('exit')],
    ['when it has nothing left to do', (run) => run.finish('idle')],
  ];

  test.each(ends)('%s', async (_when, end) => {
    const run = await startIn(project, { temporary });
    expect(await rowsOf(run.ownerUrl, 'SELECT 1')).toEqual([[1]]);
    await end(run);
    await eventually(() => !isAlive(run.pid), 'the postmaster has ended');
    await eventually(() => !existsSync(run.dataDirectory), 'the folder is gone');
  });

  test('when it is killed while initdb runs', async () => {
    const child = spawnIn(project, { temporary });
    // A folder that goes while it is read is an error of readdir's: look again.
    const files = (): Promise<readonly string[]> =>
      readdir(temporary, { recursive: true }).catch(() => ['changing']);
    await eventually(
      async () => (await files()).some((file) => file.includes('initialising-')),
      'initdb runs',
    );
    child.kill('SIGKILL');
    await eventually(async () => (await files()).length === 0, 'nothing is left');
  });
});

test('data that are to be kept survive when their process is killed, and can be used at once', async () => {
  const dataDirectory = path.join(temporary, 'kept');
  const killed = await startIn(project, { temporary, dataDirectory });
  await rowsOf(killed.ownerUrl, 'CREATE TABLE kept AS SELECT 42 AS answer');
  killed.child.kill('SIGKILL');
  const again = await startIn(project, { temporary, dataDirectory });
  expect(await rowsOf(again.ownerUrl, 'SELECT answer FROM kept')).toEqual([[42]]);
  expect(await again.finish()).toBe(0);
});
