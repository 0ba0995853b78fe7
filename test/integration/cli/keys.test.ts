import { lstat, mkdtemp, readdir, readFile, rename, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseEnv } from 'node:util';

import { sql } from 'drizzle-orm';
import { drizzle } from 'drizzle-orm/node-postgres';
import pg from 'pg';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';

import { withAuth } from '../../../src/driver/node-postgres.ts';
import { createSealKey, generateAuthorizeKey, parseAuthorizeKey } from '../../../src/session/seal-key.ts';
import { runCommand, type CommandResult } from '../../support/command.ts';
import { createIssuer, type TestIssuer } from '../../support/issuer.ts';
import {
  createSealedDatabase,
  runAsOwner,
  withClient,
  type SealedDatabase,
} from '../../support/sealed-database.ts';

let database: SealedDatabase;
let issuer: TestIssuer;
let folder: string;
const applications: pg.Pool[] = [];

beforeAll(async () => {
  issuer = await createIssuer();
});

beforeEach(async () => {
  database = await createSealedDatabase('keys_command');
  folder = await mkdtemp(join(tmpdir(), 'keys-'));
  await writeFile(join(folder, '.env'), `# kept\nAUTHORIZE_KEY=${database.authorizeKey}\nOTHER=1\n`, {
    mode: 0o644,
  });
});

afterEach(async () => {
  await Promise.all(applications.splice(0).map((pool) => pool.end()));
  await rm(folder, { recursive: true });
  await database.drop();
});

