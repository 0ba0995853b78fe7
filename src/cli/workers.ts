import cluster, { type Worker } from 'node:cluster';

import type { CancelKey } from '../gateway/index.ts';
import type { ExitCode } from './command.ts';
import { aborted, listenForStop } from './stop-signal.ts';

type FromWorker =
  | { readonly type: 'ready'; readonly operations: string | null }
  /** A request to cancel that is for none of its sessions: perhaps for one of another. */
  | { readonly type: 'cancel'; readonly key: CancelKey };

type ToWorker =
  /** All are ready: the first of them says so. */
  | { readonly type: 'announce'; readonly operations: readonly string[] }
  | { readonly type: 'cancel'; readonly key: CancelKey };

const placeVariable = 'DRIZZLE_AUTHORIZE_WORKER';

const firstRestartMs = 1_000;
const longestRestartMs = 30_000;
/** One that lived for so long has not failed at start. */
const soundLifeMs = 60_000;

/**
 * Runs this command line in several processes, among which the system's connections are shared out. The first process serves
 * nothing: it starts those that have ended again, and passes signals on.
 */
export async function runWorkers(count: number): Promise<ExitCode> {
  const stop = process.stdout.isTTY ? listenForStop() : listenForStop(['SIGINT', 'SIGTERM']);
  const workers = new Map<number, Worker>();
  const operations = new Map<number, string | null>();
  const restartMs = new Map<number, number>();
  const pending = new Set<NodeJS.Timeout>();
  const failure = new AbortController();
  let exitCode: ExitCode = 0;
  let hasAnnounced = false;
  let allEnded: () => void = () => {};

  const send = (place: number, message: ToWorker): void => {
    const worker = workers.get(place);
    if (worker?.isConnected() === true) worker.send(message, () => {});
  };
  const received = (from: number, message: FromWorker): void => {
    if (message.type === 'cancel') {
      for (const place of workers.keys()) if (place !== from) send(place, message);
      return;
    }
    operations.set(from, message.operations);
    // The others begin when one has found nothing wrong, or all would say what is.
    if (operations.size === 1) for (let place = 1; place < count; place += 1) start(place);
    if (hasAnnounced || operations.size < count) return;
    hasAnnounced = true;
    const urls = [...operations]
      .toSorted(([a], [b]) => a - b)
      .flatMap(([, url]) => (url === null ? [] : [url]));
    send(0, { type: 'announce', operations: urls });
  };
  const ended = (place: number, code: number, livedMs: number): void => {
    workers.delete(place);
    if (stop.signal.aborted || failure.signal.aborted) {
      if (code !== 0) exitCode = 1;
      if (workers.size === 0) allEnded();
    } else if (!operations.has(place)) {
      // It has said why.
      exitCode = code === 2 ? 2 : 1;
      failure.abort();
    } else {
      const delayMs = livedMs > soundLifeMs ? firstRestartMs : (restartMs.get(place) ?? firstRestartMs);
      restartMs.set(place, Math.min(delayMs * 2, longestRestartMs));
      const timer = setTimeout(() => {
        pending.delete(timer);
        start(place);
      }, delayMs);
      pending.add(timer);
    }
  };
  const start = (place: number): void => {
    const startedAt = performance.now();
    const worker = cluster.fork({ [placeVariable]: `${place}/${count}` });
    workers.set(place, worker);
    worker.on('message', (message: FromWorker) => {
      received(place, message);
    });
    worker.once('exit', (code, signal: NodeJS.Signals | null) => {
      // One that has not begun to listen to signals has nothing at work either.
      ended(place, signal === 'SIGTERM' ? 0 : (code ?? 1), performance.now() - startedAt);
    });
  };
  const reload = (): void => {
    for (const worker of workers.values()) worker.process.kill('SIGHUP');
  };

  if (!process.stdout.isTTY) process.on('SIGHUP', reload);
  try {
    start(0);
    await Promise.race([aborted(stop.signal), aborted(failure.signal)]);
    for (const timer of pending) clearTimeout(timer);
    const end = new Promise<void>((resolve) => {
      allEnded = resolve;
    });
    for (const worker of workers.values()) worker.process.kill('SIGTERM');
    if (workers.size > 0) await end;
    return exitCode;
  } finally {
    process.off('SIGHUP', reload);
    stop.dispose();
  }
}

/** One of several processes that serve together. */
export interface WorkerPlace {
  /** From 0 on; the first speaks for all. */
  readonly place: number;
  readonly count: number;
  /** Says that it serves, and waits until all do. @returns where each answers about its operation */
  ready(operations: string | null): Promise<readonly string[]>;
  /** Asks the others to cancel. */
  cancelElsewhere(key: CancelKey): void;
  onCancel(cancel: (key: CancelKey) => void): void;
  /** Lets the process end. */
  leave(): void;
}

/** The place of this process; undefined where it is none of several. */
export function workerPlace(): WorkerPlace | undefined {
  const [place, count] = (process.env[placeVariable] ?? '').split('/').map(Number);
  if (!cluster.isWorker || place === undefined || count === undefined) return undefined;
  const send = (message: FromWorker): void => {
    if (process.connected) process.send?.(message);
  };
  // The terminal's Ctrl-C comes to all; the first process passes on what it means.
  const ignore = (): void => {};
  process.on('SIGINT', ignore);
  // Without it nobody would start or stop this one.
  const orphaned = (): void => process.exit(1);
  process.on('disconnect', orphaned);
  let announced: (operations: readonly string[]) => void = ignore;
  let cancel: (key: CancelKey) => void = ignore;
  process.on('message', (message: ToWorker) => {
    if (message.type === 'announce') announced(message.operations);
    else cancel(message.key);
  });
  return {
    place,
    count,
    ready: async (operations) => {
      const all = new Promise<readonly string[]>((resolve) => {
        announced = resolve;
      });
      send({ type: 'ready', operations });
      return all;
    },
    cancelElsewhere: (key) => {
      send({ type: 'cancel', key });
    },
    onCancel: (listener) => {
      cancel = listener;
    },
    leave: () => {
      process.off('disconnect', orphaned);
      cluster.worker?.disconnect();
    },
  };
}
