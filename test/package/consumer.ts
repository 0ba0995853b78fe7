import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { cp, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

import manifest from '../../package.json' with { type: 'json' };

/** A project outside of this one that has installed the packed package, as a user does. */
export interface Consumer {
  readonly folder: string;
  /** What `npm pack` put into the tarball: paths, with `/`. */
  readonly packedFiles: readonly string[];
  readonly packedBytes: number;
  write(file: string, text: string): Promise<void>;
  /** Runs a program in the folder to its end. */
  run(program: string, args: readonly string[], env?: Readonly<Record<string, string>>): Promise<RunResult>;
  /** The same project without the optional peers. The consumer's `remove` leaves it. */
  withoutOptionalPeers(): Promise<Consumer>;
  remove(): Promise<void>;
}

export interface RunResult {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Beside the package: what its users have, in the versions that this project is developed with. */
const neighbours = [
  '@neondatabase/serverless',
  '@types/node',
  '@types/pg',
  'drizzle-kit',
  'drizzle-orm',
  'jose',
  'pg',
] as const;

/** What `npm pack --json` says of a tarball, as far as it is used here. */
interface Packed {
  readonly filename: string;
  readonly size: number;
  readonly files: readonly { readonly path: string }[];
}

/** Packs what `npm run build` has made, and installs it into a fresh folder. Takes about 10 s. */
export async function createConsumer(): Promise<Consumer> {
  const folder = await mkdtemp(join(tmpdir(), 'consumer-'));
  // Without the scripts, which would build anew under the hands of other tests.
  const pack = ['pack', '--json', '--ignore-scripts', '--pack-destination', folder];
  const { stdout } = await succeed('npm', pack, resolve('.'));
  const [packed] = JSON.parse(stdout) as readonly Packed[];
  if (packed === undefined) throw new Error('npm pack made nothing');

  const versions = neighbours.map((name) => [
    name,
    { ...manifest.dependencies, ...manifest.devDependencies }[name],
  ]);
  const dependencies = { [manifest.name]: `file:${packed.filename}`, ...Object.fromEntries(versions) };
  await writeFile(join(folder, 'package.json'), JSON.stringify({ private: true, dependencies }));
  await succeed('npm', ['install', '--no-audit', '--no-fund', '--prefer-offline'], folder);
  return consumerIn(folder, packed);
}

function consumerIn(folder: string, packed: Packed): Consumer {
  return {
    folder,
    packedFiles: packed.files.map(({ path }) => path),
    packedBytes: packed.size,
    write: (file, text) => writeFile(join(folder, file), text),
    run: (program, args, env) => run(program, args, folder, env),
    withoutOptionalPeers: async () => {
      const bare = await mkdtemp(join(tmpdir(), 'consumer-'));
      const peers = new Set(
        Object.keys(manifest.peerDependenciesMeta).map((name) => join(folder, 'node_modules', name)),
      );
      await cp(folder, bare, { recursive: true, filter: (path) => !peers.has(path) });
      return consumerIn(bare, packed);
    },
    remove: () => rm(folder, { recursive: true, force: true }),
  };
}

async function succeed(program: string, args: readonly string[], cwd: string): Promise<RunResult> {
  const result = await run(program, args, cwd);
  if (result.code === 0) return result;
  throw new Error(
    `${program} ${args.join(' ')} ended with ${result.code}:\n${result.stdout}\n${result.stderr}`,
  );
}

async function run(
  program: string,
  args: readonly string[],
  cwd: string,
  env: Readonly<Record<string, string>> = {},
): Promise<RunResult> {
  // What npm tells the scripts of this project would lead another npm back to it.
  const inherited = Object.entries(process.env).filter(
    ([name]) => !/^npm_(?:package|lifecycle|config_local)/u.test(name),
  );
  const child = spawn(program, args, {
    cwd,
    env: { ...Object.fromEntries(inherited), NODE_ENV: '', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const output = { stdout: '', stderr: '' };
  for (const stream of ['stdout', 'stderr'] as const) {
    child[stream].setEncoding('utf8').on('data', (text: string) => (output[stream] += text));
  }
  const [code] = (await once(child, 'close')) as [number | null];
  return { code, ...output };
}
