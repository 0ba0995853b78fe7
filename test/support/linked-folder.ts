import { mkdir, mkdtemp, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

export interface LinkedFolder {
  readonly path: string;
  remove(): Promise<void>;
}

/** An empty folder in which these packages are installed; `drizzle-authorize` is this repository, as it was built. */
export async function createLinkedFolder(
  name: string,
  packages: readonly string[] = ['drizzle-authorize'],
): Promise<LinkedFolder> {
  const path = await mkdtemp(join(tmpdir(), `${name}-`));
  const modules = join(path, 'node_modules');
  await mkdir(modules);
  for (const each of packages) {
    await symlink(
      resolve(each === 'drizzle-authorize' ? '.' : join('node_modules', each)),
      join(modules, each),
    );
  }
  return { path, remove: () => rm(path, { recursive: true, force: true }) };
}
