import { defineRelations } from 'drizzle-orm';

import type { notes, todos } from './types/todo-tables.ts';

// The same as test/support/drizzle-line.ts, which says what each is.

export const line = '1.0.0-rc.5';

export const installed = {
  modules: 'test/drizzle-1.0/node_modules',
  package: 'test/drizzle-1.0/node_modules/drizzle-authorize',
};

export const migrationFile = /^\d{14}_(.*)\/migration\.sql$/;

export function relationalConfig(tables: { readonly todos: typeof todos; readonly notes: typeof notes }) {
  const relations = defineRelations(tables, (r) => ({
    todos: { notes: r.many.notes({ from: r.todos.id, to: r.notes.todoId }) },
    notes: { todo: r.one.todos({ from: r.notes.todoId, to: r.todos.id }) },
  }));
  return { schema: tables, relations };
}

export function equals(
  _table: object,
  values: Readonly<Record<string, unknown>>,
): Readonly<Record<string, unknown>> {
  return values;
}

export const cachedQuery = { withCache: true };

export function readsOf(set: { readonly $replica: object }): object {
  return set.$replica;
}
