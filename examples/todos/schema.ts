import { sql } from 'drizzle-orm';
import { bigserial, boolean, index, pgPolicy, pgTable, text, timestamp } from 'drizzle-orm/pg-core';
import {
  anonymousRole,
  auth,
  authenticatedRole,
  authUid,
  deletePolicy,
  insertPolicy,
  selectPolicy,
  updatePolicy,
} from 'drizzle-authorize';

/** A todo belongs to whoever adds it; its owner may show it to everybody. */
export const todos = pgTable(
  'todos',
  {
    id: bigserial({ mode: 'number' }).primaryKey(),
    userId: text('user_id').notNull().default(auth.userId()),
    title: text().notNull(),
    done: boolean().notNull().default(false),
    isPublic: boolean('is_public').notNull().default(false),
    insertedAt: timestamp('inserted_at', { withTimezone: true }).notNull().defaultNow(),
  },
  (todo) => [
    index('todos_user_id_index').on(todo.userId),

    // A policy as drizzle-orm itself writes it takes part like any other.
    pgPolicy('view todos', {
      for: 'select',
      to: 'authenticated',
      using: sql`(select auth.user_id() = user_id)`,
    }),
    selectPolicy('view public todos', {
      to: [authenticatedRole, anonymousRole],
      using: sql`${todo.isPublic}`,
    }),
    insertPolicy('add own todos', { to: authenticatedRole, withCheck: authUid(todo.userId) }),
    updatePolicy('change own todos', { to: authenticatedRole, using: authUid(todo.userId) }),
    deletePolicy('delete own todos', { to: authenticatedRole, using: authUid(todo.userId) }),
  ],
);
