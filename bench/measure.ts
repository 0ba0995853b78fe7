/** One way of doing something; runs it once, from start to end. */
export type Work = () => Promise<unknown>;

interface Timing {
  /** Half of the runs took less; µs. */
  readonly medianUs: number;
  /** One in a hundred took longer; µs. */
  readonly p99Us: number;
}

export interface Comparison {
  readonly ours: Timing;
  readonly theirs: Timing;
  /** Their time over ours, by round: above 1 ours is faster. The median of all rounds, and how far they lie apart. */
  readonly ratio: { readonly median: number; readonly least: number; readonly most: number };
}

export interface CompareOptions {
  readonly rounds: number;
  /** Runs of each, in each round. */
  readonly runs: number;
  /** No round begins later than so many milliseconds after the first. Default: no limit. */
  readonly maxMs?: number;
}

/** Until V8 has compiled what runs, and Postgres has its plans. */
const warmUpMs = 750;

/**
 * Times two ways in turn, round by round, so that a machine whose speed changes meanwhile changes it for both: the ratio
 * of a round holds where the microseconds do not.
 */
export async function compare(ours: Work, theirs: Work, options: CompareOptions): Promise<Comparison> {
  const { only } = await compareWithEach(ours, { only: theirs }, options);
  return only;
}

/** As {@link compare}, with several others in the same rounds. */
export async function compareWithEach<Others extends Readonly<Record<string, Work>>>(
  ours: Work,
  others: Others,
  { rounds, runs, maxMs = Infinity }: CompareOptions,
): Promise<{ readonly [Name in keyof Others]: Comparison }> {
  const allOurs: number[] = [];
  const theirs = Object.entries(others).map(([name, way]) => ({
    name,
    way,
    all: [] as number[],
    ratios: [] as number[],
  }));
  for (const way of [ours, ...Object.values(others)]) await load(way, 1, warmUpMs);
  const endsAt = performance.now() + maxMs;
  for (let round = 0; round < rounds && performance.now() < endsAt; round += 1) {
    const inRound = await time(ours, runs);
    allOurs.push(...inRound);
    for (const { way, all, ratios } of theirs) {
      const times = await time(way, runs);
      all.push(...times);
      ratios.push(percentile(times, 50) / percentile(inRound, 50));
    }
  }
  const compared = theirs.map(({ name, all, ratios }): [string, Comparison] => [
    name,
    {
      ours: timingOf(allOurs),
      theirs: timingOf(all),
      ratio: { median: percentile(ratios, 50), least: Math.min(...ratios), most: Math.max(...ratios) },
    },
  ]);
  return Object.fromEntries(compared) as { readonly [Name in keyof Others]: Comparison };
}

async function time(work: Work, runs: number): Promise<number[]> {
  const microseconds: number[] = [];
  for (let run = 0; run < runs; run += 1) {
    const start = process.hrtime.bigint();
    await work();
    microseconds.push(Number(process.hrtime.bigint() - start) / 1000);
  }
  return microseconds;
}

export interface Load extends Timing {
  readonly perSecond: number;
}

/** Keeps `inFlight` runs going for so many milliseconds. */
export async function load(work: Work, inFlight: number, durationMs: number): Promise<Load> {
  const microseconds: number[] = [];
  const start = performance.now();
  const lane = async (): Promise<void> => {
    while (performance.now() - start < durationMs) microseconds.push(...(await time(work, 1)));
  };
  await Promise.all(Array.from({ length: inFlight }, lane));
  const seconds = (performance.now() - start) / 1000;
  return { ...timingOf(microseconds), perSecond: microseconds.length / seconds };
}

function timingOf(microseconds: readonly number[]): Timing {
  return { medianUs: percentile(microseconds, 50), p99Us: percentile(microseconds, 99) };
}

export function percentile(values: readonly number[], percent: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  const index = Math.min(sorted.length - 1, Math.floor((sorted.length * percent) / 100));
  return sorted[index] ?? Number.NaN;
}
