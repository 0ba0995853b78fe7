import { randomBytes } from 'node:crypto';
import { chown, mkdir, rename, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';

import { runAs, type SystemAccount } from './account.ts';
import { type ClusterFolder, exists, makeFolder } from './folder.ts';
import type { ServerPrograms } from './programs.ts';
import { startFailure } from './server.ts';
import type { Watchdog } from './watchdog.ts';

export interface InitialiseOptions {
  readonly account: SystemAccount | undefined;
  readonly programs: ServerPrograms;
  readonly folder: ClusterFolder;
  /** Of the superuser. */
  readonly password: string;
  readonly watchdog: Watchdog;
  readonly onLog: (line: string) => void;
  readonly signal: AbortSignal | undefined;
}

/**
 * Makes the data of a new cluster: beside their final place first, and then moved there whole, so that a start which is
 * cut short leaves nothing half done.
 *
 * @see https://www.postgresql.org/docs/18/app-initdb.html
 */
export async function initialise(options: InitialiseOptions): Promise<void> {
  const { account, programs, folder, password, watchdog, onLog, signal } = options;
  const draft = path.join(folder.path, `initialising-${randomBytes(8).toString('hex')}`);
  const data = path.join(draft, 'data');
  const passwordFile = path.join(draft, 'password');
  const abandoned = folder.ephemeral ? folder.path : draft;
  // Before anything is there: from here on our death leaves nothing behind.
  watchdog.guard({ folder: abandoned });
  try {
    if (folder.ephemeral) await makeFolder(folder.path, account);
    await mkdir(draft, { mode: 0o700 });
    await mkdir(data, { mode: 0o700 });
    await writeFile(passwordFile, `${password}\n`, { mode: 0o600 });
    if (account) for (const file of [data, passwordFile, draft]) await chown(file, account.uid, account.gid);
    const { code, output } = await runAs(
      programs.initdb,
      [
        `--pgdata=${data}`,
        '--username=postgres',
        `--pwfile=${passwordFile}`,
        '--auth=scram-sha-256',
        '--encoding=UTF8',
        // The same on every machine, whatever locales it has.
        '--no-locale',
        '--locale-provider=builtin',
        '--builtin-locale=C.UTF-8',
        '--no-sync',
        '--no-instructions',
      ],
      { account, signal, onLine: onLog, onStart: (pid) => watchdog.guard({ pid, folder: abandoned }) },
    );
    if (code !== 0) throw startFailure(output.split('\n'));
    await rename(data, folder.data).catch(async (error: unknown) => {
      // Another process was quicker: its data have the same password, and are as good as ours.
      if (!(await exists(folder.data))) throw error;
    });
  } finally {
    await rm(draft, { recursive: true, force: true, maxRetries: 5 });
    watchdog.guard(folder.ephemeral ? { folder: folder.path } : {});
  }
}
