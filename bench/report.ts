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
  /** Their time over ours, or our runs a second over theirs: above 1 ours is faster. */
  readonly ratio: number;
  readonly target: Target | undefined;
  readonly reached: boolean | undefined;
  readonly details: Comparison | { readonly ours: Load; readonly theirs: Load };
}

export interface ComparisonRow {
  readonly name: string;
  readonly alternative: string;
  readonly result: Comparison;
  readonly target?: Target;
}

export interface LoadRow {
  readonly name: string;
  readonly alternative: string;
  readonly ours: Load;
  readonly theirs: Load;
}

/** Collects what was measured, and says each row as it comes. */
export class Report {
  readonly #rows: Row[] = [];
  readonly #onRow: (line: string) => void;

  constructor(onRow: (line: string) => void) {
    this.#onRow = onRow;
  }

  comparison({ name, alternative, result, target }: ComparisonRow): void {
    const ratio = result.ratio.median;
    const reached =
      target &&
      (target.atLeast === undefined || ratio >= target.atLeast) &&
      (target.underUs === undefined || result.ours.medianUs < target.underUs);
    this.#add({ name, alternative, ratio, target, reached, details: result });
  }

  load({ name, alternative, ours, theirs }: LoadRow): void {
    const ratio = ours.perSecond / theirs.perSecond;
    this.#add({ name, alternative, ratio, target: undefined, reached: undefined, details: { ours, theirs } });
  }

  #add(row: Row): void {
    this.#rows.push(row);
    this.#onRow(`${row.name}, next to ${row.alternative}: ${factor(row.ratio)}`);
  }

  toJSON(): readonly Row[] {
    return this.#rows;
  }

  /** A Markdown table, as README.md has it. */
  toMarkdown(): string {
    const cells = this.#rows.map((row) => [
      row.name,
      time(row.details.ours.medianUs) + perSecond(row.details.ours),
      row.alternative,
      time(row.details.theirs.medianUs) + perSecond(row.details.theirs),
      factor(row.ratio),
      targetWords(row),
    ]);
    const table = [['what', 'median', 'next to', 'median', 'ratio', 'to reach'], ...cells];
    const widths = table[0]?.map((_, column) => Math.max(...table.map((line) => line[column]?.length ?? 0)));
    const lines = table.map(
      (line) => `| ${line.map((cell, column) => cell.padEnd(widths?.[column] ?? 0)).join(' | ')} |`,
    );
    const rule = `| ${widths?.map((width) => '-'.repeat(width)).join(' | ')} |`;
    return [lines[0], rule, ...lines.slice(1)].join('\n');
  }
}

function time(us: number): string {
  if (us < 100) return `${us.toFixed(1)} µs`;
  return us < 10_000 ? `${us.toFixed(0)} µs` : `${(us / 1000).toFixed(0)} ms`;
}

function perSecond(timing: object): string {
  if (!('perSecond' in timing) || !('p99Us' in timing)) return '';
  return `, p99 ${time(Number(timing.p99Us))}, ${Number(timing.perSecond).toFixed(0)}/s`;
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
