import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join, relative, resolve } from 'node:path';
import { createInterface } from 'node:readline';

import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { createDatabase } from '../../support/cluster.ts';
import { runCommand, startCommand, type CommandResult } from '../../support/command.ts';
import { createLinkedFolder, type LinkedFolder } from '../../support/linked-folder.ts';
import { setUpDatabase } from '../../support/sealed-database.ts';
import { readCatalog } from '../migration/catalog.ts';

let folder: LinkedFolder;

beforeEach(async () => {
  folder = await createLinkedFolder('init', ['drizzle-authorize', 'drizzle-orm', 'drizzle-kit', 'pg']);
});

afterEach(() => folder.remove());

const init = (...args: readonly string[]): Promise<CommandResult> =>
  runCommand(['init', ...args], { cwd: folder.path });

const write = (name: string, text: string): Promise<void> => writeFile(join(folder.path, name), text);
const read = (name: string): Promise<string> => readFile(join(folder.path, name), 'utf8');

async function run(program: string, args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<string> {
  const child = spawn(process.execPath, [resolve('node_modules', program), ...args], {
    cwd: folder.path,
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (chunk: Buffer) => (output += chunk.toString()));
  }
  const [code] = (await once(child, 'close')) as [number | null];
  if (code !== 0) throw new Error(`${program} ${args.join(' ')}: ${output}`);
  return output;
}

const kit = (...args: readonly string[]): Promise<string> => run('drizzle-kit/bin.cjs', args);

/** Everything that is in the folder, but for the packages. */
async function files(): Promise<Readonly<Record<string, string>>> {
  const names = (await readdir(folder.path, { recursive: true, withFileTypes: true }))
    .filter((entry) => entry.isFile())
    .map((entry) => relative(folder.path, join(entry.parentPath, entry.name)))
    .filter((name) => !name.startsWith('node_modules'));
  return Object.fromEntries(
    await Promise.all(names.toSorted().map(async (name) => [name, await read(name)] as const)),
  );
}

const started = [
  '.gitignore',
  'authorize.config.ts',
  'drizzle.config.ts',
  'drizzle/0000_authorize_prelude.sql',
  'drizzle/meta/0000_snapshot.json',
  'drizzle/meta/_journal.json',
  'schema.ts',
];

const plainConfig = `import { defineConfig } from 'drizzle-kit';
// by us
export default defineConfig({ dialect: 'postgresql', schema: './db/*.ts', out: './sql' });
`;
const ownSchema = `import { pgTable, text } from 'drizzle-orm/pg-core';
export const notes = pgTable('notes', { id: text() });
`;

describe('init', () => {
  it('makes an empty folder a project that drizzle-kit can migrate and the gateway can serve', async () => {
    const { code, stdout, stderr } = await init();
    expect([code, stderr]).toEqual([0, '']);
    expect(stdout.split('\n')).toEqual([
      '✓ schema.ts written',
      '✓ drizzle.config.ts written',
      '✓ authorize.config.ts written',
      '✓ .gitignore written',
      '✓ drizzle/0000_authorize_prelude.sql written',
      '',
      'Next:',
      '  npx drizzle-kit generate                        writes tables, policies and grants',
      '  npx drizzle-kit migrate                         with DATABASE_URL, of the role that shall own the tables',
      '  npx drizzle-authorize setup --write-env .env    makes keys and logins',
      '  npx drizzle-authorize gateway --read-env .env   serves the Neon driver',
      '  npx drizzle-authorize dev                       or all of it on this machine',
      '',
    ]);
    expect(Object.keys(await files())).toEqual(started);

    const database = await createDatabase('init');
    try {
      // drizzle-kit reads .env by itself.
      await write('.env', `DATABASE_URL=${database.url}\n`);
      await kit('generate');
      await kit('migrate');
      expect(await readCatalog(database.url)).toMatchObject({
        grants: { 'public.todos': { authenticated: 'DELETE, INSERT, SELECT, UPDATE' } },
      });
      const { authorizeKey, authenticatedUrl } = await setUpDatabase(database.url);
      const gateway = startCommand(['gateway', '--json', '--port', '0'], {
        cwd: folder.path,
        env: { AUTHORIZE_KEY: authorizeKey, DATABASE_AUTHENTICATED_URL: authenticatedUrl },
      });
      const ended = once(gateway, 'close');
      if (gateway.stdout === null) throw new Error('no output');
      const [line] = await Promise.race([once(createInterface({ input: gateway.stdout }), 'line'), ended]);
      gateway.kill('SIGTERM');
      await ended;
      expect(JSON.parse(String(line))).toMatchObject({ roles: ['authenticated'], providers: ['id.example'] });
    } finally {
      await database.drop();
    }
  });

  it('writes what compiles', async () => {
    await init();
    await write('package.json', '{ "type": "module" }');
    const compilerOptions = {
      noEmit: true,
      strict: true,
      skipLibCheck: true,
      module: 'nodenext',
      types: ['node'],
    };
    await write(
      'tsconfig.json',
      JSON.stringify({
        compilerOptions: { ...compilerOptions, typeRoots: [resolve('node_modules/@types')] },
      }),
    );
    await run('typescript/bin/tsc', []);
  });

  it('changes nothing when it runs again, and says so', async () => {
    await init();
    const before = await files();
    const { code, stdout } = await init();
    expect(code).toBe(0);
    expect(stdout).toMatch(/^✓ nothing to do: everything is there\n\nNext:\n/u);
    expect(JSON.parse((await init('--json')).stdout)).toMatchObject({
      written: [],
      changed: [],
      kept: ['schema.ts', 'drizzle.config.ts', 'authorize.config.ts', '.gitignore'],
      byHand: [],
    });
    expect(await files()).toEqual(before);
  });

  it('takes over a project of drizzle-kit as it is', async () => {
    await mkdir(join(folder.path, 'db'));
    await write('drizzle.config.ts', plainConfig);
    await write('db/tables.ts', ownSchema);
    await write('.gitignore', 'node_modules\ndist');
    await kit('generate', '--name=before');
    const before = await files();

    const { code, stdout } = await init('--json');
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({
      written: ['authorize.config.ts', 'sql/0001_authorize_prelude.sql'],
      changed: ['drizzle.config.ts', '.gitignore'],
      kept: ['db/*.ts'],
      byHand: [],
    });
    const after = await files();
    expect(after).toMatchObject({
      'db/tables.ts': ownSchema,
      'sql/0000_before.sql': before['sql/0000_before.sql'],
      '.gitignore': 'node_modules\ndist\n.env\n',
      'drizzle.config.ts': `import { withAuthorize } from 'drizzle-authorize/kit';
import { defineConfig } from 'drizzle-kit';
// by us
export default withAuthorize(defineConfig({ dialect: 'postgresql', schema: './db/*.ts', out: './sql' }));
`,
    });
    // The tables that were there come under management with the next migration; theirs stays as it was.
    await kit('generate');
    expect(await files()).toMatchObject({
      'sql/0000_before.sql': before['sql/0000_before.sql'],
      'sql/0002_authorize.sql': expect.stringContaining('REVOKE ALL ON "public"."notes"'),
    });
  });

  it('prints nothing but its result where the result is for programs', async () => {
    // As dotenv does since its version 17.
    const banner = (file: string): string => `console.log('${file} says hello');\n`;
    await write('drizzle.config.ts', `${banner('config')}${plainConfig}`);
    await mkdir(join(folder.path, 'db'));
    await write('db/tables.ts', `${banner('schema')}${ownSchema}`);
    const { code, stdout, stderr } = await init('--json');
    expect([code, stderr]).toEqual([0, 'config says hello\nschema says hello\n']);
    expect(JSON.parse(stdout)).toMatchObject({ changed: ['drizzle.config.ts'] });
  });

  it('leaves a config that is written in a way of its own to be changed by hand', async () => {
    const config = `export default { dialect: 'postgresql', schema: './schema.ts' };\n`;
    await write('drizzle.config.ts', config);
    await write('schema.ts', ownSchema);
    const { code, stdout } = await init();
    expect(code).toBe(1);
    expect(stdout).toContain(`! drizzle.config.ts is written in a way of its own; change it by hand:
    import { withAuthorize } from 'drizzle-authorize/kit';
    export default withAuthorize(…); // around what the file exports now
`);
    expect(await read('drizzle.config.ts')).toBe(config);
    expect(JSON.parse((await init('--json')).stdout)).toMatchObject({
      byHand: [{ file: 'drizzle.config.ts', lines: expect.any(Array) }],
    });

    await write(
      'drizzle.config.ts',
      `import { withAuthorize } from 'drizzle-authorize/kit';\n${config.replace('{', 'withAuthorize({').replace('};', '});')}`,
    );
    expect((await init()).stdout).toContain('nothing to do');
  });

  it('names drizzle-authorize generate where the config cannot be wrapped', async () => {
    await write('drizzle.config.json', '{ "dialect": "postgresql", "schema": "./schema.ts" }');
    const { code, stdout } = await init('--json');
    expect(code).toBe(0);
    const { kept, next } = JSON.parse(stdout) as { kept: string[]; next: string[] };
    expect(kept).toEqual(['drizzle.config.json']);
    expect(next[0]).toBe('npx drizzle-authorize generate');
    expect((await runCommand(['generate', '--name=first'], { cwd: folder.path })).code).toBe(0);
    expect(await read('drizzle/0001_first.sql')).toContain('GRANT');
  });

  it('finds a schema where it often is, and a .env that is ignored already', async () => {
    await mkdir(join(folder.path, 'src'));
    await write('src/schema.ts', ownSchema);
    await write('.gitignore', '/.env*\n');
    const { kept } = JSON.parse((await init('--json')).stdout) as { kept: string[] };
    expect(kept).toEqual(['src/schema.ts', '.gitignore']);
    expect(await read('drizzle.config.ts')).toContain(`schema: './src/schema.ts',`);
  });

  it('says with --dry-run what it would do, and does nothing', async () => {
    await write('drizzle.config.ts', plainConfig.replace('./db/*.ts', './db/schema.ts'));
    const before = await files();
    const { code, stdout } = await init('--dry-run');
    expect(code).toBe(0);
    expect(stdout.split('\n').slice(0, 5)).toEqual([
      '✓ db/schema.ts would be written',
      '✓ drizzle.config.ts would be changed: wrapped in withAuthorize()',
      '✓ authorize.config.ts would be written',
      '✓ .gitignore would be written',
      '✓ the first migration (authorize_prelude) would be written',
    ]);
    expect(JSON.parse((await init('--dry-run', '--json')).stdout)).toMatchObject({
      written: [
        'db/schema.ts',
        'authorize.config.ts',
        '.gitignore',
        'the first migration (authorize_prelude)',
      ],
      changed: ['drizzle.config.ts'],
    });
    expect(await files()).toEqual(before);
  });

  it('says what to install where nothing is, and leaves the first migration to drizzle-kit', async () => {
    for (const name of ['drizzle-kit', 'pg']) await rm(join(folder.path, 'node_modules', name));
    const { code, stdout } = await init();
    expect(code).toBe(0);
    expect(stdout).toMatch(/Next:\n {2}npm install drizzle-kit@0\.31 pg@8 .*\n {2}npx drizzle-kit generate/u);
    expect(Object.keys(await files())).toEqual(started.filter((name) => !name.startsWith('drizzle/')));
  });
});

describe('init refuses, and writes nothing,', () => {
  it.each([
    [
      'another database',
      plainConfig.replace('postgresql', 'sqlite'),
      'row level security needs PostgreSQL, not sqlite (ERR_KIT_UNSUPPORTED)',
    ],
    [
      'a config that does not load',
      'export default nothing();',
      'drizzle.config.ts could not be loaded: nothing is not defined (ERR_CONFIG_INVALID)',
    ],
    [
      'a config without a schema',
      plainConfig.replace(`schema: './db/*.ts',`, ''),
      'drizzle.config.ts names no schema (ERR_SCHEMA_UNREADABLE)',
    ],
    ['a schema that is nowhere', plainConfig, "no schema file matches './db/*.ts' (ERR_SCHEMA_UNREADABLE)"],
    [
      'a schema that does not load',
      plainConfig.replace('./db/*.ts', './broken.ts'),
      'the schema file broken.ts could not be loaded: nothing is not defined (ERR_SCHEMA_UNREADABLE)',
    ],
    [
      'a schema with a mistake in it',
      plainConfig.replace('./db/*.ts', './mistaken.ts'),
      'the schema file mistaken.ts could not be loaded: Unexpected token (1:18) (ERR_SCHEMA_UNREADABLE)',
    ],
  ])('%s', async (_, config, message) => {
    await write('drizzle.config.ts', config);
    await write('broken.ts', 'export const a = nothing();');
    await write('mistaken.ts', 'export const a = (;');
    const before = await files();
    const { code, stdout, stderr } = await init();
    expect([code, stdout]).toEqual([1, '']);
    expect(stderr.split('\n')[0]).toBe(`error: ${message}`);
    expect(await files()).toEqual(before);
  });

  it('options that it does not have', async () => {
    const { code, stderr } = await init('--force');
    expect(code).toBe(2);
    expect(stderr).toContain("Unknown option '--force'");
  });
});
