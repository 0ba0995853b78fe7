import { parseArgs, type ParseArgsConfig } from 'node:util';

import { AuthorizeError } from '../errors.ts';

/** 0: fine. 1: it failed, or found something. 2: the command line was wrong. */
export type ExitCode = 0 | 1 | 2;

/** One command of `drizzle-authorize`; a file each. */
export interface Command {
  readonly summary: string;
  readonly help: string;
  run(args: readonly string[]): Promise<ExitCode>;
}

type Options = NonNullable<ParseArgsConfig['options']>;

/**
 * Reads the options of a command.
 *
 * @throws AuthorizeError `ERR_USAGE` naming the option that is unknown or lacks its value
 */
export function parseOptions<const O extends Options>(
  args: readonly string[],
  options: O,
): ReturnType<typeof parseArgs<{ options: O; strict: true }>>['values'] {
  try {
    return parseArgs({ args: [...args], options, strict: true, allowPositionals: false }).values;
  } catch (error) {
    const [message = 'wrong option'] = error instanceof Error ? error.message.split('. ') : [];
    throw new AuthorizeError('ERR_USAGE', message, { cause: error });
  }
}
