import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile, readlink, realpath, rm } from 'node:fs/promises';
import { createServer, Socket } from 'node:net';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';

import { AuthorizeError } from '../errors.ts';
import { runAs, serverEnvironment, spawnIdentity, type SystemAccount } from './account.ts';
import type { ClusterFolder } from './folder.ts';
import type { ServerPrograms } from './programs.ts';
import type { Watchdog } from './watchdog.ts';

export interface ServerOptions {
  readonly account: SystemAccount | undefined;
  readonly programs: ServerPrograms;
  readonly folder: ClusterFolder;
  /** Default: a free one. */
  readonly port: number | undefined;
  readonly settings: Readonly<Record<string, string>>;
  readonly watchdog: Watchdog;
  readonly onLog: (line: string) => void;
  readonly signal: AbortSignal | undefined;
}

/** A postmaster that accepts connections, or did. */
export interface Server {
  readonly pid: number;
  readonly port: number;
  /** Resolves when the process has ended, for whatever reason. */
  readonly exited: Promise<void>;
  /** Sends a signal, unless it has ended: its id may be another process's by then. */
  kill(signal: NodeJS.Signals): void;
}

/** What a postmaster said, which ended before it accepted connections. */
interface Refusal {
  readonly lines: readonly string[];
}

const portAttempts = 10;
/** How long a server that another process is just about to end, or has lost, may take to let go of the data. */
const handoverMs = 2_000;
const shutdownMs = 10_000;

/**
 * Starts the postmaster on data that are there, and waits until it accepts connections.
 *
 * @throws {AuthorizeError} `ERR_PORT_IN_USE`, `ERR_POSTGRES_BINARY`
 */
export async function startServer(options: ServerOptions): Promise<Server> {
  const { folder, signal } = options;
  let portsTried = 0;
  const begun = Date.now();
  for (;;) {
    signal?.throwIfAborted();
    const port = options.port ?? (await freePort());
    const outcome = await launch(options, port);
    if (!('lines' in outcome)) return outcome;

    const text = outcome.lines.join('\n');
    if (/Address already in use|Only one usage of each socket address/.test(text)) {
      portsTried += 1;
      if (options.port === undefined && portsTried < portAttempts) continue;
      throw new AuthorizeError('ERR_PORT_IN_USE', `port ${port} on 127.0.0.1 is taken`);
    }
    if (/lock file "postmaster\.pid" already exists/.test(text)) {
      const holder = await lockHolder(folder);
      const patienceMs = holder === 'stopping' ? shutdownMs : handoverMs;
      if (holder === undefined || Date.now() - begun < patienceMs) {
        await delay(20);
        continue;
      }
      throw new AuthorizeError('ERR_POSTGRES_BINARY', `a server is already running on ${folder.path}`, {
        hint: 'Stop the `drizzle-authorize dev` that runs there, or choose another folder.',
      });
    }
    // Sessions of a postmaster that was killed notice it within moments, and end.
    if (/pre-existing shared memory block/.test(text) && Date.now() - begun < shutdownMs) {
      await delay(20);
      continue;
    }
    throw startFailure(outcome.lines);
  }
}

/**
 * Fast shutdown; after 10 s immediate shutdown, after 15 s an end without shutdown. Resolves when the process has ended.
 * @see https://www.postgresql.org/docs/18/server-shutdown.html
 */
export async function shutDown(server: Pick<Server, 'kill' | 'exited'>): Promise<void> {
  const steps = [
    ['SIGINT', shutdownMs],
    ['SIGQUIT', shutdownMs / 2],
    ['SIGKILL', shutdownMs / 2],
  ] as const;
  const done = new AbortController();
  const exited = server.exited.then(() => done.abort());
  for (const [name, patienceMs] of steps) {
    if (done.signal.aborted) return;
    server.kill(name);
    // The timer also keeps our process alive meanwhile, which the server does not.
    await Promise.race([
      exited,
      delay(patienceMs, undefined, { signal: done.signal }).catch(() => undefined),
    ]);
  }
}

/** What the server or initdb said, as the error that the caller sees. It never says a password. */
export function startFailure(lines: readonly string[]): AuthorizeError {
  const said = lines.map((line) => line.replace(/^\S+ \S+ \S+ \[\d+\] /, '').trim()).filter(Boolean);
  const reason = said.find((line) => /^(FATAL|PANIC|initdb: error):/.test(line)) ?? said.at(-1);
  const detail = said.find((line) => line.startsWith('DETAIL:'));
  const message = [reason ?? 'it ended without a word', detail].filter(Boolean).join(' ');
  return new AuthorizeError('ERR_POSTGRES_BINARY', `the embedded PostgreSQL did not start: ${message}`);
}

