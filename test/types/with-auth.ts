import { drizzle } from 'drizzle-orm/node-postgres';
import { withReplicas } from 'drizzle-orm/pg-core';
import pg from 'pg';
import { expectTypeOf } from 'vitest';

import { withAuth, type TokenInput } from '../../src/driver/node-postgres.ts';
import { authUid, insertPolicy, selectPolicy } from '../../src/index.ts';
import { schema, todos } from '../support/todo-app.ts';

// Compiled by `npm run check`, never run.

const plain = drizzle({ client: new pg.Pool(), schema });
const db = withAuth(plain, {});
const handle = db.$withAuth('token');

// The handle is exactly what the database was.
expectTypeOf(handle).toEqualTypeOf(plain);
expectTypeOf(handle).not.toBeAny();
expectTypeOf(db.$withAnonymous()).toEqualTypeOf(handle);
expectTypeOf(db.$withIdentity({ role: 'authenticated', claims: {} })).toEqualTypeOf(handle);
expectTypeOf<Parameters<(typeof db)['$withAuth']>>().toEqualTypeOf<[token: TokenInput]>();
expectTypeOf<ReturnType<(typeof db)['$withAuth']>>().toEqualTypeOf(plain);

export async function positives(): Promise<void> {
  const rows = await handle.query.todos.findMany({ with: { notes: true } });
  const title: string | undefined = rows[0]?.notes[0]?.body;
  const [inserted] = await handle
    .insert(todos)
    .values({ title: title ?? 'none' })
    .returning();
  const id: number | undefined = inserted?.id;
  await db.$withAuth(Promise.resolve('token')).select().from(todos);
  await db.$withAuth(() => `${id}`).transaction(async (tx) => tx.query.todos.findFirst());
  await db.$withIdentity({ role: 'authenticated', claims: { sub: 'alice' } }).$count(todos);
}

export async function replicas(): Promise<void> {
  const set = withReplicas(db, [withAuth(plain, {})]);
  const person = set.$withAuth('token');
  expectTypeOf(person.$primary).toEqualTypeOf(plain);
  expectTypeOf(person.$replicas).toEqualTypeOf<(typeof plain)[]>();
  await person.query.todos.findMany({ with: { notes: true } });
  // @ts-expect-error one that is somebody is not somebody else
  person.$withAuth('token');
  // @ts-expect-error it was no set
  void handle.$primary;
}

export async function negatives(): Promise<void> {
  // @ts-expect-error a table that the schema does not have
  await handle.query.nowhere.findMany();
  // @ts-expect-error a column that the table does not have
  await handle.insert(todos).values({ heading: 'none' });
  // @ts-expect-error a token may not be undefined
  db.$withAuth(undefined);
  // @ts-expect-error a handle is somebody already
  handle.$withAuth('token');
  // @ts-expect-error only a pooler of transactions needs to be known
  withAuth(plain, { pooler: 'session' });
  // @ts-expect-error claims are needed
  db.$withIdentity({ role: 'authenticated' });
}

const using = authUid(todos.userId);
selectPolicy('right', { to: 'authenticated', using });
// @ts-expect-error a select policy checks no new rows
selectPolicy('wrong', { to: 'authenticated', using, withCheck: using });
// @ts-expect-error an insert policy has no rows to start from
insertPolicy('wrong', { to: 'authenticated', using, withCheck: using });
// @ts-expect-error a policy without an expression lets nobody through
selectPolicy('wrong', { to: 'authenticated' });
// @ts-expect-error whom it is for must be said
selectPolicy('wrong', { using });
