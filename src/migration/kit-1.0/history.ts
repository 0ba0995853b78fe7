import type { Changes } from './changes.ts';
import { applyDeltas, type Entities } from './entities.ts';

/** Migrations one after the other, each with what it follows. */
export interface History {
  /**
   * Adds a migration, in the order of their names.
   *
   * @returns all rows after it
   * @throws TypeError for one that follows nothing known
   */
  add(changes: Changes): Entities;
}

export function createHistory(): History {
  const known = new Map<string, Changes & { readonly after: Entities }>();

  const ancestors = (ids: readonly string[]): ReadonlySet<string> => {
    const found = new Set<string>();
    const waiting = [...ids];
    for (let id = waiting.pop(); id !== undefined; id = waiting.pop()) {
      if (found.has(id)) continue;
      found.add(id);
      waiting.push(...(known.get(id)?.parents ?? []));
    }
    return found;
  };

  // After a merge, what the other branches have done since comes on top of the first one.
  const before = ([first, ...others]: readonly string[]): Entities => {
    if (first === undefined) return new Map();
    const parent = known.get(first);
    if (!parent) throw new TypeError('no such parent');
    const [ours, theirs] = [ancestors([first]), ancestors(others)];
    return [...known.values()]
      .filter(({ id }) => theirs.has(id) && !ours.has(id))
      .reduce((entities, { deltas }) => applyDeltas(entities, deltas), parent.after);
  };

  return {
    add: (changes) => {
      const after = applyDeltas(before(changes.parents), changes.deltas);
      known.set(changes.id, { ...changes, after });
      return after;
    },
  };
}
