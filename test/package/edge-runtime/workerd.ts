import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';

const require = createRequire(import.meta.url);
// The package's module, which has no types, says where the program for this machine is.
const { default: program } = require('workerd') as { readonly default: string };

/** A Worker that runs, in the runtime that Cloudflare runs Workers in. */
export interface RunningWorker {
  readonly url: string;
  stop(): Promise<void>;
}

/**
 * Runs a module as a Worker: without the flag nodejs_compat, so without anything of Node's, on a port that is free.
 *
 * @param code one ES module, with everything that it needs in it
 * @param bindings texts, as `env` has them
 */
export async function startWorker(
  code: string,
  bindings: Readonly<Record<string, string>>,
): Promise<RunningWorker> {
  const folder = await mkdtemp(join(tmpdir(), 'worker-'));
  await writeFile(join(folder, 'worker.js'), code);
  await writeFile(join(folder, 'config.capnp'), configuration(bindings));
  // The third descriptor is where it says on which port it listens.
  const child = spawn(program, ['serve', 'config.capnp', '--control-fd=3'], {
    cwd: folder,
    stdio: ['ignore', 'inherit', 'inherit', 'pipe'],
  });
  const ended = once(child, 'close');
  const stop = async (): Promise<void> => {
    child.kill();
    await ended;
    await rm(folder, { recursive: true, force: true });
  };
  const control = child.stdio[3] as Readable; // what 'pipe' makes of a descriptor that the child writes to
  const first: unknown = await Promise.race([once(createInterface({ input: control }), 'line'), ended]);
  const [line] = first as readonly unknown[];
  if (typeof line !== 'string') {
    await stop();
    throw new Error('workerd did not start; it says why above');
  }
  const { port } = JSON.parse(line) as { readonly port: number };
  return { url: `http://127.0.0.1:${port}`, stop };
}

/** @see https://github.com/cloudflare/workerd/blob/main/src/workerd/server/workerd.capnp */
function configuration(bindings: Readonly<Record<string, string>>): string {
  const texts = Object.entries(bindings).map(
    ([name, text]) => `(name = ${JSON.stringify(name)}, text = ${JSON.stringify(text)})`,
  );
  return `
using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [
    (name = "main", worker = .worker),
    (name = "internet", network = (allow = ["local", "private", "public"])),
  ],
  sockets = [(name = "http", address = "127.0.0.1:0", http = (), service = "main")],
);
const worker :Workerd.Worker = (
  modules = [(name = "worker", esModule = embed "worker.js")],
  compatibilityDate = "2025-11-01",
  bindings = [${texts.join(', ')}],
);
`;
}
