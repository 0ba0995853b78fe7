import { once } from 'node:events';
import { readFile, writeFile } from 'node:fs/promises';
import { createServer, type AddressInfo } from 'node:net';
import { join } from 'node:path';

import { neonConfig, Pool } from '@neondatabase/serverless';
import pg from 'pg';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';

import { useGateway } from '../../../src/gateway/index.ts';
import { generateAuthorizeKey } from '../../../src/session/seal-key.ts';
import { createDatabase } from '../../support/cluster.ts';
import { runCommand, type CommandResult } from '../../support/command.ts';
import { createIssuer, type TestIssuer } from '../../support/issuer.ts';
import { createLinkedFolder, type LinkedFolder } from '../../support/linked-folder.ts';
import { withClient, type SealedDatabase } from '../../support/sealed-database.ts';
import { createTodoDatabase } from '../../support/todo-app.ts';
import { int32, openWireClient, packet } from '../../support/wire-client.ts';
import { eventually } from '../embedded/project.ts';
import {
  ask,
  configText,
  environmentOf,
  isClosed,
  ready,
  startGateway,
  withLockedTodos,
  type Daemon,
} from './gateway-daemon.ts';

let database: SealedDatabase;
let issuer: TestIssuer;
let folder: LinkedFolder;
let env: Record<string, string>;
const running: Daemon[] = [];

beforeAll(async () => {
  database = await createTodoDatabase('gateway_command');
  issuer = await createIssuer();
});

afterAll(() => database.drop());

beforeEach(async () => {
  folder = await createLinkedFolder('gateway');
  env = environmentOf(database);
  await writeConfig(`gateway: { port: 0 }`);
});

afterEach(async () => {
  for (const { child, ended } of running.splice(0)) {
    child.kill('SIGKILL');
    await ended;
  }
  await folder.remove();
});

function writeConfig(fields: string, name = 'authorize.config.ts'): Promise<void> {
  return writeFile(join(folder.path, name), configText(issuer, fields));
}

function start(...args: readonly string[]): Daemon {
  const daemon = startGateway(args, { cwd: folder.path, env });
  running.push(daemon);
  return daemon;
}

async function startReady(...args: readonly string[]): Promise<Daemon & Awaited<ReturnType<typeof ready>>> {
  const daemon = start('--json', ...args);
  return { ...daemon, ...(await ready(daemon)) };
}

function refusedGateway(...args: readonly string[]): Promise<CommandResult> {
  return runCommand(['gateway', ...args], { cwd: folder.path, env });
}

async function askAs(subject: string | undefined, url: string, query: string): Promise<unknown> {
  return ask(url, database.name, query, subject === undefined ? undefined : await issuer.token(subject));
}

