import { callerGone, type Caller } from './caller.ts';
import { Refusal } from './refusal.ts';

export interface FairQueueOptions {
  /** How many may be at work at once. */
  readonly places: number;
  /** How many of one person. */
  readonly placesPerSubject: number;
  /** How many may wait. */
  readonly maxWaiting: number;
  /** How long one waits. */
  readonly timeoutMs: number;
}

interface Waiter {
  readonly admit: () => void;
}

interface Line {
  atWork: number;
  readonly waiting: Waiter[];
}

/**
 * Lets so many in at once, and of one person fewer, so that nobody takes all places. Whoever waits is let in by turns:
 * one of each person, and not in the order in which they came, so that a thousand requests of one delay another's by one place.
 */
export class FairQueue {
  readonly #options: FairQueueOptions;
  /** By person; in the order in which those who wait have their turn. */
  readonly #lines = new Map<string, Line>();
  #atWork = 0;
  #waiting = 0;

  constructor(options: FairQueueOptions) {
    this.#options = options;
  }

  get waiting(): number {
    return this.#waiting;
  }

  /**
   * Resolves when there is a place, which has to be given back by `leave`.
   *
   * @param subject who asks; undefined for visitors, who have all places and one turn together
   * @returns undefined where there is one at once
   * @throws Refusal 53300, when too many wait already, or too long
   * @throws Refusal 57014, when the caller has gone
   */
  enter(subject: string | undefined, caller: Caller): Promise<void> | undefined {
    const line = this.#lineOf(subject);
    if (this.#mayEnter(subject, line)) {
      this.#admit(line);
      return undefined;
    }
    if (this.#waiting >= this.#options.maxWaiting) {
      this.#forget(subject, line);
      throw tooManyConnections('too many requests wait for a connection to the database');
    }
    return this.#wait(subject, line, caller);
  }

  leave(subject: string | undefined): void {
    const line = this.#lineOf(subject);
    line.atWork -= 1;
    this.#atWork -= 1;
    this.#forget(subject, line);
    this.#admitNext();
  }

  #wait(subject: string | undefined, line: Line, caller: Caller): Promise<void> {
    this.#waiting += 1;
    return new Promise((resolve, reject) => {
      const end = (): void => {
        clearTimeout(deadline);
        caller.whenGone = undefined;
        this.#waiting -= 1;
      };
      const giveUp = (reason: unknown): void => {
        end();
        line.waiting.splice(line.waiting.indexOf(waiter), 1);
        this.#forget(subject, line);
        reject(reason);
      };
      const deadline = setTimeout(() => {
        giveUp(tooManyConnections('no connection to the database has become free in time'));
      }, this.#options.timeoutMs);
      const waiter = {
        admit: () => {
          end();
          resolve();
        },
      };
      caller.whenGone = () => {
        giveUp(callerGone());
      };
      line.waiting.push(waiter);
    });
  }

  #admitNext(): void {
    for (const [name, line] of this.#lines) {
      const [first] = line.waiting;
      if (first === undefined || !this.#mayEnter(subjectOf(name), line)) continue;
      line.waiting.shift();
      this.#admit(line);
      // To the end of the round.
      this.#lines.delete(name);
      this.#lines.set(name, line);
      first.admit();
      return;
    }
  }

  #mayEnter(subject: string | undefined, { atWork }: Line): boolean {
    const { places, placesPerSubject } = this.#options;
    return this.#atWork < places && (subject === undefined || atWork < placesPerSubject);
  }

  #admit(line: Line): void {
    line.atWork += 1;
    this.#atWork += 1;
  }

  #lineOf(subject: string | undefined): Line {
    const name = nameOf(subject);
    const known = this.#lines.get(name);
    if (known !== undefined) return known;
    const line: Line = { atWork: 0, waiting: [] };
    this.#lines.set(name, line);
    return line;
  }

  #forget(subject: string | undefined, { atWork, waiting }: Line): void {
    if (atWork === 0 && waiting.length === 0) this.#lines.delete(nameOf(subject));
  }
}

// No subject is empty: the verifier asks for one.
const visitors = '';

function nameOf(subject: string | undefined): string {
  return subject ?? visitors;
}

function subjectOf(name: string): string | undefined {
  return name === visitors ? undefined : name;
}

function tooManyConnections(message: string): Refusal {
  return new Refusal(message, { code: '53300', hint: 'Try again later, with fewer requests at once.' });
}
