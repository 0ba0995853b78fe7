import { spawn } from 'node:child_process';
import { stripVTControlCharacters } from 'node:util';

import type { RunResult } from './project.ts';

/** A question of drizzle-kit's, such as whether a column is new or an old one by a new name. */
interface Question {
  readonly text: string;
  /** Without the marks: `title create column`, `note › title rename column`. */
  readonly options: readonly string[];
}

/** The index of the option to take. */
export type Answer = (question: Question) => number;

export interface TerminalOptions {
  readonly cwd: string;
  readonly env: NodeJS.ProcessEnv;
  readonly answer: Answer;
}

const [hideCursor, arrowDown, endOfOption] = ['\u001B[?25l', '\u001B[B', '\u001B[39m'];

/**
 * Runs a command in a terminal of its own, for drizzle-kit asks its questions nowhere else, and answers them.
 * The terminal is that of `script`, which util-linux brings along.
 *
 * @returns what the command showed, as `stdout`; a terminal has no other stream
 */
export function runInTerminal(
  command: readonly string[],
  { cwd, env, answer }: TerminalOptions,
): Promise<RunResult> {
  return new Promise((resolve, reject) => {
    const line = command.map((word) => `'${word.replaceAll("'", `'\\''`)}'`).join(' ');
    const child = spawn('script', ['--quiet', '--return', '--command', line, '/dev/null'], {
      cwd,
      env: { ...env, FORCE_COLOR: '1' }, // the end of a question is known by its colour, which a CI has none of
      stdio: ['pipe', 'pipe', 'pipe'],
      timeout: 120_000, // a question that nobody understands would be waited on for ever
    });
    let [shown, stderr, answered] = ['', '', 0];
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      shown += text;
      const start = shown.lastIndexOf(hideCursor);
      if (start < answered || !shown.includes('❯', start) || !shown.endsWith(endOfOption)) return;
      answered = shown.length;
      try {
        const index = answer(parseQuestion(shown.slice(start)));
        child.stdin.write(`${arrowDown.repeat(index)}\r`);
      } catch (error) {
        child.kill();
        reject(error);
      }
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
    child
      .on('error', reject)
      .on('close', (code) => resolve({ code, stdout: stripVTControlCharacters(shown), stderr }));
  });
}

function parseQuestion(screen: string): Question {
  const [text = '', ...options] = stripVTControlCharacters(screen)
    .split(/\r?\n/)
    .filter((line) => line.trim() !== '');
  return {
    text,
    options: options.map((option) =>
      option
        .replace(/^❯?\s*[+~]\s*/, '')
        .replaceAll(/\s+/g, ' ')
        .trim(),
    ),
  };
}