describe('gateway', () => {
  it('serves what authorize.config.ts says to the unmodified Neon driver', async () => {
    const { url, said, child } = await startReady();
    expect(said).toEqual({
      http: expect.stringMatching(/^http:\/\/127\.0\.0\.1:\d+$/u),
      ws: `${url.replace('http', 'ws')}/v2`,
      tcp: null,
      operations: null,
      roles: ['authenticated', 'anonymous'],
      providers: ['our own'],
      pid: child.pid,
    });
    expect(await askAs('alice', url, 'select title from todos order by id')).toEqual([
      { title: 'water the plants' },
      { title: 'read a book' },
    ]);
    expect(await askAs(undefined, url, 'select title from todos')).toEqual([{ title: 'read a book' }]);
  });

  it('serves WebSocket, and with --tcp-port the PostgreSQL protocol, with the token as the password', async () => {
    const { url, said } = await startReady('--tcp-port', '0');
    const { tcp } = said as { readonly tcp: string };
    const client = new pg.Client({
      connectionString: tcp.replace('//', `//authenticated:${await issuer.token('alice')}@`),
    });
    await client.connect();
    expect((await client.query('select auth.user_id() as who')).rows).toEqual([{ who: 'alice' }]);
    await client.end();

    neonConfig.webSocketConstructor = WebSocket;
    useGateway(neonConfig, url);
    const pool = new Pool({
      user: 'authenticated',
      host: 'db.example.test',
      database: database.name,
      password: await issuer.token('bob'),
    });
    expect((await pool.query('select auth.user_id() as who')).rows).toEqual([{ who: 'bob' }]);
    await pool.end();
    expect(await refusedGateway('--tcp-port', 'x')).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('--tcp-port must be a number from 0 to 65535'),
    });
  });

  it('answers whoever runs it on a port of its own with --operations-port', async () => {
    const { said } = await startReady('--operations-port', '0');
    const { operations } = said as { readonly operations: string };
    expect((await fetch(`${operations}/readyz`)).status).toBe(200);
    expect(await (await fetch(`${operations}/metrics`)).text()).toContain('drizzle_authorize_sessions 0');
  });

  it('says what it does and what a local driver needs, and no secret', async () => {
    const { child, output, ended } = start('--host', '0.0.0.0');
    await eventually(() => output.stdout.includes('Ctrl-C'), 'it is ready');
    const port = /http:\/\/0\.0\.0\.0:(\d+)/u.exec(output.stdout)?.[1] ?? '';
    expect(output.stdout.split('\n')).toEqual([
      `✓ gateway on http://0.0.0.0:${port}, for HTTP and WebSocket`,
      '✓ roles: authenticated, anonymous',
      '✓ tokens of: our own',
      '',
      `Point the Neon driver here:   useGateway(neonConfig, 'http://127.0.0.1:${port}')`,
      'SIGTERM or Ctrl-C stops it.',
      '',
    ]);
    expect(output.stderr).toContain('trying the connection of authenticated');
    child.kill('SIGTERM');
    expect((await ended).code).toBe(0);
    for (const secret of [database.authorizeKey, new URL(database.authenticatedUrl).password]) {
      expect(output.stdout + output.stderr).not.toContain(secret);
    }
  });

  it('logs how each statement ended with --log, and who asked with nothing', async () => {
    const { url, output } = await startReady('--log');
    await askAs('alice', url, 'select title from todos where false');
    await expect(askAs('alice', url, 'listen x')).rejects.toThrow();
    await eventually(() => output.stderr.split('\n').length === 3, 'both are logged');
    expect(
      output.stderr
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line) as unknown),
    ).toEqual([
      expect.objectContaining({ type: 'query', role: 'authenticated', statement: 'SELECT', rows: 0 }),
      expect.objectContaining({ type: 'refusal', role: 'authenticated', statement: 'LISTEN', code: '42501' }),
    ]);
    expect(output.stderr).not.toContain('alice');
  });

  it('reads the file that setup wrote, where the environment has nothing to say', async () => {
    const lines = Object.entries({
      ...env,
      AUTHORIZE_KEY: generateAuthorizeKey(),
      GATEWAY_HOST: 'localhost',
    });
    await writeFile(join(folder.path, '.env'), lines.map(([name, value]) => `${name}=${value}\n`).join(''));
    env = { AUTHORIZE_KEY: database.authorizeKey };
    await writeConfig(
      `roles: ['authenticated'], gateway: { host: process.env.GATEWAY_HOST, port: 0 }`,
      'other.mts',
    );
    const { url, said } = await startReady('--read-env', '.env', '--config', 'other.mts');
    expect(said).toMatchObject({
      roles: ['authenticated'],
      http: expect.stringContaining('http://localhost:'),
    });
    expect(await askAs('bob', url, 'select count(*) from todos')).toEqual([{ count: '2' }]);
    await expect(askAs(undefined, url, 'select 1')).rejects.toThrow("the role 'anonymous' is not served");
  });

  it('looks for tables where the config says, and among temporary ones last', async () => {
    await writeConfig(`database: { searchPath: ['pg_catalog', 'public'] }, gateway: { port: 0 }`);
    const { url } = await startReady();
    expect(await askAs('alice', url, 'show search_path').catch(() => 'refused')).toBe('refused');
    expect(await askAs('alice', url, `select current_setting('search_path') as path`)).toEqual([
      { path: '"pg_catalog", "public", pg_temp' },
    ]);
  });

  it('is no development issuer', async () => {
    const { url } = await startReady();
    expect((await fetch(`${url}/.well-known/jwks.json`)).status).toBe(400);
    const { code, stderr } = await runCommand(['token', '--sub', 'alice'], { cwd: folder.path });
    expect(code).toBe(1);
    expect(stderr).toContain('ERR_DEV_NOT_RUNNING');
  });
});

