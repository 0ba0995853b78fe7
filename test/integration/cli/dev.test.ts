import { once } from 'node:events';
import { chmod, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { parseEnv } from 'node:util';

import { sql } from 'drizzle-orm';
import { drizzle } from 'drizzle-orm/node-postgres';
import pg from 'pg';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { withAuth } from '../../../src/driver/node-postgres.ts';
import { jwks } from '../../../src/jwt/index.ts';
import { runCommand, startCommand } from '../../support/command.ts';
import { withClient } from '../../support/sealed-database.ts';

const migrations = resolve('drizzle');

interface Dev {
  readonly ready: Readonly<Record<string, string | number | null>>;
  /** Sends a signal and waits for the end. */
  readonly stop: (signal?: NodeJS.Signals) => Promise<number | null>;
}

let folder: string;
const running: Dev[] = [];

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'dev-'));
  // As root the data would go elsewhere, where the server's user can reach it, and stay there.
  await chmod(folder, 0o711);
});

afterEach(async () => {
  await Promise.all(running.splice(0).map((dev) => dev.stop()));
  await rm(folder, { recursive: true, force: true });
});

async function startDev(args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<Dev> {
  const child = startCommand(['dev', '--json', '--port', '0', '--migrations', migrations, ...args], {
    cwd: folder,
    env,
  });
  const ended = once(child, 'close') as Promise<[number | null]>;
  if (child.stdout === null) throw new Error('no output');
  const [line] = (await Promise.race([
    once(createInterface({ input: child.stdout }), 'line'),
    ended.then(() => ['{}']),
  ])) as [string];
  const dev: Dev = {
    ready: JSON.parse(line) as Dev['ready'],
    stop: async (signal = 'SIGTERM') => {
      child.kill(signal);
      return (await ended)[0];
    },
  };
  running.push(dev);
  return dev;
}

async function ask(http: unknown, token: string, query: string): Promise<unknown> {
  const response = await fetch(`${String(http)}/sql`, {
    method: 'POST',
    headers: {
      'neon-connection-string': 'postgresql://authenticated@127.0.0.1/app',
      ...(token !== '' && { authorization: `Bearer ${token}` }),
    },
    body: JSON.stringify({ query }),
  });
  return response.json();
}

const token = async (...args: readonly string[]): Promise<string> =>
  (await runCommand(['token', ...args], { cwd: folder })).stdout.trim();

describe('dev', () => {
  it('says where everything is, in one line, and all of it works', async () => {
    const { ready } = await startDev(['--ephemeral']);
    expect(Object.keys(ready).join(' ')).toBe(
      'http ws tcp ownerUrl authenticatedUrl anonymousUrl issuer jwksUrl pid',
    );
    expect(ready).toMatchObject({
      ws: `${String(ready['http']).replace('http', 'ws')}/v2`,
      tcp: expect.stringMatching(/^postgresql:\/\/127\.0\.0\.1:\d+\/app$/u),
      pid: expect.any(Number),
    });

    const alice = await token('--sub', 'alice', '--claim', 'org_id=acme', '--claim-json', 'level=3');
    expect(
      await ask(
        ready['http'],
        alice,
        `select auth.user_id() as who, auth.claim('org_id') as org, auth.session() -> 'level' as level`,
      ),
    ).toMatchObject({
      rows: [{ who: 'alice', org: 'acme', level: 3 }],
    });
    expect(
      await ask(ready['http'], await token('--sub', 'alice', '--expires=-5m'), 'select 1'),
    ).toMatchObject({
      message: 'the token has expired',
      code: '28000',
      detail: 'ERR_TOKEN_EXPIRED',
    });
    expect(await ask(ready['http'], '', 'select 1')).toMatchObject({ code: '28000' });

    const overTcp = String(ready['tcp']).replace('//', `//authenticated:${alice}@`);
    expect(
      await withClient(overTcp, async (client) => (await client.query('select auth.user_id() as who')).rows),
    ).toEqual([{ who: 'alice' }]);

    // The other road, with what an application finds in the env file.
    const file = (await readdir(join(folder, '.authorize'))).find((name) => name.startsWith('env'));
    const path = join(folder, '.authorize', file ?? '');
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    const env = parseEnv(await readFile(path, 'utf8'));
    const pool = new pg.Pool({ connectionString: String(ready['authenticatedUrl']) });
    pool.on('error', () => {});
    const [issuer, url] = [String(ready['issuer']), String(ready['jwksUrl'])];
    const db = withAuth(drizzle({ client: pool }), {
      providers: [jwks({ url, issuer, audience: issuer })],
      ...(env['AUTHORIZE_KEY'] !== undefined && { key: env['AUTHORIZE_KEY'] }),
    });
    const { rows } = await db.$withAuth(alice).execute(sql`select auth.user_id() as who`);
    expect(rows).toEqual([{ who: 'alice' }]);
    await pool.end();
  });

  it('has personas, and a gateway takes their tokens only if told to, and only for this machine', async () => {
    const { ready } = await startDev(['--ephemeral']);
    const issuer = String(ready['issuer']);
    const writeConfig = (providers: string): Promise<void> =>
      writeFile(
        join(folder, 'authorize.config.ts'),
        `import { jwks } from ${JSON.stringify(resolve('dist/jwt/index.js'))};
        export default { providers: [${providers}], gateway: { port: 0 }, dev: { personas: {
          alice: { claims: { org_id: 'acme', roles: ['editor'] } }, late: { sub: 'bob', expiresInSeconds: -60 } } } };`,
      );
    expect((await runCommand(['token', '--list'], { cwd: folder })).stdout).toMatch(
      /^alice .*\nbob .*\nadmin .*roles \["admin"\].*\nexpired .*has expired\n$/u,
    );
    await writeConfig(`jwks({ url: 'https://id.example/jwks.json', issuer: 'https://id.example' })`);
    const who = `select auth.user_id() as who, auth.claim('$organization') as org, auth.session() -> '$roles' as roles`;
    const alice = await token('alice');
    const isAlice = { rows: [{ who: 'alice', org: 'acme', roles: ['editor'] }] };
    expect(await ask(ready['http'], alice, who)).toMatchObject(isAlice);

    const file = (await readdir(join(folder, '.authorize'))).find((name) => name.startsWith('env')) ?? '';
    const args = ['gateway', '--json', '--read-env', join('.authorize', file)];
    const abroad = await runCommand([...args, '--dev-issuer', '--host', '0.0.0.0'], { cwd: folder });
    expect(abroad).toMatchObject({ code: 1, stderr: expect.stringContaining('ERR_DEV_ISSUER') });

    const child = startCommand([...args, '--dev-issuer'], { cwd: folder });
    try {
      if (child.stdout === null) throw new Error('no output');
      const [line] = (await once(createInterface({ input: child.stdout }), 'line')) as [string];
      const gateway = JSON.parse(line) as { readonly http: string; readonly providers: readonly string[] };
      expect(gateway.providers).toEqual(['id.example', 'development issuer']);
      expect(await ask(gateway.http, alice, who)).toMatchObject(isAlice);
    } finally {
      child.kill('SIGKILL');
      await once(child, 'close');
    }

    await writeConfig(`jwks({ url: '${issuer}/.well-known/jwks.json', issuer: '${issuer}' })`);
    expect(await runCommand(args, { cwd: folder })).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('ERR_DEV_ISSUER'),
    });
  });

  it.each(['SIGINT', 'SIGTERM'] as const)('stops everything that it started on %s', async (signal) => {
    const { ready, stop } = await startDev(['--ephemeral']);
    expect(await withClient(String(ready['ownerUrl']), async () => true)).toBe(true);
    expect(await stop(signal)).toBe(0);
    await expect(withClient(String(ready['ownerUrl']), async () => true)).rejects.toMatchObject({
      code: 'ECONNREFUSED',
    });
    await expect(fetch(`${String(ready['http'])}/.well-known/jwks.json`)).rejects.toThrow();
    expect((await readdir(join(folder, '.authorize'))).toSorted()).toEqual(['.gitignore', 'issuer.json']);
  });

  it('stops without a word when it is interrupted while it starts', async () => {
    for (const step of [
      'starting PostgreSQL',
      'applying migrations',
      'installing keys',
      'starting the gateway',
    ]) {
      const child = startCommand(['dev', '--ephemeral', '--port', '0', '--migrations', migrations], {
        cwd: folder,
      });
      let said = '';
      child.stderr?.on('data', (chunk: Buffer) => {
        said += chunk.toString();
        if (said.includes(step)) child.kill('SIGINT');
      });
      const [code] = (await once(child, 'close')) as [number | null];
      expect([step, code]).toEqual([step, 0]);
      expect(said).not.toContain('error');
      expect(
        (await readdir(join(folder, '.authorize'))).filter(
          (name) => !/^(\.gitignore|issuer\.json)$/u.test(name),
        ),
      ).toEqual([]);
    }
  });

  it('keeps its data, its key and its logins from one start to the next', async () => {
    const first = await startDev([]);
    const alice = await token('--sub', 'alice');
    await ask(first.ready['http'], alice, `insert into todos (title) values ('kept')`);
    await first.stop();
    const before = parseEnv(await readFile(join(folder, '.authorize', 'env'), 'utf8'));
    const second = await startDev([]);
    const after = parseEnv(await readFile(join(folder, '.authorize', 'env'), 'utf8'));
    expect(after['AUTHORIZE_KEY']).toBe(before['AUTHORIZE_KEY']);
    const password = (url: string | undefined): string => new URL(url ?? '').password;
    expect(password(after['DATABASE_AUTHENTICATED_URL'])).toBe(
      password(before['DATABASE_AUTHENTICATED_URL']),
    );
    expect(
      await ask(second.ready['http'], await token('--sub', 'alice'), 'select title from todos'),
    ).toMatchObject({
      rows: [{ title: 'kept' }],
    });
  });

  it('takes the key of the environment', async () => {
    const key = 'q83vEjRWeJCrze8SNFZ4kKvN7xI0VniQq83vEjRWeJA';
    await startDev(['--ephemeral'], { AUTHORIZE_KEY: key });
    const file = (await readdir(join(folder, '.authorize'))).find((name) => name.startsWith('env'));
    expect(await readFile(join(folder, '.authorize', file ?? ''), 'utf8')).toContain(
      `AUTHORIZE_KEY=${key}\n`,
    );
  });
});

