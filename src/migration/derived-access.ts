import { is, SQL } from 'drizzle-orm';
import { getTableConfig, isPgSequence, PgDialect, PgTable } from 'drizzle-orm/pg-core';

import { withLiterals } from '../policy/literals.ts';
import { createAccessGraph } from './access-graph.ts';
import type { AccessModel, AccessModelOptions } from './access-model.ts';
import { compareText, qualifiedName, type TableName } from './table-name.ts';
import { readViews } from './view-definitions.ts';

/** A view or a sequence: it has no policies, and who may use it follows from those of tables. */
export interface DerivedAccess extends TableName {
  readonly kind: 'view' | 'sequence';
  /** In order; `public` is everybody. */
  readonly grantees: readonly string[];
}

/** The one privilege that follows: to read a view, to take the next value of a sequence. */
export const derivedPrivilege = { view: 'SELECT', sequence: 'USAGE' } as const;

type TablesModel = Omit<AccessModel, 'derived'>;

/**
 * What the policies of tables lead to beside them, by qualified name; what nobody may use is not among it.
 * - A view with `security_invoker` is for whoever has SELECT on every table of the schema that it reads, and shows them
 *   nothing that the tables do not. Views that read with their owner's rights are given to nobody.
 * - A sequence that the schema exports is for whoever may insert into a table where it makes a default.
 */
export function derivedAccess(
  exported: readonly unknown[],
  model: TablesModel,
  options: AccessModelOptions,
): readonly DerivedAccess[] {
  return [...viewsOf(exported, model, options), ...sequencesOf(exported, model, options)]
    .filter(({ grantees }) => grantees.length > 0)
    .toSorted((a, b) => compareText(qualifiedName(a), qualifiedName(b)));
}

function viewsOf(
  exported: readonly unknown[],
  model: TablesModel,
  options: AccessModelOptions,
): readonly DerivedAccess[] {
  const views = readViews(exported, options);
  const invokers = views.filter(({ kind }) => kind === 'invoker');
  if (invokers.length === 0) return [];
  const graph = createAccessGraph(model, views);
  return invokers.map((view) => {
    const tables = graph.tablesOf(view);
    const mayRead = (role: string): boolean =>
      tables.length > 0 && tables.every((table) => graph.may(role, 'select', table));
    return {
      schema: view.schema,
      name: view.name,
      kind: 'view',
      grantees: mayRead('public') ? ['public'] : graph.roles.filter(mayRead),
    };
  });
}

function sequencesOf(
  exported: readonly unknown[],
  model: TablesModel,
  { casing }: AccessModelOptions,
): readonly DerivedAccess[] {
  const sequences = exported.filter(isPgSequence).flatMap(({ schema, seqName }) => {
    return seqName === undefined ? [] : [{ schema: schema ?? 'public', name: seqName }];
  });
  if (sequences.length === 0) return [];
  const dialect = new PgDialect(casing ? { casing } : {});
  const users = new Map<string, Set<string>>();
  for (const table of exported) {
    if (!is(table, PgTable)) continue;
    const { schema = 'public', name, columns } = getTableConfig(table);
    const access = model.tables.find((each) => each.schema === schema && each.name === name);
    const inserting = Object.entries(access?.grants ?? {}).flatMap(([role, held]) =>
      held.INSERT === undefined ? [] : [role],
    );
    for (const column of columns) {
      if (!is(column.default, SQL)) continue;
      const text = dialect.sqlToQuery(withLiterals(column.default).inlineParams()).sql;
      for (const key of sequencesNamed(text)) {
        users.set(key, new Set([...(users.get(key) ?? []), ...inserting]));
      }
    }
  }
  return sequences.map((sequence) => ({
    ...sequence,
    kind: 'sequence',
    grantees: [...(users.get(qualifiedName(sequence)) ?? [])].toSorted(compareText),
  }));
}

/** The sequences of which a default takes the next value, as far as it names them by a literal. */
function sequencesNamed(text: string): readonly string[] {
  return [...text.matchAll(/\bnextval\s*\(\s*'((?:[^']|'')*)'/gi)].flatMap(([, literal = '']) => {
    const parts = /^(?:("(?:[^"]|"")*"|[^".]+)\.)?("(?:[^"]|"")*"|[^".]+)$/.exec(
      literal.replaceAll("''", "'").trim(),
    );
    const [, schema = 'public', name] = parts ?? [];
    return name === undefined ? [] : [qualifiedName({ schema: unquote(schema), name: unquote(name) })];
  });
}

function unquote(identifier: string): string {
  return identifier.startsWith('"')
    ? identifier.slice(1, -1).replaceAll('""', '"')
    : identifier.toLowerCase();
}
