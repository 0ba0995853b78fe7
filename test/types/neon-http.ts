import { neon, type NeonQueryFunction } from '@neondatabase/serverless';
import { drizzle, type NeonHttpDatabase } from 'drizzle-orm/neon-http';
import { sql } from 'drizzle-orm';
import { withReplicas } from 'drizzle-orm/pg-core';
import { expectTypeOf } from 'vitest';

import { withAuth, type TokenInput } from '../../src/driver/neon-http.ts';
import { schema, todos } from '../support/todo-app.ts';

// Compiled by `npm run check`, never run.

const connectionString = 'postgresql://authenticated@gateway.example/app';
const plain = drizzle(neon(connectionString), { schema });
const db = withAuth(plain, {});
const handle = db.$withAuth('token');

// The handle is what the database was, but for Drizzle's own $withAuth.
expectTypeOf(handle).toEqualTypeOf<Omit<typeof plain, '$withAuth'>>();
expectTypeOf(handle).not.toBeAny();
expectTypeOf(db.$withAnonymous()).toEqualTypeOf(handle);
expectTypeOf(db.$withIdentity({ role: 'authenticated', claims: {} })).toEqualTypeOf(handle);
expectTypeOf(withAuth(plain, { mode: 'gateway', connectionString })).toEqualTypeOf(db);
expectTypeOf<Parameters<(typeof db)['$withAuth']>>().toEqualTypeOf<[token: TokenInput]>();
expectTypeOf(handle.query.todos).not.toBeAny();
expectTypeOf<(typeof handle)['batch']>().toEqualTypeOf<NeonHttpDatabase<typeof schema>['batch']>();
expectTypeOf(handle.$client).toEqualTypeOf<NeonQueryFunction<false, false>>();

export async function positives(): Promise<void> {
  const rows = await handle.query.todos.findMany({ with: { notes: true } });
  const body: string | undefined = rows[0]?.notes[0]?.body;
  const [inserted] = await handle
    .insert(todos)
    .values({ title: body ?? 'none' })
    .returning();
  const id: number | undefined = inserted?.id;
  const [all, { rows: named }, first] = await handle.batch([
    handle.select({ title: todos.title }).from(todos),
    handle.execute<{ who: string }>(sql`select auth.user_id() as who`),
    handle.query.todos.findFirst({ with: { notes: true } }),
  ]);
  expectTypeOf(all).toEqualTypeOf<{ title: string }[]>();
  expectTypeOf(named).toEqualTypeOf<{ who: string }[]>();
  expectTypeOf(first?.notes[0]?.body).toEqualTypeOf<string | undefined>();
  await db.$withAuth(Promise.resolve('token')).select().from(todos);
  await db.$withAuth(() => `${id}`).$count(todos);
}

export async function replicas(): Promise<void> {
  const person = withReplicas(db, [withAuth(plain, {})]).$withAuth('token');
  expectTypeOf(person.$replicas).toEqualTypeOf<(typeof handle)[]>();
  await person.query.todos.findMany({ with: { notes: true } });
}

export async function negatives(): Promise<void> {
  // @ts-expect-error a table that the schema does not have
  await handle.query.nowhere.findMany();
  // @ts-expect-error a column that the table does not have
  await handle.insert(todos).values({ heading: 'none' });
  // @ts-expect-error a batch takes queries
  await handle.batch(['select 1']);
  // @ts-expect-error a batch has at least one query
  await handle.batch([]);
  // @ts-expect-error a token may not be undefined
  db.$withAuth(undefined);
  // @ts-expect-error a handle is somebody already
  handle.$withAuth('token');
  // @ts-expect-error claims are needed
  db.$withIdentity({ role: 'authenticated' });
  // @ts-expect-error the gateway has to be told where it is
  withAuth(plain, { mode: 'gateway' });
  // @ts-expect-error the gateway verifies, and with its own key
  withAuth(plain, { mode: 'gateway', connectionString, key: 'key' });
  // @ts-expect-error there is no third mode
  withAuth(plain, { mode: 'proxy' });
}