describe('dev refuses, in one sentence and with nothing left behind', () => {
  it('a port that is taken', async () => {
    const server = createServer();
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    const { code, stdout, stderr } = await runCommand(
      ['dev', '--port', String(port), '--migrations', migrations],
      { cwd: folder },
    );
    expect([code, stdout]).toEqual([1, '']);
    expect(stderr).toMatch(
      new RegExp(`^error: the port ${port} on 127.0.0.1 is taken \\(ERR_PORT_IN_USE\\)\n {7}[^\n]+\n$`, 'u'),
    );
    expect(await readdir(join(folder, '.authorize'))).toEqual(['.gitignore']);
    server.close();
  });

  it('a folder without migrations', async () => {
    const { code, stderr } = await runCommand(['dev', '--ephemeral', '--port', '0'], { cwd: folder });
    expect(code).toBe(1);
    expect(stderr).toContain('(ERR_MIGRATIONS_MISSING)');
    expect(await readdir(folder)).toEqual([]);
  });

  it.each(['x', '-1', '65536', '4444.5'])('the port %s', async (port) => {
    const { code, stderr } = await runCommand(['dev', `--port=${port}`], { cwd: folder });
    expect(code).toBe(2);
    expect(stderr).toContain('--port must be a number');
  });
});

describe('token refuses', () => {
  it.each([
    [[], 2, 'whose token shall it be? Name a persona, or give --sub'],
    [['--sub', 'alice', '--expires', 'soon'], 2, '--expires wants a number and a unit'],
    [['--sub', 'alice', '--claim', 'nothing'], 2, '--claim wants NAME=VALUE'],
    [['--sub', 'alice', '--claim-json', 'a={'], 2, 'is not JSON'],
    [['--sub', 'alice'], 1, 'ERR_DEV_NOT_RUNNING'],
  ])('%j', async (args, expected, named) => {
    const { code, stdout, stderr } = await runCommand(['token', ...args], { cwd: folder });
    expect([code, stdout]).toEqual([expected, '']);
    expect(stderr).toContain(named);
  });
});

describe('drizzle-authorize', () => {
  it('explains itself', async () => {
    const commands = 'init generate diff push check attack setup keys revoke dev token eject gateway'.split(
      ' ',
    );
    for (const args of [['--help'], ...commands.map((name) => [name, '--help']), ['--version']]) {
      const { code, stdout, stderr } = await runCommand(args, { cwd: folder });
      expect([code, stderr]).toEqual([0, '']);
      expect(stdout).not.toBe('');
    }
    const { stdout: overview } = await runCommand(['--help'], { cwd: folder });
    const columns = overview.match(/^ {2}\w+ {2,}/gmu)?.map(({ length }) => length) ?? [];
    expect([columns.length, new Set(columns).size]).toEqual([commands.length, 1]);
    expect((await runCommand([], { cwd: folder })).code).toBe(2);
    expect(await runCommand(['deploy'], { cwd: folder })).toMatchObject({ code: 2, stdout: '' });
  });
});
