import { createInterface } from 'node:readline/promises';

import { AuthorizeError } from '../errors.ts';

/**
 * Asks before something is done. Without a terminal nobody can answer, and the option has to say it.
 *
 * @param option that says yes, such as `--yes`
 * @throws AuthorizeError `ERR_USAGE` without a terminal
 */
export async function confirm(question: string, option: string): Promise<boolean> {
  if (!process.stdin.isTTY || !process.stderr.isTTY) {
    throw new AuthorizeError('ERR_USAGE', `${question} There is no terminal to ask in`, {
      hint: `pass ${option}`,
    });
  }
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  try {
    return /^y(es)?$/i.test((await terminal.question(`${question} [y/N] `)).trim());
  } finally {
    terminal.close();
  }
}
