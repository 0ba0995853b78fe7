import { spawn } from 'node:child_process';
import { Socket } from 'node:net';

/** What has to be done when our process ends before it has done so itself. */
interface Legacy {
  /** A process to end: SIGINT, after 10 s SIGQUIT, after 15 s SIGKILL. */
  readonly pid?: number | undefined;
  /** A folder to remove once that process has ended. */
  readonly folder?: string | undefined;
}

export interface Watchdog {
  /** Says what is to be done from now on; replaces what was said before. */
  guard(legacy: Legacy): void;
  /** Nothing is to be done any more. */
  release(): void;
}

// Plain JavaScript, since it has to run without any file of ours. Its standard input ends when we do, however we end.
const program = String.raw`
const { readFileSync, rmSync } = require('node:fs');
const { setTimeout: delay } = require('node:timers/promises');

async function main() {
  let legacy = {};
  try {
    let text = '';
    for await (const chunk of process.stdin.setEncoding('utf8')) {
      const lines = (text + chunk).split('\n');
      text = lines.pop();
      for (const line of lines) legacy = JSON.parse(line);
      if (legacy.released) return;
    }
  } catch {}
  if (legacy.pid) await end(legacy.pid);
  // Retried: what that process had started may still be writing.
  if (legacy.folder) rmSync(legacy.folder, { recursive: true, force: true, maxRetries: 50, retryDelay: 20 });
}

async function end(pid) {
  const begun = Date.now();
  for (const [signal, untilMs] of [['SIGINT', 10_000], ['SIGQUIT', 15_000], ['SIGKILL', 20_000]]) {
    try { process.kill(pid, signal); } catch { return; }
    while (Date.now() - begun < untilMs) {
      if (!isAlive(pid)) return;
      await delay(20);
    }
  }
}

function isAlive(pid) {
  try { process.kill(pid, 0); } catch { return false; }
  // Ended, but not buried: our end has made it a child of process 1, which in a container may never look after it.
  try { return !/^\d+ \(.*\) Z/s.test(readFileSync('/proc/' + pid + '/stat', 'latin1')); } catch { return true; }
}

void main();
`;

/** Starts a process that outlives ours, even `kill -9`, to leave no server and no temporary folder behind. */
export function startWatchdog(): Watchdog {
  hookExit();
  const child = spawn(process.execPath, ['--input-type=commonjs', '-e', program], {
    // Not our environment: NODE_OPTIONS would load things into it.
    env: process.env['SystemRoot'] === undefined ? {} : { SystemRoot: process.env['SystemRoot'] },
    cwd: process.platform === 'win32' ? undefined : '/',
    stdio: ['pipe', 'ignore', 'ignore'],
    detached: true,
    windowsHide: true,
  });
  // It is a second line of defence: without it everything but our sudden death is still handled.
  child.on('error', () => undefined);
  child.stdin.on('error', () => undefined);
  child.unref();
  if (child.stdin instanceof Socket) child.stdin.unref();

  const send = (message: Legacy | { released: true }): void =>
    void child.stdin.write(`${JSON.stringify(message)}\n`);
  const watchdog: Watchdog = {
    guard: (legacy) => {
      legacies.set(watchdog, legacy);
      send(legacy);
    },
    release: () => {
      legacies.delete(watchdog);
      send({ released: true });
      child.stdin.end();
    },
  };
  return watchdog;
}

const legacies = new Map<Watchdog, Legacy>();
let hooked = false;

/** The first line of defence: an exit that we do see asks the processes to end, watchdog or not. */
function hookExit(): void {
  if (hooked) return;
  hooked = true;
  process.on('exit', () => {
    for (const { pid } of legacies.values()) {
      try {
        if (pid !== undefined) process.kill(pid, 'SIGINT');
      } catch {
        // It has ended already.
      }
    }
  });
}
