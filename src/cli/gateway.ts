import cluster from 'node:cluster';
import { resolve } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';

import type { CheckedConfig } from '../config/check-config.ts';
import { isHost, type GatewaySettings } from '../config/check-gateway.ts';
import { loadConfig } from '../config/load-config.ts';
import { tryIdentity } from '../database/try-identity.ts';
import { AuthorizeError } from '../errors.ts';
import { createGateway, type Gateway, type GatewayOptions } from '../gateway/index.ts';
import { parseOptions, type Command, type ExitCode } from './command.ts';
import { devFolder, runningDev } from './dev-environment.ts';
import { devProvider, isDevProvider, isLoopback, openDevIssuer } from './dev-issuer.ts';
import { readEnvironment } from './env-file.ts';
import { parsePort } from './port.ts';
import { logStatement, logStatementAsJson } from './statement-log.ts';
import { listenForReload } from './reload-signal.ts';
import { aborted, listenForStop } from './stop-signal.ts';
import { print, printDone, printError, printProgress } from './terminal.ts';
import { runWorkers, workerPlace, type WorkerPlace } from './workers.ts';

const options = {
  config: { type: 'string' },
  host: { type: 'string' },
  port: { type: 'string' },
  'tcp-port': { type: 'string' },
  'operations-port': { type: 'string' },
  'read-env': { type: 'string' },
  workers: { type: 'string', default: '1' },
  'dev-issuer': { type: 'boolean' },
  log: { type: 'boolean' },
  json: { type: 'boolean' },
} as const;

const help = `drizzle-authorize gateway: serves the database to whoever has a token

Verifies the token of each request or session, and runs its SQL under that identity. Speaks
Neon's protocol over HTTP and WebSocket, and PostgreSQL's over TCP, with the token as the
password. Reads authorize.config.ts, and says all that is wrong in it before it starts anything.

Usage: drizzle-authorize gateway [options]

  --config FILE      default: authorize.config.ts, .mts, .js or .mjs in this folder
  --host HOST        overrides gateway.host of the config; default 127.0.0.1
  --port PORT        for HTTP and WebSocket; overrides gateway.port of the config;
                     default 4444, 0 for any that is free
  --tcp-port PORT    for psql and other clients; overrides gateway.tcpPort of the config;
                     default none, 0 for any that is free
  --operations-port PORT  for /healthz, /readyz and /metrics on 127.0.0.1; overrides
                     gateway.operationsPort of the config; default none
  --read-env FILE    take variables from there that the environment does not have:
                     what setup --write-env FILE wrote
  --workers N        serve with N processes, 1 to 64, such as one for each core; they share the
                     limits on connections and sessions. Each has an --operations-port of its
                     own, from the given one on; default 1
  --dev-issuer       accept tokens of the development issuer that runs in this folder as well; only
                     where this machine alone can reach the gateway. Without it, a provider of the
                     config that has the keys of that issuer is refused
  --log              a line on stderr for each statement: role, kind, rows or the code of the
                     refusal, time; with --json one object a line
  --json             print one line of JSON when ready: http, ws, tcp, operations, roles,
                     providers, pid

Needs AUTHORIZE_KEY and DATABASE_<ROLE>_URL for each role that it serves, from the environment,
from --read-env or from the config. It does not need, and should not have, the owner's
DATABASE_URL.

SIGHUP, or a change of the config file, reads the config again, accepts the tokens of the providers
that it has now, and ends the sessions of others; whatever else has changed is named, and takes a
restart. A config that is wrong changes nothing.

SIGTERM and SIGINT let requests and transactions at work end within 10 s; a second SIGINT ends at
once. In a terminal SIGHUP does so as well, since it means that the terminal has gone.`;

type Values = ReturnType<typeof parseOptions<typeof options>>;

