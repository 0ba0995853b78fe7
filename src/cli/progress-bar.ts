/** A line that is written again and again, where a person looks on; nothing in a pipe. */
export interface ProgressBar {
  show(done: number, what: string): void;
  clear(): void;
}

const width = 24;

export function progressBar(total: number): ProgressBar {
  const stream = process.stderr;
  if (!stream.isTTY) return { show: () => {}, clear: () => {} };
  return {
    show: (done, what) => {
      const full = Math.round((done / total) * width);
      const bar = '█'.repeat(full) + '░'.repeat(width - full);
      const line = `${bar} ${done}/${total} ${what}`;
      // A terminal that does not say how wide it is says 0.
      const columns = stream.columns > 0 ? stream.columns : 80;
      stream.write(`\r\u001B[K${line.slice(0, columns - 1)}`);
    },
    clear: () => {
      stream.write('\r\u001B[K');
    },
  };
}
