import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { join, resolve } from 'node:path';

import { harden } from '../database/harden.ts';
import { setup, type SetupReport } from '../database/setup.ts';
import { urlVariable } from '../database/url-variable.ts';
import { startEmbeddedCluster } from '../embedded/cluster.ts';
import { closeServer, createWireServer, listen } from '../gateway/listen.ts';
import { createSqlService } from '../gateway/sql-service.ts';
import type { Observe } from '../observe.ts';
import { generateAuthorizeKey } from '../session/seal-key.ts';
import { authSchemaOf, authSchemaVariable } from './auth-schema.ts';
import { applyMigrations, assertMigrationsFolder, ensureDatabase } from './apply-migrations.ts';
import { devProvider, openDevIssuer, type DevIssuer } from './dev-issuer.ts';
import { prepareEnvFile, readEnvFile } from './env-file.ts';

/** The folder that `dev` keeps its state in, below the working directory. */
export const devFolder = '.authorize';

export interface DevOptions {
  /** The gateway's port; 0 for any that is free. */
  readonly port: number;
  /** The gateway's for the PostgreSQL protocol; 0 for any that is free. */
  readonly tcpPort: number;
  /** A cluster in a temporary folder, gone after the stop. */
  readonly ephemeral: boolean;
  /** What drizzle-kit generated. */
  readonly migrationsFolder: string;
  readonly onProgress: (what: string) => void;
  /** Told of every statement that comes to the gateway. */
  readonly observe?: Observe;
  /** Aborted by Ctrl-C: whatever has started is stopped. */
  readonly signal: AbortSignal;
}

export interface DevEnvironment {
  /** What `dev --json` prints. */
  readonly ready: {
    readonly http: string;
    readonly ws: string;
    readonly tcp: string;
    readonly ownerUrl: string;
    readonly authenticatedUrl: string;
    readonly anonymousUrl: string;
    readonly issuer: string;
    readonly jwksUrl: string;
    readonly pid: number;
  };
  /** Where AUTHORIZE_KEY and the connection URLs are. */
  readonly envFile: string;
  stop(): Promise<void>;
}

/**
 * Starts everything that an application needs on this machine: a real PostgreSQL with the migrations applied and set
 * up, a development issuer, and the gateway. What has started is stopped again when a later step fails.
 */
