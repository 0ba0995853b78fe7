import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, chown, cp, mkdir, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir, userInfo } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';

import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const run = promisify(execFile);
const isRoot = process.getuid?.() === 0;

let folder: string;
let clone: string;

// A checkout of its own after `npm ci`, below a folder that nobody else may enter, as `mktemp -d` and /root are.
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'demo-'));
  clone = join(folder, 'clone');
  await mkdir(clone);
  for (const part of ['package.json', 'dist', 'drizzle', 'examples']) {
    await cp(resolve(part), join(clone, part), { recursive: true });
  }
  await copyModules();
});

afterAll(async () => {
  await rm(folder, { recursive: true, force: true });
});

// Hard links where they are possible: real paths below the folder, without the time and the room of a copy.
async function copyModules(): Promise<void> {
  const target = join(clone, 'node_modules');
  await run('cp', ['-al', resolve('node_modules'), target]).catch(async () => {
    await rm(target, { recursive: true, force: true });
    await run('cp', ['-a', resolve('node_modules'), target]);
  });
}

interface Identity {
  readonly uid: number;
  readonly gid: number;
}

function startDemo(identity?: Identity) {
  return spawn('npm', ['run', 'demo'], {
    cwd: clone,
    stdio: ['ignore', 'pipe', 'pipe'],
    // A group of its own, as a terminal gives to a command.
    detached: true,
    env: { ...process.env, HOME: identity ? clone : userInfo().homedir, NO_COLOR: '1' },
    ...identity,
  });
}

async function told(identity?: Identity): Promise<{ code: number | null; output: string }> {
  const demo = startDemo(identity);
  let output = '';
  for (const stream of [demo.stdout, demo.stderr]) {
    stream.on('data', (chunk: Buffer) => {
      output += chunk.toString();
    });
  }
  const [code] = (await once(demo, 'close')) as [number | null];
  return { code, output };
}

async function ordinaryUser(): Promise<Identity> {
  const [uid, gid] = await Promise.all(
    ['-u', '-g'].map(async (flag) => Number((await run('id', [flag, 'nobody'])).stdout)),
  );
  return { uid: uid ?? Number.NaN, gid: gid ?? Number.NaN };
}

/** Postgres servers whose data is below a folder, or that one of its processes started. */
async function leftovers(): Promise<readonly string[]> {
  const { stdout } = await run('ps', ['-eo', 'args']);
  return stdout.split('\n').filter((line) => line.includes(clone) && !line.startsWith('ps '));
}

describe('npm run demo tells its story to the end', () => {
  it(`as ${isRoot ? 'root' : 'an ordinary user'}, in a folder of mode 0700`, async () => {
    const { code, output } = await told();
    expect(output).toMatch(/All \d+ steps came out as they should/u);
    expect(code).toBe(0);
    expect(output).not.toContain('✗');
    expect(await leftovers()).toEqual([]);
  });

  it('as an ordinary user, where the tests run as root', async () => {
    const identity = isRoot ? await ordinaryUser() : undefined;
    if (identity !== undefined) {
      await Promise.all([folder, clone].map((path) => chown(path, identity.uid, identity.gid)));
      await rm(join(clone, '.authorize'), { recursive: true, force: true });
    }
    const { code, output } = await told(identity);
    expect(output).toMatch(/All \d+ steps came out as they should/u);
    expect(code).toBe(0);
    if (isRoot) {
      await Promise.all([folder, clone].map((path) => chown(path, 0, 0)));
      await chmod(folder, 0o700);
      await rm(join(clone, '.authorize'), { recursive: true, force: true });
    }
  });
});

it('Ctrl-C stops the demo and everything that it started', async () => {
  const demo = startDemo();
  const ended = once(demo, 'close');
  // The first step has been told: PostgreSQL and the gateway run.
  for await (const chunk of demo.stdout as AsyncIterable<Buffer>) {
    if (chunk.toString().includes('✓')) break;
  }
  process.kill(-(demo.pid ?? Number.NaN), 'SIGINT');
  await ended;
  await expect.poll(leftovers, { timeout: 10_000 }).toEqual([]);
  expect((await readdir(join(clone, '.authorize'))).toSorted()).toEqual(['.gitignore', 'issuer.json']);
});
