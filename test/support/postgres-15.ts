import { chown, mkdir, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';

import { runAs, serverAccount } from '../../src/embedded/account.ts';
import { clusterFolder, clusterPassword, makeFolder } from '../../src/embedded/folder.ts';
import { shutDown, startServer } from '../../src/embedded/server.ts';
import { startWatchdog } from '../../src/embedded/watchdog.ts';

/** Where Debian's package postgresql-15 has its programs, pg_dump and pg_restore among them. */
export const postgres15Programs = '/usr/lib/postgresql/15/bin';

export interface Postgres15 {
  /** Connects as the superuser. */
  readonly url: string;
  stop(): Promise<void>;
}

/** Starts the oldest PostgreSQL that is supported: Debian's, on a port and a folder of its own. */
export async function startPostgres15(): Promise<Postgres15> {
  const silent = (): void => {};
  const account = await serverAccount(undefined, silent);
  const folder = await clusterFolder(undefined, account);
  const watchdog = startWatchdog();
  const remove = async (): Promise<void> => {
    await rm(folder.path, { recursive: true, force: true, maxRetries: 5 });
    watchdog.release();
  };
  try {
    const shared = {
      account,
      folder,
      watchdog,
      programs: { initdb: `${postgres15Programs}/initdb`, postgres: `${postgres15Programs}/postgres` },
      onLog: silent,
      signal: undefined,
    };
    const password = await clusterPassword(folder);
    await makeFolder(folder.path, account);
    const passwordFile = path.join(folder.path, 'password');
    await writeFile(passwordFile, password, { mode: 0o600 });
    await mkdir(folder.data, { mode: 0o700 });
    if (account) for (const file of [passwordFile, folder.data]) await chown(file, account.uid, account.gid);
    const { code, output } = await runAs(
      shared.programs.initdb,
      [
        `--pgdata=${folder.data}`,
        '--username=postgres',
        `--pwfile=${passwordFile}`,
        '--auth=scram-sha-256',
        '--encoding=UTF8',
        '--no-locale',
        '--no-sync',
      ],
      { account },
    );
    if (code !== 0) throw new Error(`initdb of PostgreSQL 15: ${output}`);
    const server = await startServer({ ...shared, port: undefined, settings: { fsync: 'off' } });
    return {
      url: `postgres://postgres:${password}@127.0.0.1:${server.port}/postgres`,
      stop: async () => {
        await shutDown(server);
        await remove();
      },
    };
  } catch (error) {
    await remove();
    throw error;
  }
}
