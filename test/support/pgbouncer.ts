import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { chown, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';

import { serverAccount, spawnIdentity } from '../../src/embedded/account.ts';
import { withClient } from './sealed-database.ts';

export interface PgBouncerOptions {
  /**
   * Connection URLs of who logs in through it, on one server. The first is a superuser's, who may also ask what it did, and who
   * looks up whoever else comes.
   */
  readonly urls: readonly string[];
  /** How many backends it has for each role and database. Default: 2. */
  readonly backends?: number;
}

/** A PgBouncer with `pool_mode = transaction`. */
export interface PgBouncer {
  /** The URL with its address in place of the server's. */
  through(url: string): string;
  /** How many transactions it has passed on so far, as it counts them itself. */
  transactions(): Promise<number>;
  close(): Promise<void>;
}

const portAttempts = 10;

/**
 * Starts Debian's PgBouncer on a port of its own. Whoever waits for a backend that nobody gives back is told so after a while.
 *
 * @throws Error that says how to install it
 */
export async function startPgBouncer({ urls, backends = 2 }: PgBouncerOptions): Promise<PgBouncer> {
  const folder = await mkdtemp(path.join(tmpdir(), 'pgbouncer-'));
  const [server] = urls;
  if (server === undefined) throw new TypeError('startPgBouncer: urls is empty');
  const owner = decodeURIComponent(new URL(server).username);
  let running: { readonly child: ChildProcess; readonly port: number } | undefined;
  for (let attempt = 0; running === undefined && attempt < portAttempts; attempt += 1) {
    const port = await freePort();
    const files = {
      'users.txt': urls.map(userLine).join(''),
      'pgbouncer.ini': `[databases]
* = host=${new URL(server).hostname} port=${new URL(server).port}
[pgbouncer]
pool_mode = transaction
default_pool_size = ${backends}
query_wait_timeout = 15
listen_addr = 127.0.0.1
listen_port = ${port}
unix_socket_dir =
auth_type = scram-sha-256
admin_users = ${owner}
auth_user = ${owner}
auth_file = ${path.join(folder, 'users.txt')}
`,
    };
    // It refuses to be root, like PostgreSQL.
    const account = await serverAccount(undefined, () => {});
    for (const [name, content] of Object.entries(files)) {
      await writeFile(path.join(folder, name), content, { mode: 0o600 });
    }
    for (const name of account === undefined ? [] : ['.', ...Object.keys(files)]) {
      await chown(path.join(folder, name), account?.uid ?? 0, account?.gid ?? 0);
    }
    const child = spawn('pgbouncer', [path.join(folder, 'pgbouncer.ini')], {
      ...spawnIdentity(account),
      // Not everybody has the folder in their path that Debian puts it in.
      env: { PATH: `${process.env.PATH ?? ''}:/usr/local/sbin:/usr/sbin` },
      cwd: '/',
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    running = (await hasStarted(child)) ? { child, port } : undefined;
  }
  if (running === undefined) throw new Error('pgbouncer found no free port');
  const { child, port } = running;
  const stop = (): void => void child.kill('SIGKILL');
  process.once('exit', stop);
  const through = (url: string): string => {
    const moved = new URL(url);
    moved.hostname = '127.0.0.1';
    moved.port = String(port);
    return moved.href;
  };
  return {
    through,
    transactions: () =>
      withClient(new URL('/pgbouncer', through(server)).href, async (admin) => {
        const { rows } = await admin.query<{ database: string; total_xact_count: string }>('SHOW STATS');
        const own = rows.filter(({ database }) => database !== 'pgbouncer');
        return own.reduce((sum, row) => sum + Number(row.total_xact_count), 0);
      }),
    close: async () => {
      process.off('exit', stop);
      // At once: other signals mean something else in each version.
      const ended = child.exitCode === null && child.signalCode === null ? once(child, 'exit') : undefined;
      stop();
      await ended;
      await rm(folder, { recursive: true });
    },
  };
}

/** Whether it accepts connections; false where the port was taken. */
async function hasStarted(child: ChildProcess): Promise<boolean> {
  const failed = new Promise<never>((_, reject) => {
    child.once('error', (cause) => {
      reject(new Error('these tests need PgBouncer: apt-get install pgbouncer', { cause }));
    });
  });
  const said: string[] = [];
  const started = (async (): Promise<boolean> => {
    if (child.stderr === null) throw new TypeError('its words are not listened to');
    for await (const line of createInterface(child.stderr)) {
      if (line.includes('process up')) {
        child.stderr.resume();
        return true;
      }
      said.push(line);
    }
    if (said.some((line) => line.includes('Address already in use'))) return false;
    throw new Error(`pgbouncer does not start:\n${said.join('\n')}`);
  })();
  return Promise.race([failed, started]);
}

function userLine(url: string): string {
  const { username, password } = new URL(url);
  const quoted = [username, password].map((text) => `"${decodeURIComponent(text).replaceAll('"', '""')}"`);
  return `${quoted.join(' ')}\n`;
}

async function freePort(): Promise<number> {
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}
