import { parseSql } from './parse-sql.ts';
import { qualifiedName, type TableName } from './table-name.ts';

/** What an expression or a query reads, as far as its text shows. What functions read is their own. */
export interface Reads {
  /** There is a sub-select in it, of whatever kind. */
  readonly subselect: boolean;
  /** Tables and views; without a schema, what a migration finds first: that of `public`. */
  readonly relations: readonly TableName[];
}

const nothing: Reads = { subselect: false, relations: [] };
const identity: Reads = { subselect: true, relations: [] };

/**
 * Says of each expression or query what it reads.
 *
 * Most policies need no parser: they have no sub-select, or the one that asks who the caller is.
 */
export function relationsRead(texts: readonly string[]): ReadonlyMap<string, Reads> {
  const known = new Map(texts.map((text) => [text, readsAtSight(text)]));
  const unknown = [...known].flatMap(([text, reads]) => (reads === undefined ? [text] : []));
  // In parentheses both an expression and a query are one.
  const trees = parseSql(unknown.map((text) => `SELECT (${text}\n)`));
  return new Map([
    ...[...known].flatMap(([text, reads]) => (reads === undefined ? [] : [[text, reads] as const])),
    ...unknown.map((text, index) => [text, readsOf(trees[index])] as const),
  ]);
}

const caller = /\(\s*select\s+auth\.\w+\((?:'[^']*')?\)\s*\)/gi;

function readsAtSight(text: string): Reads | undefined {
  const rest = text.replaceAll(caller, '()');
  if (/\b(select|table|values|with)\b/i.test(rest)) return undefined;
  return rest === text ? nothing : identity;
}

function readsOf(tree: unknown): Reads {
  const relations = new Map<string, TableName>();
  let subselect = false;
  const walk = (value: unknown, names: ReadonlySet<string>): void => {
    if (Array.isArray(value)) {
      for (const element of value) walk(element, names);
      return;
    }
    if (typeof value !== 'object' || value === null) return;
    const node: Readonly<Record<string, unknown>> = { ...value };
    const inside = withClause(node['withClause'], names, walk);
    for (const [kind, part] of Object.entries(node)) {
      if (kind === 'withClause') continue;
      if (kind === 'SubLink') subselect = true;
      if (kind === 'RangeVar') {
        const name = relationName(part);
        if (name && !(name.schema === undefined && inside.has(name.name))) {
          const relation = { schema: name.schema ?? 'public', name: name.name };
          relations.set(qualifiedName(relation), relation);
        }
      }
      walk(part, inside);
    }
  };
  walk(tree, new Set());
  return { subselect, relations: [...relations.values()] };
}

/** Walks what stands behind WITH, each query seeing what is before it, and returns the names that are none of tables. */
function withClause(
  clause: unknown,
  names: ReadonlySet<string>,
  walk: (value: unknown, names: ReadonlySet<string>) => void,
): ReadonlySet<string> {
  if (typeof clause !== 'object' || clause === null) return names;
  const { ctes = [], recursive } = clause as {
    readonly ctes?: readonly {
      readonly CommonTableExpr?: { readonly ctename?: string; readonly ctequery?: unknown };
    }[];
    readonly recursive?: boolean;
  };
  const known = new Set(names);
  const named = ctes.map((cte) => cte.CommonTableExpr?.ctename ?? '');
  if (recursive === true) for (const name of named) known.add(name);
  ctes.forEach((cte, index) => {
    walk(cte.CommonTableExpr?.ctequery, new Set(known));
    known.add(named[index] ?? '');
  });
  return known;
}

function relationName(
  node: unknown,
): { readonly schema: string | undefined; readonly name: string } | undefined {
  if (typeof node !== 'object' || node === null) return undefined;
  const { schemaname, relname } = node as { readonly schemaname?: string; readonly relname?: string };
  return relname === undefined ? undefined : { schema: schemaname, name: relname };
}