export async function startDevEnvironment(options: DevOptions): Promise<DevEnvironment> {
  const { ephemeral, onProgress, signal } = options;
  const migrationsFolder = resolve(options.migrationsFolder);
  assertMigrationsFolder(migrationsFolder);
  const folder = resolve(devFolder);
  await mkdir(folder, { recursive: true });
  // Secrets and a database: not for the repository.
  await writeFile(join(folder, '.gitignore'), '*\n');

  const cleanup: (() => Promise<unknown>)[] = [];
  const stop = async (): Promise<void> => {
    for (let step = cleanup.pop(); step !== undefined; step = cleanup.pop()) await step();
  };
  try {
    const server = createServer();
    const { port } = await listen(server, '127.0.0.1', options.port);
    cleanup.push(() => closeServer(server, 2_000));
    const url = `http://127.0.0.1:${port}`;

    onProgress('starting PostgreSQL');
    signal.throwIfAborted();
    const cluster = await startEmbeddedCluster({
      ...(!ephemeral && { dataDirectory: join(folder, 'postgres') }),
      signal,
    });
    cleanup.push(() => cluster.stop());
    signal.throwIfAborted();

    onProgress('applying migrations');
    const ownerUrl = await ensureDatabase(cluster.ownerUrl, 'app');
    await applyMigrations(ownerUrl, migrationsFolder);

    onProgress('installing keys and logins');
    const envFile = join(folder, ephemeral ? `env.${process.pid}` : 'env');
    if (ephemeral) cleanup.push(() => rm(envFile, { force: true }));
    const authSchema = await authSchemaOf(ownerUrl, undefined, {});
    const { key, roles } = await setUp({ ownerUrl, authSchema }, envFile, cluster.port);
    await harden(ownerUrl, authSchema);
    signal.throwIfAborted();

    onProgress('starting the gateway');
    const issuer = await openDevIssuer(folder);
    const people = roles.map(({ role }) => role).filter((role) => role !== 'anonymous');
    const service = await createSqlService({
      connections: Object.fromEntries(roles.map(({ role, url: roleUrl }) => [role, roleUrl])),
      providers: [devProvider(issuer, url, people)],
      key,
      authSchema,
      ...(options.observe && { observe: options.observe }),
    });
    cleanup.push(() => service.close());
    server.on('upgrade', service.upgrade);
    const wireServer = createWireServer(service.accept);
    const { port: tcpPort } = await listen(wireServer, '127.0.0.1', options.tcpPort, '--tcp-port');
    cleanup.push(async () => {
      wireServer.close();
      await service.endSessions(2_000);
    });
    server.on('request', (request, response) => {
      if (!serveIssuer(request, response, issuer, url)) service.handle(request, response);
    });
    cleanup.push(await announce(folder, url));

    const urlOf = (role: string): string => roles.find((each) => each.role === role)?.url ?? '';
    return {
      ready: {
        http: url,
        ws: `ws://127.0.0.1:${port}/v2`,
        tcp: `postgresql://127.0.0.1:${tcpPort}/${service.database}`,
        ownerUrl,
        authenticatedUrl: urlOf('authenticated'),
        anonymousUrl: urlOf('anonymous'),
        issuer: url,
        jwksUrl: `${url}/.well-known/jwks.json`,
        pid: process.pid,
      },
      envFile,
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function setUp(
  { ownerUrl, authSchema }: { readonly ownerUrl: string; readonly authSchema: string },
  envFile: string,
  clusterPort: number,
): Promise<{ readonly key: string; readonly roles: SetupReport['roles'] }> {
  const known = await readEnvFile(envFile);
  const key = process.env.AUTHORIZE_KEY || known.AUTHORIZE_KEY || generateAuthorizeKey();
  const { roles } = await setup({
    ownerUrl,
    authSchema,
    key,
    // The database is ours: what is not known any more is made anew.
    rotatePasswords: known.AUTHORIZE_KEY === undefined,
    takeOverRoles: true,
    knownUrl: (role) => withPort(known[urlVariable(role)], clusterPort),
  });
  const pending = await prepareEnvFile(envFile, {
    DATABASE_URL: ownerUrl,
    AUTHORIZE_KEY: key,
    ...authSchemaVariable(authSchema),
    ...Object.fromEntries(roles.map(({ role, url }) => [urlVariable(role), url])),
  });
  await pending.commit();
  return { key, roles };
}

function withPort(url: string | undefined, port: number): string | undefined {
  if (url === undefined || !URL.canParse(url)) return undefined;
  const moved = new URL(url);
  moved.port = String(port);
  return moved.href;
}

function serveIssuer(
  request: IncomingMessage,
  response: ServerResponse,
  issuer: DevIssuer,
  url: string,
): boolean {
  if (request.method !== 'GET') return false;
  const documents: Readonly<Record<string, object>> = {
    '/.well-known/jwks.json': issuer.keySet,
    '/.well-known/openid-configuration': { issuer: url, jwks_uri: `${url}/.well-known/jwks.json` },
  };
  const document = documents[request.url ?? ''];
  if (document === undefined) return false;
  response.writeHead(200, { 'content-type': 'application/json', 'cache-control': 'no-store' });
  response.end(JSON.stringify(document));
  return true;
}

interface Running {
  readonly issuer: string;
  readonly pid: number;
}

// `drizzle-authorize token` looks here for whom to sign.
async function announce(folder: string, issuer: string): Promise<() => Promise<void>> {
  const path = join(folder, 'running.json');
  const running: Running = { issuer, pid: process.pid };
  await writeFile(path, JSON.stringify(running), { mode: 0o600 });
  return async () => {
    if ((await runningDev(folder))?.pid === process.pid) await rm(path, { force: true });
  };
}

/** The development environment that was started last in a folder; undefined when none runs. */
export async function runningDev(folder: string): Promise<Running | undefined> {
  let running: unknown;
  try {
    running = JSON.parse(await readFile(join(folder, 'running.json'), 'utf8'));
  } catch {
    return undefined;
  }
  if (typeof running !== 'object' || running === null) return undefined;
  const { issuer, pid } = running as Partial<Running>;
  return typeof issuer === 'string' && typeof pid === 'number' && isAlive(pid) ? { issuer, pid } : undefined;
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // Somebody else's process is alive all the same.
    return error instanceof Error && 'code' in error && error.code === 'EPERM';
  }
}
