import { execFile } from 'node:child_process';
import { resolve } from 'node:path';
import { promisify } from 'node:util';

import { percentile } from './measure.ts';

const run = promisify(execFile);

/** Medians, in milliseconds. */
export interface ImportTime {
  /** Of the import in a fresh process, with whatever it brings. */
  readonly wholeMs: number;
  /** Of what it builds on, in a fresh process. */
  readonly foundationMs: number;
  /** Of the import where what it builds on has been imported already. */
  readonly addedMs: number;
}

/**
 * How long it takes to import an entry point of the built package, in processes of their own, one after the other.
 *
 * @param foundation what a program that imports the entry point has imported anyway
 */
export async function importTime(
  entryPoint: string,
  foundation: readonly string[],
  runs: number,
): Promise<ImportTime> {
  const whole: number[] = [];
  const below: number[] = [];
  const added: number[] = [];
  // In turns, so that a busy moment of the machine meets both.
  for (let index = 0; index < runs; index += 1) {
    const [alone = Number.NaN] = await timed([[entryPoint]]);
    const [first = Number.NaN, second = Number.NaN] = await timed([foundation, [entryPoint]]);
    whole.push(alone);
    below.push(first);
    added.push(second);
  }
  return {
    wholeMs: percentile(whole, 50),
    foundationMs: percentile(below, 50),
    addedMs: percentile(added, 50),
  };
}

/** Imports one group after the other in a fresh process; milliseconds for each group. */
async function timed(groups: readonly (readonly string[])[]): Promise<readonly number[]> {
  const program = `
    const times = [];
    for (const group of ${JSON.stringify(groups)}) {
      const startedAt = performance.now();
      for (const name of group) await import(name);
      times.push(performance.now() - startedAt);
    }
    process.stdout.write(JSON.stringify(times));`;
  const { stdout } = await run(process.execPath, ['--input-type=module', '--eval', program], {
    cwd: resolve(import.meta.dirname, '..'),
  });
  return JSON.parse(stdout) as readonly number[];
}
