import { realpathSync } from 'node:fs';

import { expect, it } from 'vitest';

import { currentInvocation, parseArguments } from '../../../src/migration/drizzle-kit.ts';
import { withAuthorize } from '../../../src/migration/with-authorize.ts';

const bin = 'node_modules/.bin/drizzle-kit';

it.each([
  [['generate'], { command: 'generate', custom: false, options: [] }],
  [['generate', '--custom'], { command: 'generate', custom: true, options: [] }],
  [['generate', '--custom=false'], { command: 'generate', custom: false, options: [] }],
  [['generate', '--custom', '--name=x'], { command: 'generate', custom: true, options: [] }],
  [['generate', '--name', 'migrate'], { command: 'generate', custom: false, options: [] }],
  [['--config=a.ts', 'generate'], { command: 'generate', custom: false, options: ['--config=a.ts'] }],
  [
    ['generate', '--config', 'a.ts', '--prefix', 'unix'],
    { command: 'generate', custom: false, options: ['--config=a.ts', '--prefix=unix'] },
  ],
  [[], { command: '', custom: false, options: [] }],
])('%j is read as drizzle-kit reads it', (args, expected) => {
  expect(parseArguments(args)).toEqual(expected);
});

it('knows drizzle-kit by its package, behind any link', () => {
  expect(currentInvocation(['node', bin, 'generate'], {})).toEqual({
    bin: realpathSync(bin),
    version: '0.31.11',
    command: 'generate',
    custom: false,
    options: [],
  });
});

it.each([
  ['another program', ['node', 'node_modules/.bin/vitest', 'generate'], {}],
  ['no script', ['node'], {}],
  ['a missing script', ['node', '/nowhere/drizzle-kit', 'generate'], {}],
  ['a drizzle-kit that we started', ['node', bin, 'generate'], { DRIZZLE_AUTHORIZE_CHILD: '1' }],
])('%s is no invocation', (_case, argv, env) => {
  expect(currentInvocation(argv, env)).toBeUndefined();
});

it('withAuthorize does nothing outside drizzle-kit, but for the breakpoints', () => {
  const listeners = process.listenerCount('exit');
  const config = { dialect: 'postgresql', schema: './missing.ts', breakpoints: false } as const;
  expect(withAuthorize(config)).toEqual({ ...config, breakpoints: true });
  expect(process.listenerCount('exit')).toBe(listeners);
});
