import { parseOptions, type Command, type ExitCode } from './command.ts';
import { startDevEnvironment, type DevEnvironment } from './dev-environment.ts';
import { parsePort } from './port.ts';
import { logStatement, logStatementAsJson } from './statement-log.ts';
import { aborted } from './stop-signal.ts';
import { print, printDone, printProgress } from './terminal.ts';

const options = {
  port: { type: 'string', default: '4444' },
  'tcp-port': { type: 'string' },
  ephemeral: { type: 'boolean' },
  migrations: { type: 'string', default: './drizzle' },
  log: { type: 'boolean' },
  json: { type: 'boolean' },
} as const;

const help = `drizzle-authorize dev: everything an application needs, on this machine

A real PostgreSQL 18 in .authorize/ with your migrations applied, a development issuer of
tokens, and the gateway on 127.0.0.1. Ctrl-C stops it.

Usage: drizzle-authorize dev [options]

  --port PORT        of the gateway and the issuer; default 4444, 0 for any that is free
  --tcp-port PORT    of the gateway, for psql and other clients with a token as the password;
                     default the next one, 0 for any that is free
  --ephemeral        a new database each time, gone afterwards
  --migrations DIR   default ./drizzle
  --log              a line on stderr for each statement that comes to the gateway: role, kind,
                     rows or the code of the refusal, time; with --json one object a line
  --json             print one line of JSON when ready:
                     http, ws, tcp, ownerUrl, authenticatedUrl, anonymousUrl, issuer, jwksUrl, pid

AUTHORIZE_KEY is taken from the environment, else made once and kept in .authorize/env.
drizzle-authorize token --sub NAME makes a token for it.`;

export const dev: Command = {
  summary: 'run PostgreSQL, an issuer of tokens and the gateway on this machine',
  help,
  async run(args): Promise<ExitCode> {
    const values = parseOptions(args, options);
    const json = values.json === true;
    const port = parsePort(values.port);
    const tcpPort =
      values['tcp-port'] === undefined ? nextPort(port) : parsePort(values['tcp-port'], '--tcp-port');
    const interrupted = new AbortController();
    const interrupt = (): void => {
      interrupted.abort();
    };
    const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
    for (const signal of signals) process.on(signal, interrupt);
    try {
      const environment = await startDevEnvironment({
        port,
        tcpPort,
        ephemeral: values.ephemeral === true,
        migrationsFolder: values.migrations,
        onProgress: json ? () => {} : printProgress,
        ...(values.log === true && { observe: json ? logStatementAsJson : logStatement }),
        signal: interrupted.signal,
      });
      if (json) print(JSON.stringify(environment.ready));
      else printReady(environment);
      await aborted(interrupted.signal);
      if (!json) printProgress('stopping');
      await environment.stop();
      return 0;
    } catch (error) {
      // Interrupted while starting: what failed is what was being stopped, as asked.
      if (interrupted.signal.aborted) return 0;
      throw error;
    } finally {
      for (const signal of signals) process.off(signal, interrupt);
    }
  },
};

/** Any that is free goes with any that is free. */
function nextPort(port: number): number {
  return port === 0 || port === 65_535 ? 0 : port + 1;
}

function printReady({ ready, envFile }: DevEnvironment): void {
  printDone(`gateway on ${ready.http}, for HTTP and WebSocket, and on ${ready.tcp}`);
  printDone(`PostgreSQL on ${new URL(ready.ownerUrl).host}`);
  printDone(`issuer ${ready.issuer}, keys at ${ready.jwksUrl}`);
  printDone(`AUTHORIZE_KEY and the connection URLs are in ${envFile}`);
  print();
  print(`Point the Neon driver here:   useGateway(neonConfig, '${ready.http}')`);
  print(`or without this package:      neonConfig.fetchEndpoint = () => '${ready.http}/sql'`);
  print('Make a token:                 npx drizzle-authorize token alice');
  print(
    `Ask as somebody:              PGPASSWORD=$(npx drizzle-authorize token --sub alice) psql ${ready.tcp.replace('//', '//authenticated@')}`,
  );
  print('Ctrl-C stops everything.');
}
