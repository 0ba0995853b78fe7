/** What drizzle's `withReplicas()` makes of a primary and its replicas. */
type ReplicaSet = {
  readonly $primary: object;
  readonly $replicas: readonly object[];
} & (
  | {
      /** The replica whose turn it is, on drizzle-orm 1.0, where the set itself is the primary. */
      readonly $replica: object;
    }
  | {
      /** That of the replica whose turn it is, on drizzle-orm 0.45. */
      readonly query: unknown;
    }
);

/**
 * The database as somebody. Of a set that `withReplicas()` made, a set again: what read from a replica reads from it as
 * that person.
 */
export type HandleOf<Database, Self> = Self extends { readonly $replicas: readonly unknown[] }
  ? Database & { $primary: Database; $replicas: Database[] } & {
      [Member in keyof Self & '$replica']: Database;
    }
  : Database;

export function isReplicaSet(value: unknown): value is ReplicaSet {
  return typeof value === 'object' && value !== null && '$primary' in value && '$replicas' in value;
}

// What a set of drizzle-orm 0.45 sends to a replica, besides `query`. Everything else goes to the primary.
const reads = ['select', 'selectDistinct', 'selectDistinctOn', '$count', '$with', 'with'] as const;

/** @param handleOf a member of the set as somebody; called once for each that is used */
export function replicaSetOf(set: ReplicaSet, handleOf: (member: object) => object): object {
  const handles = new Map<object, object>();
  const known = (member: object): object => {
    const handle = handles.get(member) ?? handleOf(member);
    handles.set(member, handle);
    return handle;
  };
  const chosen = (): object => known(chosenBy(set));
  const readers =
    '$replica' in set
      ? { $replica: { get: chosen } }
      : {
          query: { get: () => Reflect.get(chosen(), 'query') },
          ...Object.fromEntries(
            reads.map((name) => [name, { value: (...args: unknown[]) => callMethod(chosen(), name, args) }]),
          ),
        };
  return Object.create(known(set.$primary), {
    $primary: { get: () => known(set.$primary) },
    $replicas: { get: () => set.$replicas.map(known) },
    ...readers,
  }) as object;
}

// The set was told how to choose, and tells nobody; but it answers for the one that it chose.
function chosenBy(set: ReplicaSet): object {
  if ('$replica' in set) return set.$replica;
  const { query } = set;
  const replica = set.$replicas.find((each) => Reflect.get(each, 'query') === query);
  if (replica === undefined) throw new TypeError('withReplicas: getReplica must give one of the replicas');
  return replica;
}

export function callMethod(target: object, name: string, args: readonly unknown[]): unknown {
  const method: unknown = Reflect.get(target, name);
  if (typeof method !== 'function') throw new TypeError(`the database has no ${name}()`);
  return Reflect.apply(method, target, args);
}