export const gateway: Command = {
  summary: 'serve the database to whoever has a token, as authorize.config.ts says',
  help,
  async run(args): Promise<ExitCode> {
    const values = parseOptions(args, options);
    const json = values.json === true;
    const workers = parseWorkers(values.workers);
    const worker = workerPlace();
    if (workers > 1 && worker === undefined) return runWorkers(workers);
    const speaks = worker === undefined || worker.place === 0;
    const stop = listenForStop([
      'SIGTERM',
      ...(worker === undefined ? (['SIGINT'] as const) : []),
      ...(process.stdout.isTTY ? (['SIGHUP'] as const) : []),
    ]);
    // Before it can do anything, a signal must not end it.
    const reloads = listenForReload();
    try {
      const { running, config, file } = await start(values, {
        worker,
        onProgress: json || !speaks ? ignore : printProgress,
        signal: stop.signal,
      });
      worker?.onCancel((key) => {
        running.cancel(key);
      });
      reloads.begin(file, () => reload(running, config, { json, speaks }, values));
      const own = running.operations?.url;
      const stopped = aborted(stop.signal);
      const alone = own === undefined ? [] : [own];
      const all = await Promise.race([worker?.ready(own ?? null) ?? alone, stopped]);
      if (all !== undefined) announce({ running, config, operations: all }, { json });
      await stopped;
      reloads.dispose();
      if (!json && speaks) printProgress('stopping: requests at work have 10 s');
      return await drain(running, config.gateway.drainDelayMs ?? 0);
    } catch (error) {
      // Interrupted while starting: what failed is what was being stopped, as asked.
      if (stop.signal.aborted) return 0;
      throw error;
    } finally {
      stop.dispose();
      reloads.dispose();
      worker?.leave();
    }
  },
};

interface Started {
  readonly running: Gateway;
  readonly config: CheckedConfig;
  /** That it was read from. */
  readonly file: string;
}

interface StartOptions {
  readonly worker: WorkerPlace | undefined;
  readonly onProgress: (what: string) => void;
  readonly signal: AbortSignal;
}

async function start(values: Values, { worker, onProgress, signal }: StartOptions): Promise<Started> {
  const { host } = values;
  const port = values.port === undefined ? undefined : parsePort(values.port);
  const tcpPort = values['tcp-port'] === undefined ? undefined : parsePort(values['tcp-port'], '--tcp-port');
  const operationsPort =
    values['operations-port'] === undefined
      ? undefined
      : parsePort(values['operations-port'], '--operations-port');
  if (host !== undefined && !isHost(host)) {
    throw new AuthorizeError('ERR_USAGE', '--host must be a host name or an address, without a port');
  }
  onProgress('reading the config');
  const { config, file } = await readConfig(values, { anew: false });

  for (const { role, url, source } of config.connections) {
    signal.throwIfAborted();
    onProgress(`trying the connection of ${role}`);
    await tryIdentity({
      role,
      url,
      source,
      key: config.key,
      authSchema: config.authSchema,
      pooled: config.pooler !== undefined,
    });
  }
  signal.throwIfAborted();
  const running = await createGateway({
    ...config.gateway,
    ...(host !== undefined && { host }),
    ...(port !== undefined && { port }),
    ...(tcpPort !== undefined && { tcpPort }),
    ...(operationsPort !== undefined && { operationsPort }),
    ...(worker &&
      shareOf(
        { ...config.gateway, operationsPort: operationsPort ?? config.gateway.operationsPort },
        worker,
      )),
    ...config.tokens,
    ...(config.searchPath !== undefined && { searchPath: config.searchPath }),
    ...(config.pooler !== undefined && { pooler: config.pooler }),
    connections: Object.fromEntries(config.connections.map(({ role, url }) => [role, url])),
    key: config.key,
    authSchema: config.authSchema,
    ...(values.log === true && { observe: values.json === true ? logStatementAsJson : logStatement }),
  });
  return { running, config, file };
}

