import { markdownTable } from './markdown-table.ts';
import type { Comparison, Load } from './measure.ts';

interface Target {
  /** Their time over ours has to be this at least; below 1 it says how much slower ours may be. */
  readonly atLeast?: number;
  /** Our median has to be under so many µs. */
  readonly underUs?: number;
}

interface Row {
  readonly name: string;
  readonly alternative: string;
  /** For a row that has a line in the table of drivers together with others: which column is its own. */
  readonly way: Way | undefined;
  /** Their time over ours, or our runs a second over theirs: above 1 ours is faster. */
  readonly ratio: number;
  readonly target: Target | undefined;
  readonly reached: boolean | undefined;
  readonly details: Comparison;
}

export interface ComparisonRow {
  readonly name: string;
  readonly alternative: string;
  readonly result: Comparison;
  readonly target?: Target;
}

/** One way to PostgreSQL, with so many runs in flight. */
export interface ThroughRow {
  readonly way: string;
  readonly inFlight: number;
  /** CPU seconds are for 1,000 runs, and with the memory those of the process between client and PostgreSQL. */
  readonly load: Load & { readonly cpuSeconds?: number; readonly residentBytes?: number };
  /** The way that `ratio` is the share of, in runs a second. */
  readonly nextTo?: string;
  readonly ratio?: number;
  readonly target?: Target;
}

/** How much of the heap something keeps, next to how much it keeps after less work. */
export interface MemoryRow {
  readonly what: string;
  readonly bytes: number;
  readonly nextTo: string;
  readonly theirBytes: number;
}

type Way = keyof typeof alternatives;

const alternatives = {
  plain: 'plain drizzle: the same with a where, without RLS',
  byHand: 'by hand: begin, set_config, set local role, the work, commit',
  copied: 'as it is copied: begin, claims and role as one text, the work, a reset in finally, commit',
} as const;

/** One driver at one kind of work, next to each alternative that it has. */
export interface WaysRow {
  readonly driver: string;
  readonly what: string;
  readonly results: Readonly<Partial<Record<Way, Comparison>>>;
  readonly targets: Readonly<Partial<Record<Way, Target>>>;
}

/** Collects what was measured, and says each row as it comes. */
export class Report {
  readonly #rows: Row[] = [];
  readonly #through: ThroughRow[] = [];
  readonly #memory: MemoryRow[] = [];
  readonly #onRow: (line: string) => void;

  constructor(onRow: (line: string) => void) {
    this.#onRow = onRow;
  }

  comparison(row: ComparisonRow): void {
    this.#add({ ...judged(row), way: undefined });
  }

  ways({ driver, what, results, targets }: WaysRow): void {
    for (const way of ways) {
      const result = results[way];
      if (result === undefined) continue;
      const target = targets[way];
      const row = { name: `${driver}: ${what}`, alternative: alternatives[way], result };
      this.#add({ ...judged({ ...row, ...(target && { target }) }), way });
    }
  }

  through(row: ThroughRow): void {
    this.#through.push(row);
    const { way, inFlight, load, nextTo, ratio } = row;
    const share = ratio === undefined ? '' : `, ${ratio.toFixed(2)}x of ${nextTo}`;
    this.#onRow(`${way}, ${inFlight} in flight: ${load.perSecond.toFixed(0)}/s${share}`);
  }

  memory(row: MemoryRow): void {
    this.#memory.push(row);
    this.#onRow(`${row.what}: ${mebibytes(row.bytes)}, next to ${row.nextTo}: ${mebibytes(row.theirBytes)}`);
  }

