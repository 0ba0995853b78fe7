import { cp, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import manifest from '../../package.json' with { type: 'json' };
import { type Packed, packPackage, run, type RunResult, succeed } from '../support/npm.ts';

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

/** Beside the package: what its users have, in the versions that this project is developed with. */
const neighbours = [
  '@electric-sql/pglite',
  '@neondatabase/serverless',
  '@types/node',
  '@types/pg',
  'drizzle-kit',
  'drizzle-orm',
  'jose',
  'pg',
  'postgres',
] as const;

/** Packs what `npm run build` has made, and installs it into a fresh folder. Takes about 10 s. */
export async function createConsumer(): Promise<Consumer> {
  const folder = await mkdtemp(join(tmpdir(), 'consumer-'));
  const packed = await packPackage(folder);
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
