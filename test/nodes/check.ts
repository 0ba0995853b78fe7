import { spawnSync } from 'node:child_process';
import { delimiter, dirname } from 'node:path';

import { nodeProgram } from './node-program.ts';

// What `npm run check:nodes` runs: the package on newer Nodes than the one that runs everything else. Where one cannot be
// had, it says so, and tries the Node at hand in its place.

/** The lines that are maintained, each at one version. */
const versions = ['22.23.3', '24.21.0', '26.10.0'];

const checks: Readonly<Record<string, readonly string[]>> = {
  'unit tests, packed tarball': [
    'node_modules/vitest/vitest.mjs',
    'run',
    '--project=unit',
    '--project=postgres',
    'test/unit',
    'test/package/tarball.test.ts',
  ],
  'npm run demo': ['--import', 'jiti/register', 'examples/todos/demo.ts'],
};

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

/** Runs the checks on one Node; true when all pass. What a check says is printed only when it fails. */
function passes(node: string, label: string): boolean {
  // Whatever they start by the name `node` is the same one.
  const env = { ...process.env, PATH: `${dirname(node)}${delimiter}${process.env['PATH'] ?? ''}` };
  return Object.entries(checks).every(([name, args]) => {
    const startedAt = Date.now();
    const { status, stdout, stderr, error } = spawnSync(node, args, {
      env,
      encoding: 'utf8',
      maxBuffer: 2 ** 26,
    });
    const seconds = ((Date.now() - startedAt) / 1000).toFixed(1);
    say(`${status === 0 ? '✓' : '✗'} Node ${label}: ${name}, ${seconds} s`);
    if (status !== 0) say([stdout, stderr, error?.message].filter(Boolean).join('\n'));
    return status === 0;
  });
}

const programs = versions.map((version) => ({ version, program: nodeProgram(version) }));
let failed = 0;
let atHand = false;
for (const { version, program } of programs) {
  if ('missing' in program) {
    say(`! Node ${version}: not tried, ${program.missing}`);
    atHand = true;
  } else if (!passes(program.path, version)) failed += 1;
}
if (atHand && !passes(process.execPath, `${process.versions.node}, which is at hand`)) failed += 1;
process.exitCode = failed === 0 ? 0 : 1;
