import { realpathSync } from 'node:fs';

import { expect, it } from 'vitest';

import { isWrapped } from '../../../src/migration/authorize-options.ts';
import { currentInvocation, findKit, parseArguments } from '../../../src/migration/drizzle-kit.ts';
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
  [
    ['generate', '--breakpoints', '--schema', 'a.ts', '--out=b', '--name=c'],
    {
      command: 'generate',
      custom: false,
      options: ['--breakpoints=true', '--schema=a.ts', '--out=b'],
    },
  ],
  [
    ['--breakpoints', 'false', 'generate', '--custom'],
    { command: 'generate', custom: true, options: ['--breakpoints=false'] },
  ],
  [
    ['--explain', 'generate', '--output', 'json'],
    { command: 'generate', custom: false, explain: true, json: true, options: [] },
  ],
  [[], { command: '', custom: false, options: [] }],
])('%j is read as drizzle-kit reads it', (args, expected) => {
  expect(parseArguments(args)).toEqual({ explain: false, json: false, ...expected });
});

it('knows drizzle-kit by its package, behind any link', () => {
  expect(currentInvocation(['node', bin, 'generate'], {})).toEqual({
    bin: realpathSync(bin),
    version: '0.31.11',
    command: 'generate',
    custom: false,
    explain: false,
    json: false,
    options: [],
  });
});

it('finds the drizzle-kit of a project, or says that there is none', () => {
  expect(findKit(process.cwd())).toEqual({ bin: realpathSync(bin), version: '0.31.11' });
  expect(() => findKit('/')).toThrow('drizzle-kit is not installed in this project');
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
  const wrapped = withAuthorize(config);
  expect({ ...wrapped }).toMatchObject({ ...config, breakpoints: true });
  expect(Object.keys(wrapped)).toEqual(Object.keys(config));
  expect([isWrapped(wrapped), isWrapped({ ...wrapped }), isWrapped(config)]).toEqual([true, true, false]);
  expect(process.listenerCount('exit')).toBe(listeners);
});

it.each([
  [{ force: 'yes' }, 'withAuthorize: force must be true or false'],
  [{ ownerViews: 'all' }, 'withAuthorize: ownerViews must be a list of names'],
  [{ forced: true }, 'withAuthorize: there is no option forced'],
])('withAuthorize refuses %o', (options, message) => {
  const given: object = options;
  expect(() => withAuthorize({ dialect: 'postgresql' }, given)).toThrow(new TypeError(message));
});
