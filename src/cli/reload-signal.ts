import { unwatchFile, watchFile } from 'node:fs';

// By time and size, once a second: an editor, and a volume of Kubernetes, put another file in the place of the first.
const lookEveryMs = 1_000;

export interface ReloadSignal {
  /** From now on `reload` is called by SIGHUP and when the file changes, one call at a time. */
  begin(file: string, reload: () => Promise<void>): void;
  dispose(): void;
}

/** Listens to SIGHUP, which does not end the process any more, also before there is something to be reloaded. */
export function listenForReload(): ReloadSignal {
  let asked = false;
  let running: Promise<void> | undefined;
  let begun: { readonly file: string; readonly reload: () => Promise<void> } | undefined;

  const run = async (reload: () => Promise<void>): Promise<void> => {
    while (asked) {
      asked = false;
      await reload();
    }
    running = undefined;
  };
  const ask = (): void => {
    asked = true;
    if (begun !== undefined) running ??= run(begun.reload);
  };

  if (!process.stdout.isTTY) process.on('SIGHUP', ask);
  return {
    begin(file, reload) {
      begun = { file, reload };
      watchFile(file, { interval: lookEveryMs, persistent: false }, ask);
      if (asked) ask();
    },
    dispose() {
      process.off('SIGHUP', ask);
      if (begun !== undefined) unwatchFile(begun.file, ask);
      begun = undefined;
    },
  };
}
