import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterEach, beforeEach, expect, it } from 'vitest';

import { findConfigFile, loadConfig } from '../../../src/config/load-config.ts';
import { generateAuthorizeKey } from '../../../src/session/seal-key.ts';

let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'config-'));
});

afterEach(() => rm(folder, { recursive: true }));

const environment = {
  AUTHORIZE_KEY: generateAuthorizeKey(),
  DATABASE_AUTHENTICATED_URL: 'postgresql://authenticated@db.example/app',
};

async function load(text: string, name = 'authorize.config.ts'): Promise<unknown> {
  const file = join(folder, name);
  await writeFile(file, text);
  return (await loadConfig({ file, environment })).config;
}

const body = `{ verifier: { verify: async () => undefined }, gateway: { port: 8080 } }`;

it.each([
  ['TypeScript', 'authorize.config.ts', `const config: object = ${body}; export default config;`],
  ['TypeScript that awaits', 'authorize.config.mts', `export default await Promise.resolve(${body});`],
  ['JavaScript', 'authorize.config.js', `export default ${body};`],
  ['CommonJS', 'authorize.config.js', `module.exports = ${body};`],
  ['JavaScript of another name', 'gateway.mjs', `export default ${body};`],
])('a config in %s is read', async (_, name, text) => {
  expect(await load(text, name)).toMatchObject({ gateway: { port: 8080 } });
});

it('a config that is loaded anew is the one that is there now, with what it imports', async () => {
  const port = (n: number): Promise<void> =>
    writeFile(join(folder, 'port.ts'), `export const port: number = ${n};`);
  await port(1);
  const text = `import { port } from './port.ts'; export default { ...${body}, gateway: { port } };`;
  expect(await load(text)).toMatchObject({ gateway: { port: 1 } });
  await port(2);
  const file = join(folder, 'authorize.config.ts');
  expect(await loadConfig({ file, environment, anew: true })).toMatchObject({
    config: { gateway: { port: 2 } },
  });
});

it('the file of a folder is found by its name', async () => {
  expect(findConfigFile(folder)).toBeUndefined();
  await writeFile(join(folder, 'authorize.config.mjs'), '');
  expect(findConfigFile(folder)).toBe('authorize.config.mjs');
});

it('a file that is not there is missed, with how to make one', async () => {
  await expect(loadConfig({ file: join(folder, 'x.ts'), environment })).rejects.toMatchObject({
    code: 'ERR_CONFIG_MISSING',
    message: `there is no config file ${join(folder, 'x.ts')}`,
    hint: 'npx drizzle-authorize init writes one to start from',
  });
});

it.each([
  [
    'does not parse',
    `export default { gateway: { port: 80 }`,
    /could not be loaded: Unexpected token, expected "," \(1:\d+\)$/u,
  ],
  ['imports what is not there', `import 'nowhere'; export default {};`, /: Cannot find module 'nowhere'$/u],
  ['throws', `throw new TypeError('jwks(): "url" must be https');`, /: jwks\(\): "url" must be https$/u],
  ['throws no error', `throw 'secret';`, /: it throws something that is no error$/u],
  ['parses a secret that is no JSON', `export default JSON.parse('secret');`, /: it throws a SyntaxError$/u],
])('a file that %s is refused with the reason', async (_, text, message) => {
  const error: unknown = await load(text).catch((caught: unknown) => caught);
  expect(error).toMatchObject({ code: 'ERR_CONFIG_INVALID', message: expect.stringMatching(message) });
  expect(error).not.toMatchObject({ message: expect.stringContaining('secret') });
});

it('a file without a default export is refused', async () => {
  await expect(load('export const config = {};')).rejects.toMatchObject({
    problems: [{ path: 'default export', message: 'is missing; write export default defineConfig({ … })' }],
  });
});
