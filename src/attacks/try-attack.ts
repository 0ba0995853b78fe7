import type { Attack, Turn } from './attack.ts';
import type { Foothold, Way } from './foothold.ts';

/** What stands behind the placeholders of an attack. */
export interface Target {
  /** A role that passes policies by. */
  readonly service: string;
  /** The process id of another session. */
  readonly bystander: number;
  /** Runs as whoever owns the tables; gives the rows as text. */
  readonly asOwner: (statements: readonly string[]) => Promise<string>;
}

/**
 * Tries an attack in one way.
 *
 * @returns what the last turn got back, and whether that is the proof
 */
export async function tryAttack(
  attack: Attack,
  foothold: Foothold,
  way: Way,
  target: Target,
): Promise<{ readonly succeeded: boolean; readonly evidence: string }> {
  let evidence = '';
  for (const turn of attack.turns) {
    const aimed = aim(turn, target);
    evidence = aimed.by === 'owner' ? await target.asOwner(aimed.sql) : await foothold.take(aimed, way);
  }
  return { succeeded: attack.proof.test(evidence), evidence };
}

/** The ways of a foothold that make a difference: a single statement is the same apart and together. */
export function waysOf({ turns }: Attack, ways: readonly Way[]): readonly Way[] {
  return turns.every(({ sql }) => sql.length === 1) ? ways.slice(0, 1) : ways;
}

function aim({ by, sql }: Turn, { service, bystander }: Target): Turn {
  return {
    by,
    sql: sql.map((text) =>
      text.replaceAll('{service}', service).replaceAll('{bystander}', String(bystander)),
    ),
  };
}
