import { AuthorizeError } from '../../errors.ts';

/** A row of drizzle-kit's: a table, a column, a policy and so on. */
export interface Entity {
  /** Such as `tables`. */
  readonly entityType: string;
  readonly [field: string]: unknown;
}

/** What a migration does to the rows; `key` names one as drizzle-kit does. */
export type Delta =
  | { readonly op: 'create'; readonly row: Entity }
  | { readonly op: 'drop'; readonly key: string }
  | {
      readonly op: 'alter' | 'rename';
      readonly key: string;
      readonly set: Readonly<Record<string, unknown>>;
    };

/** What snapshot.json says: the changes of one migration. */
export interface Changes {
  readonly id: string;
  /** The migrations that it follows, none for the first; several after a merge. */
  readonly parents: readonly string[];
  readonly deltas: readonly Delta[];
}

const version = '9';
const origin = '00000000-0000-0000-0000-000000000000';

/**
 * Reads snapshot.json, of format 9. The first one lists all rows, which is as good as creating them.
 *
 * @param file names it in errors
 * @throws TypeError when it is none, AuthorizeError `ERR_KIT_UNSUPPORTED` when it is of another format
 */
export function parseChanges(json: string, file: string): Changes {
  const content: unknown = JSON.parse(json);
  if (!isObject(content)) throw new TypeError('no snapshot');
  if (content['version'] !== version) {
    throw new AuthorizeError(
      'ERR_KIT_UNSUPPORTED',
      `${file} is of format ${JSON.stringify(content['version'])}, and not of format ${version} as drizzle-kit 1.0.0-rc.5 has it`,
      { hint: 'Run `npx drizzle-kit up`, or use another version of drizzle-kit.' },
    );
  }
  const { id, type } = content;
  if (typeof id !== 'string') throw new TypeError('no id');
  const parents = list(content['prevIds']).map(String);
  return {
    id,
    parents: parents.filter((parent) => parent !== origin),
    deltas: type === 'base' ? list(content['ddl']).map(toCreation) : list(content['deltas']).map(toDelta),
  };
}

function toCreation(row: unknown): Delta {
  if (!isEntity(row)) throw new TypeError('no row');
  return { op: 'create', row };
}

function toDelta(value: unknown): Delta {
  if (!isObject(value)) throw new TypeError('no delta');
  const { op, key, set } = value;
  if (op === 'create') return toCreation(value['row']);
  if (typeof key !== 'string') throw new TypeError('no key');
  if (op === 'drop') return { op, key };
  if ((op !== 'alter' && op !== 'rename') || !isObject(set)) throw new TypeError('no delta');
  return { op, key, set };
}

function list(value: unknown): readonly unknown[] {
  if (!Array.isArray(value)) throw new TypeError('no list');
  return value;
}

function isEntity(value: unknown): value is Entity {
  return isObject(value) && typeof value['entityType'] === 'string';
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null;
}
