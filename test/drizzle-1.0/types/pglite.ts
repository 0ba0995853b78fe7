import { sql } from 'drizzle-orm';
import { drizzle, type PgliteDatabase } from 'drizzle-orm/pglite';
import { withReplicas } from 'drizzle-orm/pg-core';
import { withAuth, type TokenInput } from 'drizzle-authorize/pglite';
import { PGlite, type Results } from '@electric-sql/pglite';
import { expectTypeOf } from 'vitest';

import { relationalConfig } from '../drizzle-line.ts';
import { notes, todos } from './todo-tables.ts';

// Compiled by `npm run check`, never run.

const { relations } = relationalConfig({ todos, notes });
const plain = drizzle({ client: new PGlite(), relations });
const db = withAuth(plain, {});
const handle = db.$withAuth('token');

// The handle is exactly what the database was.
expectTypeOf(handle).toEqualTypeOf(plain);
expectTypeOf(handle).not.toBeAny();
expectTypeOf(handle).toExtend<PgliteDatabase<typeof relations>>();
expectTypeOf(handle.query.todos).not.toBeAny();
expectTypeOf(handle.$client).toEqualTypeOf<PGlite>();
expectTypeOf(db.$withAnonymous()).toEqualTypeOf(handle);
expectTypeOf(db.$withIdentity({ role: 'authenticated', claims: {} })).toEqualTypeOf(handle);
expectTypeOf<Parameters<(typeof db)['$withAuth']>>().toEqualTypeOf<[token: TokenInput]>();
expectTypeOf<ReturnType<(typeof db)['$withAuth']>>().toEqualTypeOf(plain);

export async function positives(): Promise<void> {
  const rows = await handle.query.todos.findMany({ where: { done: false }, with: { notes: true } });
  const body: string | undefined = rows[0]?.notes[0]?.body;
  const [inserted] = await handle
    .insert(todos)
    .values({ title: body ?? 'none' })
    .returning();
  expectTypeOf(inserted?.id).toEqualTypeOf<number | undefined>();
  const named = await handle.execute<{ who: string }>(sql`select auth.user_id() as who`);
  expectTypeOf(named).toEqualTypeOf<Results<{ who: string }>>();
  await db.$withAuth(Promise.resolve('token')).select().from(todos);
  await db
    .$withAuth(() => `${inserted?.id}`)
    .transaction(async (tx) => {
      expectTypeOf(tx).not.toBeAny();
      const first = await tx.query.todos.findFirst({ with: { notes: true } });
      expectTypeOf(first?.notes[0]?.body).toEqualTypeOf<string | undefined>();
    });
  await db.$withIdentity({ role: 'authenticated', claims: { sub: 'alice' } }).$count(todos);
}

export async function replicas(): Promise<void> {
  const set = withReplicas(db, [withAuth(plain, {})]);
  const person = set.$withAuth('token');
  expectTypeOf(person.$replica).toEqualTypeOf(plain);
  expectTypeOf(person.$replicas).toEqualTypeOf<(typeof plain)[]>();
  expectTypeOf(await person.$replica.select({ title: todos.title }).from(todos)).toEqualTypeOf<
    { title: string }[]
  >();
  await person.insert(todos).values({ title: 'none' });
  // @ts-expect-error one that is somebody is not somebody else
  person.$replica.$withAuth('token');
  // @ts-expect-error it was no set
  void handle.$replica;
}

export async function negatives(): Promise<void> {
  // @ts-expect-error a table that the schema does not have
  await handle.query.nowhere.findMany();
  // @ts-expect-error a relation that the table does not have
  await handle.query.todos.findMany({ with: { comments: true } });
  // @ts-expect-error a column that the table does not have
  await handle.query.todos.findMany({ where: { heading: 'none' } });
  // @ts-expect-error a column that the table does not have
  await handle.insert(todos).values({ heading: 'none' });
  // @ts-expect-error a token may not be undefined
  db.$withAuth(undefined);
  // @ts-expect-error a handle is somebody already
  handle.$withAuth('token');
  // @ts-expect-error claims are needed
  db.$withIdentity({ role: 'authenticated' });
}
