import { styleText } from 'node:util';

/** Tells a story step by step and remembers whether each came out as it should. */
export interface Story {
  chapter(title: string): void;
  /**
   * One step: who asks for what, and what has to come of it. `expected` is compared with what `ask` returns, or with the
   * SQLSTATE or code of the error that it throws.
   */
  step(who: string, what: string, expected: unknown, ask: () => PromiseLike<unknown>): Promise<void>;
  /** Prints the sum; true when every step came out as it should. */
  end(): boolean;
}

export function startStory(title: string): Story {
  const startedAt = Date.now();
  const style = (format: Parameters<typeof styleText>[0], text: string): string =>
    process.stdout.isTTY && !process.env['NO_COLOR'] ? styleText(format, text) : text;
  const say = (line = ''): void => {
    process.stdout.write(`${line}\n`);
  };
  let steps = 0;
  let wrong = 0;

  say(style('bold', title));
  return {
    chapter: (name) => {
      say();
      say(style('bold', name));
    },
    step: async (who, what, expected, ask) => {
      steps += 1;
      const answer = await answerOf(ask);
      const right = JSON.stringify(answer.value) === JSON.stringify(expected);
      if (!right) wrong += 1;
      const mark = right ? style('green', '✓') : style('red', '✗');
      say(`  ${mark} ${style('cyan', who.padEnd(8))} ${what}`);
      say(`             ${style('dim', answer.text)}`);
      if (!right) say(`             ${style('red', `should have been ${JSON.stringify(expected)}`)}`);
    },
    end: () => {
      const seconds = ((Date.now() - startedAt) / 1000).toFixed(1);
      say();
      say(
        wrong === 0
          ? style('green', `All ${steps} steps came out as they should, in ${seconds} s.`)
          : style('red', `${wrong} of ${steps} steps did not come out as they should.`),
      );
      return wrong === 0;
    },
  };
}

interface Answer {
  readonly value: unknown;
  readonly text: string;
}

async function answerOf(ask: () => PromiseLike<unknown>): Promise<Answer> {
  try {
    const value = await ask();
    return { value, text: typeof value === 'string' ? value : JSON.stringify(value) };
  } catch (error) {
    // Drizzle wraps what the driver says.
    const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
    if (!(cause instanceof Error)) throw error;
    const code = 'code' in cause && typeof cause.code === 'string' ? cause.code : '';
    return { value: code, text: `${code === '' ? 'refused' : `refused, ${code}`}: ${cause.message}` };
  }
}