/** What one of several processes may take, so that all together take what the config says. */
function shareOf(
  settings: Omit<GatewaySettings, 'operationsPort'> & { readonly operationsPort: number | undefined },
  worker: WorkerPlace,
): Partial<GatewayOptions> {
  const { maxConnections = 10, maxSessions = 50, maxWaiting = 1_000, operationsPort } = settings;
  const { maxConnectionsPerSubject: connections, maxSessionsPerSubject: sessions } = settings;
  const share = (limit: number): number => Math.ceil(limit / worker.count);
  return {
    maxConnections: share(maxConnections),
    maxSessions: share(maxSessions),
    maxWaiting: share(maxWaiting),
    ...(connections !== undefined && { maxConnectionsPerSubject: share(connections) }),
    ...(sessions !== undefined && { maxSessionsPerSubject: share(sessions) }),
    ...(operationsPort !== undefined && { operationsPort: operationsPort && operationsPort + worker.place }),
    cancelElsewhere: (key) => {
      worker.cancelElsewhere(key);
    },
  };
}

function parseWorkers(text: string): number {
  const workers = Number(text);
  if (/^\d+$/u.test(text) && workers >= 1 && workers <= 64) return workers;
  throw new AuthorizeError('ERR_USAGE', '--workers must be a number from 1 to 64');
}

async function readConfig(
  values: Values,
  { anew }: { readonly anew: boolean },
): Promise<Omit<Started, 'running'>> {
  const environment = await readEnvironment(values['read-env']);
  // The config is a program, and reads its own.
  Object.assign(process.env, environment);
  const { config, file } = await loadConfig({ file: values.config, environment, anew });
  return { config: await withDevIssuer(config, values), file };
}

/**
 * The config with the development issuer as one more provider if that was asked for, and otherwise surely without it: its
 * tokens are anybody's who can run a command here.
 *
 * @throws AuthorizeError ERR_DEV_ISSUER, ERR_DEV_NOT_RUNNING
 */
async function withDevIssuer(config: CheckedConfig, values: Values): Promise<CheckedConfig> {
  const folder = resolve(devFolder);
  const running = await runningDev(folder);
  const { tokens, gateway: settings } = config;
  if (values['dev-issuer'] !== true) {
    if ('providers' in tokens && tokens.providers.some((one) => isDevProvider(one, running?.issuer))) {
      throw new AuthorizeError(
        'ERR_DEV_ISSUER',
        'a provider of the config has the keys of the development issuer',
        {
          hint: 'leave it out; for tests on this machine, --dev-issuer accepts its tokens',
        },
      );
    }
    return config;
  }
  const hosts = [values.host ?? settings.host ?? '127.0.0.1', settings.operationsHost ?? '127.0.0.1'];
  if (!hosts.every(isLoopback)) {
    throw new AuthorizeError(
      'ERR_DEV_ISSUER',
      'with --dev-issuer the gateway may only listen on 127.0.0.1 or ::1',
      {
        hint: 'its tokens are made by anybody who can run a command here; set host to 127.0.0.1',
      },
    );
  }
  if (!('providers' in tokens)) {
    throw new AuthorizeError(
      'ERR_USAGE',
      '--dev-issuer adds to the providers of the config, which has a verifier',
    );
  }
  if (running === undefined) {
    throw new AuthorizeError('ERR_DEV_NOT_RUNNING', 'no development environment runs in this folder', {
      hint: 'start one with npx drizzle-authorize dev',
    });
  }
  const roles = config.connections.map(({ role }) => role).filter((role) => role !== 'anonymous');
  const provider = devProvider(await openDevIssuer(folder), running.issuer, roles);
  const others = tokens.providers.filter((one) => !isDevProvider(one, running.issuer));
  return { ...config, tokens: { providers: [...others, provider] } };
}

