/** Resolves once the signal is aborted. */
export function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else
      signal.addEventListener(
        'abort',
        () => {
          resolve();
        },
        { once: true },
      );
  });
}

export interface StopSignal {
  /** Aborted by the first signal that asks for an end. */
  readonly signal: AbortSignal;
  /** Gives the signals their usual effect back. */
  dispose(): void;
}

// npm sends the terminal's Ctrl-C on to its child, which is us where its shell has made way: both are one.
const togetherMs = 500;

/**
 * Listens to SIGINT, SIGTERM and SIGHUP. The first lets work end; a SIGINT after it ends the process at once.
 *
 * @param signals in place of these
 */
export function listenForStop(
  signals: readonly NodeJS.Signals[] = ['SIGINT', 'SIGTERM', 'SIGHUP'],
): StopSignal {
  const first = new AbortController();
  let endsAtOnceFrom = Infinity;
  const stop = (signal: NodeJS.Signals): void => {
    if (signal === 'SIGINT' && Date.now() > endsAtOnceFrom) {
      dispose();
      process.kill(process.pid, signal);
      return;
    }
    if (first.signal.aborted) return;
    endsAtOnceFrom = Date.now() + togetherMs;
    first.abort();
  };
  const dispose = (): void => {
    for (const signal of signals) process.off(signal, stop);
  };
  for (const signal of signals) process.on(signal, stop);
  return { signal: first.signal, dispose };
}
