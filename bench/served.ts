// The other end of start-servers.ts: what runs in the process that it starts.

/** What a process has used since it began. */
export interface Usage {
  readonly cpuSeconds: number;
  readonly residentBytes: number;
}

/** Starts what the first message asks for, and tells from then on, whenever it is asked, what this process has used. */
export function serve(start: (config: never) => Promise<object>): void {
  const begin = async (config: unknown): Promise<void> => {
    const ready = await start(config as never);
    process.on('message', () => process.send?.(usage()));
    process.send?.(ready);
  };
  process.once('message', (config) => void begin(config));
  process.once('disconnect', () => process.exit());
}

function usage(): Usage {
  const { user, system } = process.cpuUsage();
  return { cpuSeconds: (user + system) / 1e6, residentBytes: process.memoryUsage.rss() };
}