describe('a gateway whose config changes', () => {
  /** Resolves with what it says when it has read the config once more. */
  async function reloads({ output }: Daemon, act: () => unknown): Promise<unknown> {
    const before = output.stderr.length;
    await act();
    await eventually(() => output.stderr.slice(before).includes('\n'), 'it says so');
    return JSON.parse(output.stderr.slice(before).split('\n')[0] ?? '') as unknown;
  }

  it('by SIGHUP accepts the tokens of its new providers and no others, and drops no request', async () => {
    const daemon = await startReady();
    const { url, child } = daemon;
    const other = await createIssuer();
    const ofOther = await other.token('alice');
    await expect(ask(url, database.name, 'select 1', ofOther)).rejects.toThrow('signature');
    await withLockedTodos(database.ownerUrl, async ({ unlock, requestWaits }) => {
      const atWork = askAs('bob', url, 'select title from todos');
      await requestWaits();
      const file = join(folder.path, 'authorize.config.ts');
      const said = await reloads(daemon, async () => {
        await writeFile(
          file,
          configText(other, 'gateway: { port: 0, maxSessions: 3 }').replace('our own', 'another'),
        );
        child.kill('SIGHUP');
      });
      expect(said).toEqual({ reloaded: { providers: ['another'], restart: ['gateway'] } });
      expect(await ask(url, database.name, 'select auth.user_id() as who', ofOther)).toEqual([
        { who: 'alice' },
      ]);
      await expect(askAs('alice', url, 'select 1')).rejects.toThrow('signature');
      await unlock();
      expect(await atWork).toHaveLength(2);
    });
  });

  it('reads it again when the file, with what it imports, has changed; a wrong one changes nothing', async () => {
    const daemon = await startReady();
    const { url } = daemon;
    expect(await reloads(daemon, () => writeConfig(`gateway: { prot: 0 }`))).toMatchObject({
      error: { code: 'ERR_CONFIG_INVALID', problems: [{ path: 'gateway.prot' }] },
    });
    expect(await askAs('bob', url, 'select 1 as one')).toEqual([{ one: 1 }]);
    expect(await reloads(daemon, () => writeConfig(`gateway: { port: 0 }`))).toEqual({
      reloaded: { providers: ['our own'], restart: [] },
    });
    expect(await askAs('bob', url, 'select 1 as one')).toEqual([{ one: 1 }]);
  });
});

describe('a gateway of several processes', () => {
  it('serves on one port, answers for each process, and cancels whichever has the session', async () => {
    const daemon = await startReady('--workers', '2', '--tcp-port', '0', '--operations-port', '0');
    const { url, child } = daemon;
    const said = daemon.said as { readonly tcp: string; readonly operations: readonly string[] };
    expect(daemon.said).toMatchObject({ pid: child.pid, providers: ['our own'] });
    expect(said.operations).toHaveLength(2);
    const sum = async (metric: string): Promise<number> => {
      const texts = said.operations.map(async (each) => (await fetch(`${each}/metrics`)).text());
      const numbers = (await Promise.all(texts)).map((text) =>
        Number(new RegExp(`^drizzle_authorize_${metric}.* (\\d+)$`, 'mu').exec(text)?.[1] ?? 0),
      );
      expect(numbers.every((number) => number > 0)).toBe(true);
      return numbers.reduce((total, number) => total + number, 0);
    };
    for (let n = 0; n < 4; n += 1) {
      const response = await fetch(`${url}/sql`, {
        method: 'POST',
        headers: {
          'neon-connection-string': `postgresql://authenticated@127.0.0.1/${database.name}`,
          authorization: `Bearer ${await issuer.token('alice')}`,
          connection: 'close',
        },
        body: JSON.stringify({ query: 'select 1' }),
      });
      expect(response.status).toBe(200);
    }
    expect(await sum('statements_total')).toBe(4);

    // Connections go to one process after the other, and so do those that cancel.
    for (let n = 0; n < 2; n += 1) {
      const client = new pg.Client({
        connectionString: said.tcp.replace('//', `//authenticated:${await issuer.token('alice')}@`),
      });
      await client.connect();
      const sleeping = client.query('select pg_sleep(20)').catch((error: unknown) => error);
      await eventually(() => isAsleep(database.ownerUrl), 'it sleeps');
      const canceller = await openWireClient(Number(new URL(said.tcp).port));
      const key = ['processID', 'secretKey'].map((name) => int32(Number(Reflect.get(client, name))));
      canceller.send(packet(int32(80_877_102), ...key));
      expect(await sleeping).toMatchObject({ code: '57014' });
      await client.end();
    }
  });

  it('starts a process again that has ended, and ends with exit code 0 when it is told to', async () => {
    const daemon = await startReady('--workers', '2');
    const { url, child, ended } = daemon;
    const workers = async (): Promise<readonly string[]> =>
      (await readFile(`/proc/${child.pid}/task/${child.pid}/children`, 'utf8')).split(' ').filter(Boolean);
    const before = await workers();
    expect(before).toHaveLength(2);
    process.kill(Number(before[0]), 'SIGKILL');
    await eventually(async () => {
      const now = await workers();
      return now.length === 2 && !now.includes(before[0] ?? '');
    }, 'there are two again');
    expect(await askAs('bob', url, 'select 1 as one')).toEqual([{ one: 1 }]);
    child.kill('SIGTERM');
    expect(await ended).toEqual({ code: 0, signal: null });
    expect(await isClosed(url)).toBe(true);
  });

  it('says what is wrong once, and ends', async () => {
    env = {};
    const { code, stderr } = await refusedGateway('--workers', '2', '--json');
    expect(code).toBe(1);
    expect(stderr.trim().split('\n')).toHaveLength(1);
    expect(await refusedGateway('--workers', '0')).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('--workers must be a number from 1 to 64'),
    });
  });
});

