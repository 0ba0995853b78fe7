import { decodeProtectedHeader } from 'jose';

import { answerTo, type Doors } from './doors.ts';
import { forge } from './forgeries.ts';

export interface KeyChanges {
  readonly doors: Doors;
  /** A new token of somebody, from the provider, whose keys change meanwhile. */
  readonly token: () => Promise<string>;
  /** What makes the provider sign with another key, one time after the other while questions are asked. */
  readonly changes: readonly (() => unknown)[];
  /** How many questions are asked with good tokens before each change, and after the last. Default: 16. */
  readonly questionsEach?: number;
}

export interface KeyChangesRun {
  /** What good tokens were refused for, and which forgeries were not refused; both are to be empty. */
  readonly wronglyRefused: readonly string[];
  readonly wronglyAccepted: readonly string[];
  /** How many questions were asked with good tokens and with bad ones, and how many keys had signed the good ones. */
  readonly good: number;
  readonly bad: number;
  readonly keys: number;
}

/** Has four people query through every door, with new tokens and forgeries of them, while the keys change. */
export async function queryWhileKeysChange(options: KeyChanges): Promise<KeyChangesRun> {
  const { doors, token, changes, questionsEach = 16 } = options;
  const remaining = [...changes];
  const wronglyRefused: string[] = [];
  const wronglyAccepted: string[] = [];
  const keys = new Set<unknown>();
  let [good, bad] = [0, 0];
  const person = async (): Promise<void> => {
    while (good < questionsEach * (changes.length + 1)) {
      // Nobody waits for the change: it comes between the questions of the others.
      if (good >= questionsEach * (changes.length - remaining.length + 1)) await remaining.shift()?.();
      const mine = await token();
      keys.add(decodeProtectedHeader(mine).kid);
      const forged = Object.entries(await forge(mine));
      for (const door of doors.all) {
        good += 1;
        const answer = await answerTo(door.see(mine));
        if (answer !== 'accepted') wronglyRefused.push(`${door.name}: ${answer}`);
      }
      for (const door of doors.all) {
        const [what, forgery] = forged[(bad += 1) % forged.length] ?? ['', mine];
        if ((await answerTo(door.see(forgery))) === 'accepted') wronglyAccepted.push(`${door.name}: ${what}`);
      }
    }
  };
  await Promise.all(Array.from({ length: 4 }, person));
  return { wronglyRefused, wronglyAccepted, good, bad, keys: keys.size };
}
