import { boolean, integer, pgTable, serial, text } from 'drizzle-orm/pg-core';

import { auth } from 'drizzle-authorize';

// The tables of test/support/todo-app.ts, in the types of this line.

export const todos = pgTable('todos', {
  id: serial().primaryKey(),
  userId: text('user_id').notNull().default(auth.userId()),
  title: text().notNull(),
  done: boolean().notNull().default(false),
  isPublic: boolean('is_public').notNull().default(false),
});

export const notes = pgTable('notes', {
  id: serial().primaryKey(),
  todoId: integer('todo_id').notNull(),
  body: text().notNull(),
});
