import { spawnSync } from 'node:child_process';

import { installSecondLine } from '../drizzle-1.0/install.ts';

// What `npm run check:types` runs: the whole project on the first line of drizzle-orm, and the type tests of the second on
// the packed package, by the TypeScript that builds it and by the one before, which is written in JavaScript.

const compilers = [
  ['TypeScript 7', 'node_modules/typescript/bin/tsc'],
  ['TypeScript 5.9', 'test/drizzle-1.0/node_modules/typescript/bin/tsc'],
] as const;

const projects = [
  ['drizzle-orm 0.45', '.'],
  ['drizzle-orm 1.0', 'test/drizzle-1.0'],
] as const;

await installSecondLine();
for (const [line, project] of projects) {
  for (const [compiler, tsc] of compilers) {
    const { status } = spawnSync(process.execPath, [tsc, '-p', project], { stdio: 'inherit' });
    process.stdout.write(`${status === 0 ? '✓' : '✗'} ${line}, ${compiler}\n`);
    if (status !== 0) process.exitCode = 1;
  }
}