  #add(row: Row): void {
    this.#rows.push(row);
    this.#onRow(`${row.name}, next to ${row.alternative}: ${factor(row.ratio)}`);
  }

  toJSON(): readonly (Row | ThroughRow | MemoryRow)[] {
    return [...this.#rows, ...this.#through, ...this.#memory];
  }

  /** Markdown: tables of drivers at their work, of ways to PostgreSQL, and of all else. */
  toMarkdown(): string {
    const [drivers, ways, others] = [
      this.#driverLines(),
      this.#through.map(throughCells),
      this.#otherLines(),
    ];
    return [
      ...(drivers.length > 0 ? [markdownTable(driverHeads, drivers), legend] : []),
      ...(ways.length > 0 ? [markdownTable(throughHeads, ways)] : []),
      ...(others.length > 0 ? [markdownTable(otherHeads, others)] : []),
      ...(this.#memory.length > 0 ? [markdownTable(memoryHeads, this.#memory.map(memoryCells))] : []),
    ].join('\n\n');
  }

  #driverLines(): readonly (readonly string[])[] {
    const compared = this.#rows.filter(({ way }) => way !== undefined);
    return [...new Set(compared.map(({ name }) => name))].map((name) => {
      const ofName = compared.filter((row) => row.name === name);
      return [
        name,
        time(ofName[0]?.details.ours.medianUs ?? Number.NaN),
        ...ways.map((way) => wayCell(ofName.find((row) => row.way === way))),
      ];
    });
  }

  #otherLines(): readonly (readonly string[])[] {
    return this.#rows
      .filter(({ way }) => way === undefined)
      .map((row) => [
        row.name,
        time(row.details.ours.medianUs),
        row.alternative,
        time(row.details.theirs.medianUs),
        factor(row.ratio),
        targetWords(row),
      ]);
  }
}

const ways = Object.keys(alternatives) as Way[];
const driverHeads = ['driver: work', 'ours', 'plain drizzle', 'by hand', 'as it is copied'];
const legend = ways.map((way) => `- ${alternatives[way]}`).join('\n');
const throughHeads = ['in flight', 'way', 'runs', 'median', 'p99', 'CPU, 1,000 runs', 'memory', 'throughput'];
const memoryHeads = ['what', 'heap', 'next to', 'heap'];
const otherHeads = ['what', 'median', 'next to', 'median', 'ratio', 'to reach'];

function judged({ name, alternative, result, target }: ComparisonRow): Omit<Row, 'way'> {
  const ratio = result.ratio.median;
  const reached =
    target &&
    (target.atLeast === undefined || ratio >= target.atLeast) &&
    (target.underUs === undefined || result.ours.medianUs < target.underUs);
  return { name, alternative, ratio, target, reached, details: result };
}

function wayCell(row: Row | undefined): string {
  if (row === undefined) return '';
  const mark = row.reached === undefined ? '' : ` ${row.reached ? '✓' : '✗'}`;
  return `${time(row.details.theirs.medianUs)}, ${factor(row.ratio)}${mark}`;
}

function memoryCells({ what, bytes, nextTo, theirBytes }: MemoryRow): readonly string[] {
  return [what, mebibytes(bytes), nextTo, mebibytes(theirBytes)];
}

function mebibytes(bytes: number): string {
  return `${(bytes / 2 ** 20).toFixed(0)} MiB`;
}

function time(us: number): string {
  if (us < 100) return `${us.toFixed(1)} µs`;
  return us < 10_000 ? `${us.toFixed(0)} µs` : `${(us / 1000).toFixed(0)} ms`;
}

function throughCells({ way, inFlight, load, nextTo, ratio, target }: ThroughRow): readonly string[] {
  const { perSecond, medianUs, p99Us, cpuSeconds, residentBytes } = load;
  const reached = target?.atLeast === undefined ? '' : (ratio ?? 0) >= target.atLeast ? ' ✓' : ' ✗';
  return [
    String(inFlight),
    way,
    `${perSecond.toFixed(0)}/s`,
    time(medianUs),
    time(p99Us),
    cpuSeconds === undefined ? '' : `${cpuSeconds.toFixed(2)} s`,
    residentBytes === undefined ? '' : mebibytes(residentBytes),
    ratio === undefined ? '' : `${ratio.toFixed(2)}x of ${nextTo}${reached}`,
  ];
}

/** `2.4x faster`, or `1.1x the time`. */
function factor(ratio: number): string {
  const times = (value: number): string => `${value >= 100 ? value.toFixed(0) : value.toFixed(2)}x`;
  return ratio >= 1 ? `${times(ratio)} faster` : `${times(1 / ratio)} the time`;
}

function targetWords({ target, reached }: Row): string {
  if (target === undefined) return '';
  const { atLeast = 1, underUs } = target;
  const words = underUs === undefined ? factor(atLeast) : `under ${underUs} µs`;
  return `${words} ${reached === true ? '✓' : '✗'}`;
}
