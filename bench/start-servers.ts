import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

import type { Usage } from './served.ts';

interface Servers {
  /** What their process has used. One call at a time. */
  usage(): Promise<Usage>;
  stop(): Promise<void>;
}

/**
 * Starts servers in a process of their own, as they would be, so that their work is not taken for that of a caller.
 *
 * @param module calls `serve()` of served.ts; what that starts is given `config`, and says what is to be known of it
 */
export async function startServers<Ready extends object>(
  module: string,
  config: object,
): Promise<Ready & Servers> {
  const child = fork(fileURLToPath(new URL(module, import.meta.url)), {
    execArgv: ['--import', 'jiti/register'],
  });
  const ended = once(child, 'exit');
  const ask = async (question: object): Promise<unknown> => {
    const answer = once(child, 'message');
    child.send(question);
    const [message] = (await Promise.race([
      answer,
      ended.then(() => {
        throw new Error(`the process of ${module} has ended; it says why above`);
      }),
    ])) as [unknown];
    return message;
  };
  const ready = (await ask(config)) as Ready;
  return {
    ...ready,
    usage: async () => (await ask({})) as Usage,
    stop: async () => {
      child.disconnect();
      await ended;
    },
  };
}
