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
  return parse(args, options, false).values;
}

/**
 * Reads the options of a command that takes one word besides, such as a name.
 *
 * @throws AuthorizeError `ERR_USAGE` as {@link parseOptions}, and for a second word
 */
export function parseOptionsAndWord<const O extends Options>(
  args: readonly string[],
  options: O,
): { readonly values: ReturnType<typeof parseOptions<O>>; readonly word: string | undefined } {
  const { values, positionals } = parse(args, options, true);
  const [word, second] = positionals;
  if (second !== undefined) throw new AuthorizeError('ERR_USAGE', `one word is enough, without '${second}'`);
  return { values, word };
}

function parse<const O extends Options>(
  args: readonly string[],
  options: O,
  allowPositionals: boolean,
): { readonly values: ReturnType<typeof parseOptions<O>>; readonly positionals: readonly string[] } {
  try {
    return parseArgs({ args: [...args], options, strict: true, allowPositionals });
  } catch (error) {
    const [message = 'wrong option'] = error instanceof Error ? error.message.split('. ') : [];
    throw new AuthorizeError('ERR_USAGE', message, { cause: error });
  }
}
