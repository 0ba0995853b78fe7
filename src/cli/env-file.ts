import { existsSync } from 'node:fs';
import { chmod, readFile, realpath, rename, rm, writeFile } from 'node:fs/promises';
import { parseEnv } from 'node:util';

import { AuthorizeError } from '../errors.ts';

type Variables = Readonly<Record<string, string | undefined>>;

/** The variables of a file of `NAME=value` lines; none when there is no such file. */
export async function readEnvFile(path: string): Promise<Variables> {
  return parseEnv(await readText(path));
}

/**
 * The variables of this process, and of a file for those that it does not have. One that is empty is not had.
 *
 * @throws AuthorizeError `ERR_USAGE` when the file is not there
 */
export async function readEnvironment(path: string | undefined): Promise<Variables> {
  if (path === undefined) return withEnvironment({});
  if (!existsSync(path)) {
    throw new AuthorizeError('ERR_USAGE', `there is no file ${path}`, {
      hint: 'drizzle-authorize setup --write-env writes one',
    });
  }
  return withEnvironment(await readEnvFile(path));
}

/** The variables, but for those that this process has itself. */
export function withEnvironment(variables: Variables): Variables {
  const own = Object.entries(process.env).filter(([, value]) => value !== undefined && value !== '');
  return { ...variables, ...Object.fromEntries(own) };
}

/** A change of an env file that is ready to be made. */
export interface PendingEnvFile {
  /** Makes it, at once and whole. */
  commit(): Promise<void>;
  /** Leaves the file as it was. */
  discard(): Promise<void>;
}

/**
 * Prepares new values for some variables of an env file, which keeps its other lines. The file is for its owner alone
 * (mode 0600), also when it was not before.
 *
 * @throws AuthorizeError `ERR_USAGE` when it cannot be written
 */
export async function prepareEnvFile(
  path: string,
  variables: Readonly<Record<string, string>>,
): Promise<PendingEnvFile> {
  // A link stays one: the file that it leads to is exchanged.
  const file = await realpath(path).catch(() => path);
  const lines = (await readText(file)).split('\n').filter((line) => !(nameOf(line) in variables));
  while (lines.at(-1) === '') lines.pop();
  const added = Object.entries(variables).map(([name, value]) => `${name}=${value}`);
  const pending = `${file}.${process.pid}.tmp`;
  try {
    await writeFile(pending, `${[...lines, ...added].join('\n')}\n`, { mode: 0o600 });
    await chmod(pending, 0o600);
  } catch (error) {
    throw new AuthorizeError('ERR_USAGE', `the file ${path} cannot be written`, { cause: error });
  }
  return {
    commit: () => rename(pending, file),
    discard: () => rm(pending, { force: true }),
  };
}

function nameOf(line: string): string {
  return /^\s*(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)\s*=/u.exec(line)?.[1] ?? '';
}

async function readText(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return '';
    throw new AuthorizeError('ERR_USAGE', `the file ${path} cannot be read`, { cause: error });
  }
}