async function launch(options: ServerOptions, port: number): Promise<Server | Refusal> {
  const { account, programs, folder, settings, watchdog, onLog, signal } = options;
  const all = { ...settings, port: `${port}`, listen_addresses: '127.0.0.1', unix_socket_directories: '' };
  const child = spawn(
    programs.postgres,
    ['-D', folder.data, ...Object.entries(all).flatMap(([name, value]) => ['-c', `${name}=${value}`])],
    {
      ...spawnIdentity(account),
      env: serverEnvironment(),
      cwd: path.parse(folder.data).root,
      stdio: ['ignore', 'ignore', 'pipe'],
      // A session of its own: Ctrl-C in the terminal is for us to act on.
      detached: true,
      windowsHide: true,
    },
  );
  const { pid } = child;
  if (pid === undefined) {
    const [error]: readonly unknown[] = await once(child, 'error');
    throw new AuthorizeError('ERR_POSTGRES_BINARY', 'the embedded PostgreSQL could not be run', {
      cause: error,
    });
  }
  const leftover = folder.ephemeral ? { folder: folder.path } : {};
  watchdog.guard({ pid, ...leftover });
  const lines: string[] = [];
  createInterface({ input: child.stderr }).on('line', (line) => {
    onLog(line);
    lines.push(line);
    if (lines.length > 50) lines.shift();
  });
  const exited = new Promise<void>((resolve) => {
    child.once('exit', () => {
      watchdog.guard(leftover);
      resolve();
    });
  });
  const closed = new Promise<void>((resolve) => child.once('close', () => resolve()));
  // Of a signal that could not be sent; the next, stronger one follows.
  child.on('error', () => undefined);
  const kill = (name: NodeJS.Signals): void => void child.kill(name);

  while (child.exitCode === null && child.signalCode === null) {
    if (signal?.aborted) {
      await shutDown({ exited, kill });
      throw signal.reason;
    }
    if ((await readLock(folder))?.isReady(pid)) {
      child.unref();
      if (child.stderr instanceof Socket) child.stderr.unref();
      return { pid, port, exited, kill };
    }
    await Promise.race([exited, delay(10)]);
  }
  await closed;
  return { lines };
}

/** What a postmaster says of itself in `postmaster.pid`, which is how pg_ctl knows too when it is ready. */
async function readLock(folder: ClusterFolder) {
  const text = await readFile(path.join(folder.data, 'postmaster.pid'), 'utf8').catch(() => undefined);
  if (text === undefined) return undefined;
  const lines = text.split('\n');
  const pid = Number(lines[0]);
  const status = lines[7]?.trim();
  return { text, pid, status, isReady: (ours: number) => pid === ours && status === 'ready' };
}

/**
 * What the process does that holds the data, `undefined` when there is none any more.
 *
 * PostgreSQL believes every lock file whose process id is alive, although that may be another program's by now: in a
 * container, where ids are small and come back after a restart, it often is. Such a file is removed.
 */
async function lockHolder(folder: ClusterFolder): Promise<'running' | 'stopping' | undefined> {
  const lock = await readLock(folder);
  if (lock === undefined) return undefined;
  if (await isPostmaster(lock.pid, folder)) return lock.status === 'stopping' ? 'stopping' : 'running';
  const now = await readLock(folder);
  if (now?.text === lock.text) await rm(path.join(folder.data, 'postmaster.pid'), { force: true });
  return undefined;
}

/** In doubt it is: taking the lock file from a postmaster makes it shut down at once. */
async function isPostmaster(pid: number, folder: ClusterFolder): Promise<boolean> {
  if (process.platform === 'linux') {
    try {
      // A postmaster works in the folder of its data.
      return (await readlink(`/proc/${pid}/cwd`)) === (await realpath(folder.data));
    } catch (error) {
      return !(error instanceof Error && 'code' in error && error.code === 'ENOENT');
    }
  }
  const listed = await runAs('ps', ['-o', 'comm=', '-p', `${pid}`]).catch(() => undefined);
  return listed === undefined || listed.output.includes('postgres');
}

async function freePort(): Promise<number> {
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  if (address === null || typeof address === 'string') throw new Error('the listening socket has no port');
  return address.port;
}