async function isAsleep(ownerUrl: string): Promise<boolean> {
  const { rowCount } = await withClient(ownerUrl, (client) =>
    client.query(`SELECT FROM pg_stat_activity WHERE usename = 'authenticated' AND wait_event = 'PgSleep'`),
  );
  return rowCount === 1;
}

describe('a gateway that is told to stop', () => {
  it.each(['SIGTERM', 'SIGINT'] as const)(
    'by %s lets the request at work end, takes no other, and exits with 0',
    async (signal) => {
      const { url, child, ended } = await startReady();
      await withLockedTodos(database.ownerUrl, async ({ unlock, requestWaits }) => {
        const answer = askAs('bob', url, 'select title from todos order by id');
        await requestWaits();
        child.kill(signal);
        await eventually(() => isClosed(url), 'no connection is taken');
        await unlock();
        expect(await answer).toEqual([{ title: 'read a book' }, { title: 'call mum' }]);
      });
      expect(await ended).toEqual({ code: 0, signal: null });
    },
  );

  it('ends at once on a second SIGINT', async () => {
    const { url, child, ended } = await startReady();
    await withLockedTodos(database.ownerUrl, async ({ requestWaits }) => {
      const answer = askAs('bob', url, 'select title from todos').catch((error: unknown) => error);
      await requestWaits();
      child.kill('SIGINT');
      await eventually(() => isClosed(url), 'no connection is taken');
      // One that comes together with the first may be the same, passed on by npm, and does not count.
      await eventually(() => !child.kill('SIGINT') || child.signalCode !== null, 'it has ended');
      expect(await ended).toEqual({ code: null, signal: 'SIGINT' });
      expect(await answer).toBeInstanceOf(Error);
    });
  });
});

