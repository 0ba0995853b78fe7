import type { Attack, Tier } from '../../src/attacks/attack.ts';
import { attacks } from '../../src/attacks/attacks.ts';
import type { Foothold } from '../../src/attacks/foothold.ts';
import { tryAttack, waysOf } from '../../src/attacks/try-attack.ts';
import type { Ground } from './ground.ts';

/**
 * Tries each attack in each way until one succeeds, each time on connections of its own.
 *
 * @returns the ids of those that succeeded
 */
export async function attackAll(
  list: readonly Attack[],
  ground: Ground,
  open: () => Promise<Foothold>,
): Promise<readonly string[]> {
  const fell: string[] = [];
  for (const attack of list) {
    if (await succeeds(attack, ground, open)) fell.push(attack.id);
  }
  return fell;
}

/** The ids of the attacks of these tiers. */
export function idsOf(...tiers: readonly Tier[]): readonly string[] {
  return attacks.filter(({ tier }) => tiers.includes(tier)).map(({ id }) => id);
}

async function succeeds(attack: Attack, ground: Ground, open: () => Promise<Foothold>): Promise<boolean> {
  for (let index = 0; ; index += 1) {
    const foothold = await open();
    try {
      const way = waysOf(attack, foothold.ways)[index];
      if (way === undefined) return false;
      if ((await tryAttack(attack, foothold, way, ground)).succeeded) return true;
    } finally {
      await foothold.close();
      await ground.restore(attack);
    }
  }
}
