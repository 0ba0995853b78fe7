import { styleText } from 'node:util';

import { ConfigError, isAuthorizeError } from '../errors.ts';

/** Colours where a person looks on; plain text in a pipe. @see https://no-color.org */
type Style = Parameters<typeof styleText>[0];

function styled(stream: NodeJS.WriteStream, style: Style, text: string): string {
  return stream.isTTY && !process.env.NO_COLOR ? styleText(style, text) : text;
}

// Ours also where `process.stdout` writes elsewhere.
const writeResult = process.stdout.write.bind(process.stdout);

/** A line of result. */
export function print(line = ''): void {
  writeResult(`${line}\n`);
}

/** From now on what others print, such as a config while it is evaluated, goes to the other stream, or nowhere. */
export function keepStdoutForResults(others: 'stderr' | 'nowhere' = 'stderr'): void {
  process.stdout.write = others === 'stderr' ? process.stderr.write.bind(process.stderr) : () => true;
}

/** Something that is done. */
export function printDone(line: string): void {
  print(`${styled(process.stdout, 'green', '✓')} ${line}`);
}

/** Something that the reader should look at. */
export function printWarning(line: string): void {
  print(`${styled(process.stdout, 'yellow', '!')} ${line}`);
}

/** Progress of long work: on the other stream, so that the result can be piped. */
export function printProgress(line: string): void {
  process.stderr.write(`${styled(process.stderr, 'dim', `· ${line}`)}\n`);
}

/** One sentence, the code, and what to do, with a line for each wrong field of a config; never a stack trace. */
export function printError(error: unknown, json: boolean): void {
  const message = error instanceof Error && error.message !== '' ? error.message : 'unknown error';
  const known = isAuthorizeError(error) ? error : undefined;
  const problems = error instanceof ConfigError ? error.problems : undefined;
  if (json) {
    const details = { code: known?.code ?? null, message, hint: known?.hint ?? null, problems };
    process.stderr.write(`${JSON.stringify({ error: details })}\n`);
    return;
  }
  const code = known ? ` (${known.code})` : '';
  process.stderr.write(`${styled(process.stderr, 'red', 'error:')} ${message}${code}\n`);
  for (const { path, message: problem } of problems ?? []) {
    process.stderr.write(`       ${path}: ${problem}\n`);
  }
  if (known?.hint !== undefined) process.stderr.write(`       ${known.hint}\n`);
}
