import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';

import { percentile, type Load } from './measure.ts';

/**
 * The same statement by PostgreSQL's own program for such measurements, for as long.
 *
 * @returns undefined where it is not installed
 * @see https://www.postgresql.org/docs/current/pgbench.html
 */
export async function pgbench(
  connectionString: string,
  statement: string,
  { inFlight, durationMs }: { readonly inFlight: number; readonly durationMs: number },
): Promise<Load | undefined> {
  const folder = await mkdtemp(join(tmpdir(), 'pgbench-'));
  try {
    await writeFile(join(folder, 'select.sql'), `${statement};\n`);
    const settings = ['--no-vacuum', '--protocol=extended', `--client=${inFlight}`, '--file=select.sql'];
    const seconds = Math.max(1, Math.round(durationMs / 1000));
    const child = spawn('pgbench', [...settings, `--time=${seconds}`, '--log', connectionString], {
      cwd: folder,
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const ended = once(child, 'close');
    const [printed] = await Promise.all([text(child.stdout), ended]);
    const perSecond = Number(/tps = ([\d.]+)/.exec(printed)?.[1]);
    if (Number.isNaN(perSecond)) throw new Error('pgbench has failed; it says why above');
    const log = await readFile(join(folder, `pgbench_log.${child.pid}`), 'utf8');
    const microseconds = log
      .trim()
      .split('\n')
      .map((line) => Number(line.split(' ')[2]));
    return { perSecond, medianUs: percentile(microseconds, 50), p99Us: percentile(microseconds, 99) };
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw error;
  } finally {
    await rm(folder, { recursive: true });
  }
}
