import { sharesWork } from '../jwt/shares-work.ts';

/** A result that is made when it is first needed, and kept. */
export interface Remembered<Result> {
  get(): Promise<Result>;
  /** The next one to need it makes it anew. */
  forget(): void;
}

/**
 * Keeps what `make` gives; what it throws is not kept. Whoever asks meanwhile waits for the same work, where one request
 * may wait for another's.
 */
export function remembered<Result>(make: () => Promise<Result>): Remembered<Result> {
  let made: { readonly result: Result } | undefined;
  let making: Promise<Result> | undefined;

  async function makeAndKeep(): Promise<Result> {
    const result = await make();
    made = { result };
    return result;
  }

  return {
    async get() {
      if (made !== undefined) return made.result;
      if (making !== undefined && sharesWork) return making;
      const begun = makeAndKeep().finally(() => {
        if (making === begun) making = undefined;
      });
      making = begun;
      return begun;
    },
    forget() {
      made = undefined;
    },
  };
}
