import { createHash, randomBytes } from 'node:crypto';
import { chmod, link, lstat, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';

import { AuthorizeError } from '../errors.ts';
import { canEnter, type SystemAccount } from './account.ts';
import { isTrusted, temporaryFolders } from './programs.ts';

/** The folder of one cluster. It holds `data`, which is PostgreSQL's own, and `password`. */
export interface ClusterFolder {
  readonly path: string;
  readonly data: string;
  readonly ephemeral: boolean;
}

const notice = 'moved-to.txt';

/** Where a cluster's data are, without making anything: for finding out whose they are. */
export async function findData(dataDirectory: string): Promise<string> {
  const asked = path.resolve(dataDirectory);
  return path.join((await readNotice(asked)) ?? asked, 'data');
}

/**
 * The folder for a cluster, made when it is missing. That of an ephemeral one is only named, with a name that nobody can
 * guess: it is to be made when the watchdog knows it.
 *
 * When the account cannot reach the folder that was asked for, the data are kept in another one, and a text file in the
 * folder that was asked for says where.
 */
export async function clusterFolder(
  dataDirectory: string | undefined,
  account: SystemAccount | undefined,
): Promise<ClusterFolder> {
  if (dataDirectory === undefined) {
    const base = await firstReachable(temporaryFolders(), account);
    return describe(path.join(base, `drizzle-authorize-${randomBytes(8).toString('hex')}`), true);
  }
  const asked = path.resolve(dataDirectory);
  const moved = await readNotice(asked);
  if (moved !== undefined) return describe(moved, false);
  const made = await mkdir(asked, { recursive: true, mode: passable(account) });
  if (made !== undefined) await chmod(asked, passable(account));
  if (await canEnter(account, asked)) return describe(asked, false);

  const name = createHash('sha256').update(asked).digest('hex').slice(0, 16);
  const shared = await sharedFolder(account);
  const elsewhere = path.join(shared, `${name}-${randomBytes(8).toString('hex')}`);
  await makeFolder(elsewhere, account);
  const kept = await writeOnce(path.join(asked, notice), noticeText(elsewhere), 0o644);
  if (kept === noticeText(elsewhere)) return describe(elsewhere, false);
  await rm(elsewhere, { recursive: true });
  return describe((await readNotice(asked)) ?? asked, false);
}

/** Makes a folder that is not there yet. As root, others may pass through: the account has to get to its data. */
export async function makeFolder(folder: string, account: SystemAccount | undefined): Promise<void> {
  await mkdir(folder, { mode: passable(account) });
  await chmod(folder, passable(account));
}

/** The superuser's password: made by the first start, and the same ever after unless the cluster is ephemeral. */
export async function clusterPassword(folder: ClusterFolder): Promise<string> {
  const fresh = randomBytes(24).toString('base64url');
  if (folder.ephemeral) return fresh;
  const file = path.join(folder.path, 'password');
  const present = await readFile(file, 'utf8').catch(() => undefined);
  if (present !== undefined) return present.trim();
  if (await exists(folder.data)) {
    throw new AuthorizeError(
      'ERR_PASSWORD_UNKNOWN',
      `the password of the cluster in ${folder.path} is missing`,
      {
        hint: `Put the file ${file} back, or remove the whole folder to begin with an empty one.`,
      },
    );
  }
  return (await writeOnce(file, `${fresh}\n`, 0o600)).trim();
}

export async function exists(file: string): Promise<boolean> {
  return lstat(file).then(
    () => true,
    () => false,
  );
}

function describe(folder: string, ephemeral: boolean): ClusterFolder {
  return { path: folder, data: path.join(folder, 'data'), ephemeral };
}

function passable(account: SystemAccount | undefined): number {
  return account ? 0o711 : 0o700;
}

async function firstReachable(
  folders: readonly string[],
  account: SystemAccount | undefined,
): Promise<string> {
  for (const folder of folders) if (await canEnter(account, folder)) return folder;
  throw unreachable(folders);
}

/** A lasting folder for the data of clusters that have to be elsewhere. Only root ever needs one. */
async function sharedFolder(account: SystemAccount | undefined): Promise<string> {
  const candidates = ['/var/lib/drizzle-authorize', '/var/tmp/drizzle-authorize'];
  for (const folder of candidates) {
    const made = await mkdir(folder, { mode: 0o711 }).then(
      () => true,
      () => false,
    );
    if (made) await chmod(folder, 0o711);
    if ((await isTrusted(folder)) && (await canEnter(account, folder))) return folder;
  }
  throw unreachable(candidates);
}

function unreachable(folders: readonly string[]): AuthorizeError {
  return new AuthorizeError(
    'ERR_POSTGRES_BINARY',
    `no folder for the data can be reached by the user that PostgreSQL runs as; tried ${folders.join(', ')}`,
  );
}

function noticeText(folder: string): string {
  return [
    'The data of this PostgreSQL cluster are in',
    folder,
    'since the system user that the server runs as cannot reach this folder. Remove both together.',
    '',
  ].join('\n');
}

async function readNotice(asked: string): Promise<string | undefined> {
  const text = await readFile(path.join(asked, notice), 'utf8').catch(() => '');
  const folder = text.split('\n')[1];
  if (folder === undefined || !path.isAbsolute(folder)) return undefined;
  if (await isTrusted(folder)) return folder;
  throw new AuthorizeError(
    'ERR_POSTGRES_BINARY',
    `${path.join(asked, notice)} says that the data are in ${folder}, which is not a folder of ours`,
    { hint: 'Remove that file to begin with an empty cluster.' },
  );
}

/** Writes a file all at once, unless it is there. Returns what it holds: of several writers one wins. */
async function writeOnce(file: string, text: string, mode: number): Promise<string> {
  const draft = `${file}.${randomBytes(6).toString('hex')}`;
  await writeFile(draft, text, { mode, flag: 'wx' });
  try {
    await link(draft, file);
    return text;
  } catch {
    return await readFile(file, 'utf8');
  } finally {
    await rm(draft);
  }
}
