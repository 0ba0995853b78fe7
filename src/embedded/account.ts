import { spawn } from 'node:child_process';
import { stat } from 'node:fs/promises';
import path from 'node:path';

import { AuthorizeError } from '../errors.ts';

/** The system user that the server runs as when we are root, which PostgreSQL refuses to be. */
export interface SystemAccount {
  readonly uid: number;
  readonly gid: number;
}

export interface RunOptions {
  /** Whom to run it as. Default: ourselves. */
  readonly account?: SystemAccount | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Called with the process id, as soon as there is one. */
  readonly onStart?: (pid: number) => void;
  readonly onLine?: (line: string) => void;
}

export interface RunResult {
  /** `null` when a signal ended it. */
  readonly code: number | null;
  /** What it wrote, to either stream. */
  readonly output: string;
}

/** What a server process may see of our environment: no secrets, and nothing that changes what it does. */
export function serverEnvironment(): NodeJS.ProcessEnv {
  const names = ['PATH', 'LD_LIBRARY_PATH', 'DYLD_LIBRARY_PATH', 'SystemRoot', 'TEMP', 'TMP'];
  const kept = names.flatMap((name) => (process.env[name] === undefined ? [] : [[name, process.env[name]]]));
  // TZ: as hosts have it, and initdb need not look for a zone that fits the machine's.
  return { ...Object.fromEntries(kept), LC_ALL: 'C', TZ: 'UTC' };
}

/** The `uid` and `gid` options of `spawn` for an account. */
export function spawnIdentity(account: SystemAccount | undefined): { uid?: number; gid?: number } {
  // `| 0`: `nobody` is 4294967294 on macOS, and spawn wants a signed number.
  return account ? { uid: account.uid | 0, gid: account.gid | 0 } : {};
}

/**
 * Runs a program to its end, in a session of its own so that Ctrl-C in the terminal does not reach it.
 *
 * @throws the error of `spawn` when it cannot be started at all, the signal's reason when aborted
 */
export async function runAs(
  file: string,
  args: readonly string[],
  options: RunOptions = {},
): Promise<RunResult> {
  const { account, signal, onStart, onLine } = options;
  signal?.throwIfAborted();
  return new Promise((resolve, reject) => {
    const child = spawn(file, args, {
      ...spawnIdentity(account),
      env: serverEnvironment(),
      cwd: path.parse(process.cwd()).root,
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
      windowsHide: true,
    });
    const abort = (): void => void child.kill('SIGINT');
    const chunks: string[] = [];
    const collect = (chunk: string): void => {
      chunks.push(chunk);
      for (const line of chunk.split('\n')) if (line.trim() !== '') onLine?.(line.trimEnd());
    };
    child.stdout.setEncoding('utf8').on('data', collect);
    child.stderr.setEncoding('utf8').on('data', collect);
    child.once('error', reject);
    child.once('close', (code) => {
      signal?.removeEventListener('abort', abort);
      if (signal?.aborted) reject(signal.reason);
      else resolve({ code, output: chunks.join('') });
    });
    signal?.addEventListener('abort', abort, { once: true });
    if (child.pid !== undefined) onStart?.(child.pid);
  });
}

/**
 * Whom the server has to run as: `undefined` for ourselves, unless we are root.
 *
 * As root it is whoever owns `dataDirectory` already, else the user `postgres`, which is made when it is missing and
 * `useradd` exists, else `nobody`.
 *
 * @throws {AuthorizeError} `ERR_POSTGRES_BINARY` when there is nobody that root could run it as
 */
export async function serverAccount(
  dataDirectory: string | undefined,
  onLog: (line: string) => void,
): Promise<SystemAccount | undefined> {
  if (process.getuid?.() !== 0) return undefined;

  const owner = dataDirectory === undefined ? undefined : await ownerOf(dataDirectory);
  const account =
    owner ??
    (await usable(await lookUp('postgres'))) ??
    (await usable(await createPostgres(onLog))) ??
    (await usable(await lookUp('nobody')));
  if (account) return account;
  throw new AuthorizeError(
    'ERR_POSTGRES_BINARY',
    'PostgreSQL refuses to run as root, and there is no other system user to run it as',
    { hint: 'Create a system user named postgres, or run this as an ordinary user.' },
  );
}

/** Whether the account can pass through, and so reach what lies in, a folder; ourselves are taken to. Tried: modes do not say it all. */
export async function canEnter(account: SystemAccount | undefined, folder: string): Promise<boolean> {
  return account === undefined || succeeds('/bin/sh', ['-c', 'test -x "$1"', 'sh', folder], account);
}

async function ownerOf(folder: string): Promise<SystemAccount | undefined> {
  const found = await stat(folder).catch(() => undefined);
  return found === undefined || found.uid === 0 ? undefined : { uid: found.uid, gid: found.gid };
}

async function lookUp(name: string): Promise<SystemAccount | undefined> {
  const ids = await Promise.all(
    ['-u', '-g'].map((flag) => runAs('id', [flag, name]).catch(() => ({ code: 1, output: '' }))),
  );
  const [uid, gid] = ids.map(({ code, output }) => (code === 0 ? Number(output) : undefined));
  return uid === undefined || gid === undefined ? undefined : { uid, gid };
}

async function createPostgres(onLog: (line: string) => void): Promise<SystemAccount | undefined> {
  // Not every PATH of root has these: cron's and some containers' do not.
  await succeeds('/usr/sbin/groupadd', ['--force', '--system', 'postgres']);
  const shell = ['--no-create-home', '--shell', '/usr/sbin/nologin'];
  if (await succeeds('/usr/sbin/useradd', ['--system', '--gid', 'postgres', ...shell, 'postgres'])) {
    onLog('created the system user postgres, since PostgreSQL refuses to run as root');
  }
  // Asked again in any case: another process may have created it meanwhile.
  return lookUp('postgres');
}

/** The account, if we can become it: in a user namespace not every user exists. */
async function usable(account: SystemAccount | undefined): Promise<SystemAccount | undefined> {
  return account && (await succeeds('/bin/sh', ['-c', ':'], account)) ? account : undefined;
}

async function succeeds(file: string, args: readonly string[], account?: SystemAccount): Promise<boolean> {
  return runAs(file, args, { account }).then(
    ({ code }) => code === 0,
    () => false,
  );
}
