import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

interface Servers {
  stop(): Promise<void>;
}

/**
 * Starts servers in a process of their own, as they would be, so that their work is not taken for that of a caller.
 *
 * @param module takes the config as its first message, answers with what is to be known of the servers once they listen, and
 *   ends when it is disconnected
 */
export async function startServers<Ready extends object>(
  module: string,
  config: object,
): Promise<Ready & Servers> {
  const child = fork(fileURLToPath(new URL(module, import.meta.url)), {
    execArgv: ['--import', 'jiti/register'],
  });
  const ended = once(child, 'exit');
  child.send(config);
  const [ready] = (await Promise.race([
    once(child, 'message'),
    ended.then(() => {
      throw new Error('the servers did not start; they say why above');
    }),
  ])) as [Ready];
  return {
    ...ready,
    stop: async () => {
      child.disconnect();
      await ended;
    },
  };
}