/** Never rejects: a config that is wrong is said, and the gateway goes on as it was. */
async function reload(
  running: Gateway,
  started: CheckedConfig,
  { json, speaks }: { readonly json: boolean; readonly speaks: boolean },
  values: Values,
): Promise<void> {
  try {
    const { config } = await readConfig(values, { anew: true });
    const { tls } = config.gateway;
    const takesTls = started.gateway.tls !== undefined && tls !== undefined;
    await running.reload({ ...config.tokens, ...(takesTls && { tls }) });
    if (!speaks) return;
    const restart = needsRestart(started, config);
    if (json) {
      process.stderr.write(`${JSON.stringify({ reloaded: { providers: providersOf(config), restart } })}\n`);
      return;
    }
    printProgress(`the config was read again; tokens of: ${issuersOf(config)}`);
    if (restart.length > 0) printProgress(`what takes a restart has changed as well: ${restart.join(', ')}`);
  } catch (error) {
    if (!speaks) return;
    printError(error, json);
    if (!json) printProgress('the gateway goes on as it was');
  }
}

/** What is not as it was when the gateway started, besides whose tokens it accepts. */
function needsRestart(started: CheckedConfig, config: CheckedConfig): readonly string[] {
  const { tokens: _, ...before } = started;
  const { tokens: __, ...after } = config;
  // Loggers are made anew each time, and another certificate is taken on.
  const ofNoInterest = new Set(['logger', 'audit', 'tls']);
  const text = (value: unknown): string =>
    JSON.stringify(value, (name, field: unknown) => (ofNoInterest.has(name) ? field !== undefined : field));
  return (['connections', 'key', 'authSchema', 'searchPath', 'pooler', 'gateway'] as const).filter(
    (name) => text(before[name]) !== text(after[name]),
  );
}

async function drain(running: Gateway, drainDelayMs: number): Promise<ExitCode> {
  const inTime = await Promise.race([
    running.close(),
    delay(drainDelayMs + 12_000, undefined, { ref: false }),
  ]);
  if (inTime === true) return 0;
  if (inTime === false) {
    printProgress('what was still at work after 10 s has been cut off');
    return 1;
  }
  // Postgres has been asked to stop it, and the pool waits until it has.
  printProgress('a statement is still at work; it is left to PostgreSQL');
  return process.exit(1);
}

interface Announced extends Omit<Started, 'file'> {
  /** Of each process. */
  readonly operations: readonly string[];
}

function announce(announced: Announced, { json }: { readonly json: boolean }): void {
  if (json) print(JSON.stringify(readyOf(announced)));
  else printReady(announced);
}

function readyOf({ running, config, operations }: Announced): object {
  const [first = null] = operations;
  return {
    http: running.url,
    ws: running.webSocketUrl,
    tcp: running.tcp?.url ?? null,
    operations: operations.length > 1 ? operations : first,
    roles: config.connections.map(({ role }) => role),
    providers: providersOf(config),
    // Of the process that takes signals.
    pid: cluster.isWorker ? process.ppid : process.pid,
  };
}

function printReady({ running: { url, tcp }, config, operations }: Announced): void {
  printDone(`gateway on ${url}, for HTTP and WebSocket`);
  if (tcp !== undefined) printDone(`PostgreSQL protocol on ${tcp.url}, with a token as the password`);
  if (operations.length > 0) printDone(`/healthz, /readyz and /metrics on ${operations.join(', ')}`);
  printDone(`roles: ${config.connections.map(({ role }) => role).join(', ')}`);
  printDone(`tokens of: ${issuersOf(config)}`);
  print();
  print(`Point the Neon driver here:   useGateway(neonConfig, '${reachable(url)}')`);
  print('SIGTERM or Ctrl-C stops it.');
}

function providersOf({ tokens }: Pick<CheckedConfig, 'tokens'>): readonly string[] | null {
  return 'providers' in tokens ? tokens.providers.map(({ name }) => name) : null;
}

function issuersOf(config: Pick<CheckedConfig, 'tokens'>): string {
  return providersOf(config)?.join(', ') ?? 'the verifier of the config';
}

function ignore(): void {
  // Nobody wants to know.
}

/** An address that leads to this machine, also where the gateway listens on all of them. */
function reachable(url: string): string {
  return url.replace('//0.0.0.0:', '//127.0.0.1:').replace('//[::]:', '//[::1]:');
}