describe('gateway refuses to start, in words and without a secret,', () => {
  const secret = 'hunter2-hunter2';

  function told(result: CommandResult): readonly string[] {
    expect(result.stdout).toBe('');
    expect(result.stderr).not.toMatch(/hunter2|postgres(ql)?:\/\/[^ ]/u);
    return result.stderr.split('\n').filter((line) => line !== '' && !line.startsWith('·'));
  }

  it('without a config', async () => {
    const result = await refusedGateway('--config', 'missing.ts');
    expect(result.code).toBe(1);
    expect(told(result)).toEqual([
      'error: there is no config file missing.ts (ERR_CONFIG_MISSING)',
      '       npx drizzle-authorize init writes one to start from',
    ]);
  });

  it('with every wrong field named', async () => {
    await writeConfig(`gateway: { port: 80000, hots: '${secret}' }, database: { key: '${secret}' }`);
    const result = await refusedGateway();
    expect(result.code).toBe(1);
    expect(told(result)).toEqual([
      'error: authorize.config.ts has 3 problems (ERR_CONFIG_INVALID)',
      '       gateway.hots: is unknown; did you mean host?',
      '       gateway.port: must be an integer from 0 to 65535',
      '       database.key: must be 32 random bytes in base64url, or such keys separated by commas',
    ]);
    const { stderr } = await refusedGateway('--json');
    expect(JSON.parse(stderr)).toMatchObject({
      error: { code: 'ERR_CONFIG_INVALID', problems: [{ path: 'gateway.hots' }, {}, {}] },
    });
  });

  it('with a role whose password is wrong', async () => {
    const url = new URL(database.anonymousUrl);
    url.password = secret;
    env['DATABASE_ANONYMOUS_URL'] = url.href;
    const result = await refusedGateway();
    expect(result.code).toBe(1);
    expect(told(result)[0]).toBe(
      "error: the database of DATABASE_ANONYMOUS_URL (the role 'anonymous') refused the login (28P01) (ERR_DATABASE_UNREACHABLE)",
    );
  });

  it('with a role that nobody listens for', async () => {
    const url = new URL(database.authenticatedUrl);
    url.port = '1';
    await writeConfig(`database: { connections: { authenticated: '${url.href}' } }`);
    const result = await refusedGateway();
    expect(result.code).toBe(1);
    expect(told(result)[0]).toBe(
      "error: the database of database.connections.authenticated (the role 'authenticated') cannot be reached (ECONNREFUSED) (ERR_DATABASE_UNREACHABLE)",
    );
  });

  it('with a key that the database does not have', async () => {
    env['AUTHORIZE_KEY'] = generateAuthorizeKey();
    const result = await refusedGateway();
    expect(result.code).toBe(1);
    expect(told(result)).toEqual([
      `error: the database '${database.name}' does not take seals for the role 'authenticated' ` +
        '(the seal was made with a key that this database does not have) (ERR_KEY_NOT_INSTALLED)',
      '       drizzle-authorize keys list compares AUTHORIZE_KEY with the database',
    ]);
  });

  it('with a login that no policy binds', async () => {
    const owner = new pg.Client({ connectionString: database.ownerUrl });
    await owner.connect();
    await owner.query('CREATE TABLE mine (); ALTER TABLE mine OWNER TO authenticated');
    const result = await refusedGateway();
    await owner.query('DROP TABLE mine');
    await owner.end();
    expect(result.code).toBe(1);
    expect(told(result)).toEqual([
      "error: the login is the role 'authenticated', which row level security does not bind (ERR_LOGIN_PRIVILEGED)",
      "       connect as 'authenticated' with the URL that drizzle-authorize setup wrote",
    ]);
  });

  it('with a database that nobody has migrated', async () => {
    const empty = await createDatabase('empty');
    const url = new URL(database.authenticatedUrl);
    url.pathname = `/${empty.name}`;
    env = { AUTHORIZE_KEY: database.authorizeKey, DATABASE_AUTHENTICATED_URL: url.href };
    const result = await refusedGateway();
    await empty.drop();
    expect(result.code).toBe(1);
    expect(told(result)[0]).toContain(`has no auth schema (ERR_MIGRATIONS_MISSING)`);
  });

  it('with a port that is taken', async () => {
    const server = createServer();
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    const result = await refusedGateway('--port', String(port));
    server.close();
    expect(result.code).toBe(1);
    expect(told(result)[0]).toBe(`error: the port ${port} on 127.0.0.1 is taken (ERR_PORT_IN_USE)`);
  });

  it.each([
    [['--port', 'http'], '--port must be a number from 0 to 65535'],
    [['--host', 'localhost:80'], '--host must be a host name or an address, without a port'],
    [['--read-env', 'missing.env'], 'there is no file missing.env'],
    [['--prot', '80'], "Unknown option '--prot'"],
  ])('when it is called with %j', async (args, message) => {
    const result = await refusedGateway(...args);
    expect(result.code).toBe(2);
    expect(told(result)[0]).toBe(`error: ${message} (ERR_USAGE)`);
  });
});
