import { boolean, integer, pgTable, serial, text } from 'drizzle-orm/pg-core';

import { auth } from '../../src/index.ts';
import { relationalConfig } from './drizzle-line.ts';
import { createSealedDatabase, runAsOwner, type SealedDatabase } from './sealed-database.ts';

// The tables of the tests below test/integration, and by hand the SQL that makes them: what migrations make of a schema
// is tested elsewhere.

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

/** Goes into drizzle(), on either line of drizzle-orm: `drizzle({ client, ...relational })`. */
export const relational = relationalConfig({ todos, notes });

export const { schema } = relational;

/** Makes the tables, their policies and grants. */
export const todoTables = [
  `CREATE TABLE todos (id serial PRIMARY KEY, user_id text NOT NULL DEFAULT auth.user_id(), title text NOT NULL,
    done boolean NOT NULL DEFAULT false, is_public boolean NOT NULL DEFAULT false,
    CONSTRAINT one_of_each UNIQUE (user_id, title) DEFERRABLE INITIALLY DEFERRED)`,
  `CREATE TABLE notes (id serial PRIMARY KEY, todo_id int NOT NULL REFERENCES todos ON DELETE CASCADE, body text NOT NULL)`,
  `ALTER TABLE todos ENABLE ROW LEVEL SECURITY`,
  `ALTER TABLE notes ENABLE ROW LEVEL SECURITY`,
  `CREATE POLICY own ON todos TO authenticated USING ((SELECT auth.user_id()) = user_id)`,
  `CREATE POLICY shown ON todos FOR SELECT TO authenticated, anonymous USING (is_public)`,
  `CREATE POLICY of_visible_todos ON notes TO authenticated USING (todo_id IN (SELECT id FROM todos))`,
  `GRANT SELECT, INSERT, UPDATE, DELETE ON todos, notes TO authenticated`,
  `GRANT SELECT ON todos TO anonymous`,
  `GRANT USAGE ON SEQUENCE todos_id_seq, notes_id_seq TO authenticated`,
];

/** The rows that every test starts from. */
export const todoRows = [
  `INSERT INTO todos (id, user_id, title, is_public) VALUES
    (1, 'alice', 'water the plants', false), (2, 'alice', 'read a book', true), (3, 'bob', 'call mum', false)`,
  `INSERT INTO notes (todo_id, body) VALUES (1, 'the ferns'), (1, 'not the cactus'), (3, 'on sunday')`,
  `SELECT setval('todos_id_seq', 100), setval('notes_id_seq', 100)`,
];

export async function createTodoDatabase(name: string): Promise<SealedDatabase> {
  return createSealedDatabase(name, [...todoTables, ...todoRows]);
}

/** Puts the rows back that every test starts from. */
export async function resetTodos(database: SealedDatabase): Promise<void> {
  await runAsOwner(database.ownerUrl, ['TRUNCATE todos, notes', ...todoRows]);
}
