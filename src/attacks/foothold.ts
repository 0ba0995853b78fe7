import type { Turn } from './attack.ts';

/**
 * How the statements of a turn reach Postgres:
 *
 * - `stacked`: in one text, behind a query of the application, as an injection does.
 * - `together`: one after the other, within one transaction.
 * - `apart`: each in a transaction of its own.
 */
export type Way = 'stacked' | 'together' | 'apart';

/** A place where an attacker's SQL comes in. */
export interface Foothold {
  readonly ways: readonly Way[];
  /** Runs a turn of anybody but the owner, and gives what came back: {@link answer} or {@link failure}, a line each. */
  take(turn: Turn, way: Way): Promise<string>;
  close(): Promise<void>;
}

/** Rows, as an attacker sees them. */
export function answer(rows: unknown): string {
  return JSON.stringify(rows, (_, value: unknown) => (typeof value === 'bigint' ? String(value) : value));
}

/** An error, as an attacker sees it: with the innermost cause, where a driver or an ORM has wrapped it. */
export function failure(error: unknown): string {
  let inner = error;
  while (inner instanceof Error && inner.cause instanceof Error) inner = inner.cause;
  if (!(inner instanceof Error)) return String(inner);
  const { code, detail } = inner as { code?: unknown; detail?: unknown };
  return [code, inner.message, detail].filter((part) => typeof part === 'string').join(' ');
}

/**
 * Runs the statements of a turn one by one. Mallory stops at the first that fails; the others go on, as applications do.
 */
export async function oneByOne(turn: Turn, run: (statement: string) => Promise<string>): Promise<string> {
  const lines: string[] = [];
  for (const statement of turn.sql) {
    try {
      lines.push(await run(statement));
    } catch (error) {
      lines.push(failure(error));
      if (turn.by === 'mallory') break;
    }
  }
  return lines.join('\n');
}

/** The statements of a turn in one text, behind an innocent one. */
export function stacked(turn: Turn): string {
  return ['select 1 as innocent', ...turn.sql].join('; ');
}