function keys(args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<CommandResult> {
  return runCommand(['keys', ...args], { cwd: folder, env: { DATABASE_URL: database.ownerUrl, ...env } });
}

async function keyInFile(file = '.env'): Promise<string> {
  return parseEnv(await readFile(join(folder, file), 'utf8'))['AUTHORIZE_KEY'] ?? '';
}

async function idsOf(key: string): Promise<readonly string[]> {
  const made = await Promise.all(parseAuthorizeKey(key).map(createSealKey));
  return made.map(({ id }) => id);
}

async function installed(): Promise<readonly string[]> {
  const { rows } = await withClient(database.ownerUrl, (client) =>
    client.query<{ id: string }>('SELECT id FROM auth.seal_keys'),
  );
  return rows.map(({ id }) => id).toSorted();
}

/** An application that has read its key and goes on with it: says whom the database takes alice for. */
function startApplication(key: string): () => Promise<unknown> {
  const pool = new pg.Pool({ connectionString: database.authenticatedUrl });
  applications.push(pool);
  const db = withAuth(drizzle({ client: pool }), { key, providers: [issuer.provider] });
  return async () => {
    try {
      const { rows } = await db
        .$withAuth(await issuer.token('alice'))
        .execute(sql`select auth.user_id() as who`);
      return rows[0]?.['who'];
    } catch (error) {
      const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
      return cause instanceof Error && 'code' in cause ? cause.code : cause;
    }
  };
}

describe('keys rotate and keys retire', () => {
  it('change the key while applications restart one after the other', async () => {
    const old = startApplication(database.authorizeKey);
    expect(await old()).toBe('alice');

    const rotated = await keys(['rotate', '--write-env', '.env']);
    expect([rotated.code, rotated.stderr]).toEqual([0, '']);
    expect(rotated.stdout).toContain('npx drizzle-authorize keys retire --write-env .env');
    const both = await keyInFile();
    const [fresh = '', ...older] = both.split(',');
    expect(older).toEqual([database.authorizeKey]);
    expect(await installed()).toEqual([...(await idsOf(both))].toSorted());
    const restarted = startApplication(both);
    expect([await old(), await restarted()]).toEqual(['alice', 'alice']);

    const retired = await keys(['retire', '--write-env', '.env', '--json']);
    expect([retired.code, retired.stderr]).toEqual([0, '']);
    const [newest, before] = await idsOf(both);
    expect(JSON.parse(retired.stdout)).toEqual({ newest, retired: [before], envFile: '.env' });
    expect(await keyInFile()).toBe(fresh);
    expect(await installed()).toEqual([newest]);
    expect([await old(), await restarted(), await startApplication(fresh)()]).toEqual([
      '28000',
      'alice',
      'alice',
    ]);
    for (const secret of both.split(',')) expect(rotated.stdout + retired.stdout).not.toContain(secret);
  });

  it('keep the other lines of the file, for its owner alone, and leave nothing beside it', async () => {
    expect((await keys(['rotate', '--write-env', '.env'])).code).toBe(0);
    expect(await readFile(join(folder, '.env'), 'utf8')).toMatch(
      /^# kept\nOTHER=1\nAUTHORIZE_KEY=[^,\n]+,[^,\n]+\n$/u,
    );
    expect((await stat(join(folder, '.env'))).mode & 0o777).toBe(0o600);
    expect(await readdir(folder)).toEqual(['.env']);
  });

  it('change the file that a link leads to, and leave the link', async () => {
    await rename(join(folder, '.env'), join(folder, 'secrets'));
    await symlink('secrets', join(folder, '.env'));
    expect((await keys(['rotate', '--write-env', '.env'])).code).toBe(0);
    expect(await idsOf(await keyInFile('secrets'))).toHaveLength(2);
    expect((await lstat(join(folder, '.env'))).isSymbolicLink()).toBe(true);
    expect((await readdir(folder)).toSorted()).toEqual(['.env', 'secrets']);
  });

  it('add up: nothing is retired that nobody retires', async () => {
    for (const length of [2, 3]) {
      const { stdout } = await keys(['rotate', '--write-env', '.env', '--json']);
      const { newest, older } = JSON.parse(stdout) as { newest: string; older: string[] };
      expect(await idsOf(await keyInFile())).toEqual([newest, ...older]);
      expect(older).toHaveLength(length - 1);
      expect(await installed()).toHaveLength(length);
    }
    expect(await startApplication(database.authorizeKey)()).toBe('alice');
  });

  it('two rotations at once leave a file and a database that fit', async () => {
    const results = await Promise.all([1, 2].map(() => keys(['rotate', '--write-env', '.env'])));
    expect(results.some(({ code }) => code === 0)).toBe(true);
    expect((await keys(['list', '--read-env', '.env'])).code).toBe(0);
  });

  it('take the key of the environment for a file that has none', async () => {
    expect(
      (await keys(['rotate', '--write-env', 'new.env'], { AUTHORIZE_KEY: database.authorizeKey })).code,
    ).toBe(0);
    expect((await keyInFile('new.env')).split(',')[1]).toBe(database.authorizeKey);
  });

  it('retire has nothing to do where there is one key', async () => {
    const before = await readFile(join(folder, '.env'), 'utf8');
    const { code, stdout } = await keys(['retire', '--write-env', '.env']);
    expect(code).toBe(0);
    expect(stdout).toContain('is the only key; nothing to retire');
    expect(await readFile(join(folder, '.env'), 'utf8')).toBe(before);
  });
});

describe('keys rotate and keys retire change nothing', () => {
  let before: readonly [string, readonly string[]];

  beforeEach(async () => {
    before = [await readFile(join(folder, '.env'), 'utf8'), await installed()];
  });

  afterEach(async () => {
    expect([await readFile(join(folder, '.env'), 'utf8'), await installed()]).toEqual(before);
    expect(await readdir(folder)).toEqual(['.env']);
  });

  it('without a file', async () => {
    for (const action of ['rotate', 'retire']) {
      const { code, stderr } = await keys([action]);
      expect(code).toBe(2);
      expect(stderr).toBe('error: --write-env is missing: in which file is AUTHORIZE_KEY? (ERR_USAGE)\n');
    }
  });

  it('when the file cannot be written', async () => {
    const env = { AUTHORIZE_KEY: database.authorizeKey };
    const { code, stderr } = await keys(['rotate', '--write-env', 'no/such/folder/.env'], env);
    expect(code).toBe(2);
    expect(stderr).toContain('cannot be written (ERR_USAGE)');
  });

  it('when nobody knows the key', async () => {
    const { code, stderr } = await keys(['rotate', '--write-env', 'missing.env']);
    expect(code).toBe(1);
    expect(stderr).toContain('AUTHORIZE_KEY is not set (ERR_KEY_MISSING)');
  });

  it('when the database has a key that the file does not name, which somebody may be using', async () => {
    await writeFile(join(folder, '.env'), `AUTHORIZE_KEY=${generateAuthorizeKey()}\n`);
    before = [await readFile(join(folder, '.env'), 'utf8'), before[1]];
    for (const action of ['rotate', 'retire']) {
      const { code, stdout, stderr } = await keys([action, '--write-env', '.env']);
      expect([code, stdout]).toEqual([1, '']);
      expect(stderr).toContain('has a key that AUTHORIZE_KEY does not name (ERR_KEY_NOT_INSTALLED)');
    }
  });

  it('when the database cannot be reached', async () => {
    const { code, stderr } = await keys([
      'rotate',
      '--write-env',
      '.env',
      '--url',
      'postgres://a:b@127.0.0.1:1/x',
    ]);
    expect(code).toBe(1);
    expect(stderr).toContain('ERR_DATABASE_UNREACHABLE');
  });
});

describe('keys list', () => {
  it('says that the keys fit, by their ids', async () => {
    const [id] = await idsOf(database.authorizeKey);
    for (const args of [[], ['list']]) {
      const { code, stdout, stderr } = await keys(args, { AUTHORIZE_KEY: database.authorizeKey });
      expect([code, stderr]).toEqual([0, '']);
      expect(stdout).toMatch(new RegExp(`^✓ ${id ?? ''} makes seals; installed \\d{4}-[^\\n]+Z\\n$`, 'u'));
    }
  });

  it('says which key is missing and which is foreign, with exit code 1', async () => {
    const fresh = generateAuthorizeKey();
    await writeFile(join(folder, '.env'), `AUTHORIZE_KEY=${fresh},${database.authorizeKey}\n`);
    const foreign = 'f'.repeat(16);
    await runAsOwner(database.ownerUrl, [
      `INSERT INTO auth.seal_keys SELECT '${foreign}', inner_pad, outer_pad FROM auth.seal_keys`,
    ]);
    const [missing = '', shared = ''] = await idsOf(await keyInFile());
    const { code, stdout } = await keys(['--read-env', '.env']);
    expect(code).toBe(1);
    const lines = stdout.trimEnd().split('\n');
    expect(lines).toHaveLength(4);
    expect(lines[0]).toBe(`! ${missing} is in AUTHORIZE_KEY and not in the database`);
    expect(lines[1]).toContain(`✓ ${shared} is older, and its seals are good`);
    expect(lines[2]).toBe(`! ${foreign} is in the database and not in AUTHORIZE_KEY`);

    const json = await keys(['list', '--read-env', '.env', '--json']);
    expect(json.code).toBe(1);
    expect(JSON.parse(json.stdout)).toEqual({
      matches: false,
      keys: [
        { id: missing, given: true, installed: false, installedAt: null, newest: true },
        { id: shared, given: true, installed: true, installedAt: expect.any(String), newest: false },
        { id: foreign, given: false, installed: true, installedAt: expect.any(String), newest: false },
      ],
    });
    expect(stdout + json.stdout).not.toContain(fresh);
  });

  it('wants a key and a database', async () => {
    expect((await keys(['list'])).stderr).toContain('AUTHORIZE_KEY is not set (ERR_KEY_MISSING)');
    const { code, stderr } = await runCommand(['keys', 'list'], {
      cwd: folder,
      env: { AUTHORIZE_KEY: database.authorizeKey },
    });
    expect(code).toBe(2);
    expect(stderr).toContain('DATABASE_URL is not set');
    const malformed = await keys(['list'], { AUTHORIZE_KEY: 'hunter2' });
    expect(malformed.code).toBe(1);
    expect(malformed.stderr).toContain('ERR_KEY_INVALID');
    expect(malformed.stderr).not.toContain('hunter2');
  });
});

describe('keys new', () => {
  it('prints one key and nothing else, another each time', async () => {
    const [first, second] = [await keys(['new']), await keys(['new'])];
    expect([first.code, first.stderr]).toEqual([0, '']);
    expect(first.stdout).toMatch(/^[\w-]{43}\n$/u);
    expect(second.stdout).not.toBe(first.stdout);
    expect(() => parseAuthorizeKey(first.stdout)).not.toThrow();
    const { key, id } = JSON.parse((await keys(['new', '--json'])).stdout) as { key: string; id: string };
    expect(await idsOf(key)).toEqual([id]);
  });
});

it.each([
  [['turn'], "keys has no action 'turn'"],
  [['rotate', '--env', '.env'], "Unknown option '--env'"],
  [['new', 'more'], "Unexpected argument 'more'"],
  [['list', '--read-env', 'missing.env'], 'there is no file missing.env'],
])('keys refuses %j', async (args, message) => {
  const { code, stdout, stderr } = await keys(args);
  expect([code, stdout]).toEqual([2, '']);
  expect(stderr).toContain(message);
});
