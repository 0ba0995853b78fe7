import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { resolve } from 'node:path';

export interface RunResult {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** What `npm pack --json` says of a tarball, as far as it is used here. */
export interface Packed {
  readonly filename: string;
  readonly size: number;
  readonly files: readonly { readonly path: string }[];
}

/** Packs what `npm run build` has made into a folder. */
export async function packPackage(folder: string): Promise<Packed> {
  // Without the scripts, which would build anew under the hands of other tests.
  const pack = ['pack', '--json', '--ignore-scripts', '--pack-destination', folder];
  const { stdout } = await succeed('npm', pack, resolve('.'));
  const [packed] = JSON.parse(stdout) as readonly Packed[];
  if (packed === undefined) throw new Error('npm pack made nothing');
  return packed;
}

/** Runs a program to its end, which has to be a good one. */
export async function succeed(program: string, args: readonly string[], cwd: string): Promise<RunResult> {
  const result = await run(program, args, cwd);
  if (result.code === 0) return result;
  throw new Error(
    `${program} ${args.join(' ')} ended with ${result.code}:\n${result.stdout}\n${result.stderr}`,
  );
}

/** Runs a program to its end. */
export async function run(
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
