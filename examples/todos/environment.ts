import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

/** What `drizzle-authorize dev --json` says when it is ready, as far as the story needs it. */
interface Ready {
  readonly http: string;
  readonly authenticatedUrl: string;
  readonly anonymousUrl: string;
  readonly issuer: string;
  readonly jwksUrl: string;
}

export interface Environment extends Ready {
  /** A token of the development issuer: `drizzle-authorize token --sub NAME …`. */
  readonly token: (subject: string, ...options: readonly string[]) => Promise<string>;
  stop(): Promise<void>;
}

const command = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));
const migrations = fileURLToPath(new URL('../../drizzle', import.meta.url));

/** Starts PostgreSQL, issuer and gateway as a user would, on free ports and for this run alone. */
export async function startEnvironment(authorizeKey: string): Promise<Environment> {
  const dev = spawn(
    process.execPath,
    [command, 'dev', '--json', '--ephemeral', '--port', '0', '--migrations', migrations],
    {
      stdio: ['ignore', 'pipe', 'inherit'],
      env: { ...process.env, AUTHORIZE_KEY: authorizeKey },
      detached: true,
    },
  );
  const ended = once(dev, 'exit');
  const stop = async (): Promise<void> => {
    if (dev.exitCode === null && dev.signalCode === null) dev.kill('SIGINT');
    await ended;
  };
  const stopOnExit = (): void => {
    dev.kill('SIGINT');
  };
  process.on('exit', stopOnExit);
  const line = await firstLine(dev, ended);
  return { ...(JSON.parse(line) as Ready), token: mintToken, stop };
}

async function firstLine(dev: ChildProcess, ended: Promise<unknown>): Promise<string> {
  if (dev.stdout === null) throw new Error('no output to read');
  const lines = createInterface({ input: dev.stdout });
  const first = await Promise.race([once(lines, 'line'), ended.then(() => undefined)]);
  if (first === undefined) throw new Error('drizzle-authorize dev did not start; it says why above');
  return String(first[0]);
}

async function mintToken(subject: string, ...options: readonly string[]): Promise<string> {
  const child = spawn(process.execPath, [command, 'token', '--sub', subject, ...options], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let output = '';
  child.stdout.on('data', (chunk: Buffer) => {
    output += chunk.toString();
  });
  const [code] = (await once(child, 'close')) as [number | null];
  if (code !== 0) throw new Error('drizzle-authorize token failed; it says why above');
  return output.trim();
}
