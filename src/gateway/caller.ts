import { Refusal } from './refusal.ts';

/**
 * Who waits for an answer, and may go away before it comes. What an AbortSignal would be, for one listener at a time: those
 * cost more than all else that a request needs of its own.
 */
export class Caller {
  #hasGone = false;
  #whenGone: (() => void) | undefined;

  get hasGone(): boolean {
    return this.#hasGone;
  }

  /** The listener that is told of it, in place of the one before. */
  set whenGone(listener: (() => void) | undefined) {
    this.#whenGone = listener;
  }

  /** Nobody waits any more. */
  goAway(): void {
    if (this.#hasGone) return;
    this.#hasGone = true;
    this.#whenGone?.();
  }
}

/** What ends the work for one who has gone. Nobody reads it, but who watches. */
export function callerGone(): Refusal {
  return new Refusal('the client has gone', { code: '57014' });
}
