import { execFileSync } from 'node:child_process';
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';

import { bundleSize } from './bundle-size.ts';
import { importTime } from './import-time.ts';

// What `npm run size` runs: what the schema entry costs in a bundle and at the start of a program, and how large the
// package is.

const { values } = parseArgs({
  options: { json: { type: 'boolean' }, runs: { type: 'string', default: '15' } },
});
const entryPoint = 'drizzle-authorize';
const foundation = ['drizzle-orm', 'drizzle-orm/pg-core'];

const report = {
  node: process.version,
  entryPoint,
  ...(await bundleSize(entryPoint)),
  ...(await importTime(entryPoint, foundation, Number(values.runs))),
  ...packageSize(),
};

if (values.json) {
  process.stdout.write(`${JSON.stringify(report)}\n`);
} else {
  const rows = [
    ['minified, without drizzle-orm', kilobytes(report.minifiedBytes), 'under 10 kB'],
    ['gzipped', kilobytes(report.gzippedBytes), ''],
    ['import by itself', milliseconds(report.wholeMs), 'under 30 ms'],
    ['import after drizzle-orm and pg-core', milliseconds(report.addedMs), ''],
    ['import of drizzle-orm and pg-core alone', milliseconds(report.foundationMs), ''],
    ['the package, packed', kilobytes(report.packedBytes), ''],
    ['the package, installed', kilobytes(report.installedBytes), ''],
  ] as const;
  process.stdout.write(`import '${entryPoint}', Node ${process.version}\n\n`);
  for (const [what, measured, target] of rows) {
    process.stdout.write(`${`  ${what.padEnd(40)} ${measured.padStart(9)}   ${target}`.trimEnd()}\n`);
  }
}

/** What `npm pack` would make, without what it depends on. */
function packageSize(): { readonly packedBytes: number; readonly installedBytes: number } {
  const output = execFileSync('npm', ['pack', '--dry-run', '--json', '--ignore-scripts'], {
    cwd: resolve(import.meta.dirname, '..'),
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  const [packed] = JSON.parse(output) as readonly { readonly size: number; readonly unpackedSize: number }[];
  if (packed === undefined) throw new Error('npm pack said nothing');
  return { packedBytes: packed.size, installedBytes: packed.unpackedSize };
}

function kilobytes(bytes: number): string {
  return `${(bytes / 1000).toFixed(1)} kB`;
}

function milliseconds(ms: number): string {
  return `${ms.toFixed(1)} ms`;
}
