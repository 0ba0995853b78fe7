import { and, eq, getTableColumns, relations, type SQL } from 'drizzle-orm';
import type { PgTable } from 'drizzle-orm/pg-core';

import type { notes, todos } from './todo-app.ts';

// What is written differently on the two lines of drizzle-orm: here for 0.45, in test/drizzle-1.0 for 1.0.

/** The version that is under test. */
export const line: string = '0.45.4';

/** Where the packages of the line are installed, this one among them, from the root of the repository. */
export const installed = { modules: 'node_modules', package: '.' };

/** drizzle-kit's name for the SQL of a migration, within its folder. */
export const migrationFile = /^\d+_(.*)\.sql$/;

/** What drizzle() is told of the tables, for relational queries. */
export function relationalConfig(tables: Tables) {
  const { todos: todo, notes: note } = tables;
  const todosRelations = relations(todo, ({ many }) => ({ notes: many(note) }));
  const notesRelations = relations(note, ({ one }) => ({
    todo: one(todo, { fields: [note.todoId], references: [todo.id] }),
  }));
  return { schema: { ...tables, todosRelations, notesRelations } };
}

interface Tables {
  readonly todos: typeof todos;
  readonly notes: typeof notes;
}

/** The `where` of a relational query: columns that have these values. */
export function equals(table: PgTable, values: Readonly<Record<string, unknown>>): SQL | undefined {
  const named = Object.entries(getTableColumns(table)).filter(([name]) => name in values);
  return and(...named.map(([name, column]) => eq(column, values[name])));
}

/** A relational query that may be kept by a cache, where the line has such queries. */
export const cachedQuery = {};

/** A set of replicas as it reads. */
export function readsOf<Set extends object>(set: Set): Set {
  return set;
}
