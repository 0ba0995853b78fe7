import { drizzle, type PgliteDatabase } from 'drizzle-orm/pglite';
import { sql } from 'drizzle-orm';
import { PGlite, type Results } from '@electric-sql/pglite';
import { expectTypeOf } from 'vitest';

import { setup, withAuth, type TokenInput } from '../../src/driver/pglite.ts';
import { schema, todos } from '../support/todo-app.ts';

// Compiled by `npm run check`, never run.

const plain = drizzle({ client: new PGlite(), schema });
const db = withAuth(plain, { key: await setup(plain.$client) });
const handle = db.$withAuth('token');

// The handle is exactly what the database was.
expectTypeOf(handle).toEqualTypeOf(plain);
expectTypeOf(handle).not.toBeAny();
expectTypeOf(db.$withAnonymous()).toEqualTypeOf(handle);
expectTypeOf(db.$withIdentity({ role: 'authenticated', claims: {} })).toEqualTypeOf(handle);
expectTypeOf<Parameters<(typeof db)['$withAuth']>>().toEqualTypeOf<[token: TokenInput]>();
expectTypeOf(handle.query.todos).not.toBeAny();
expectTypeOf<(typeof handle)['transaction']>().toEqualTypeOf<PgliteDatabase<typeof schema>['transaction']>();
expectTypeOf(handle.$client).toEqualTypeOf<PGlite>();

export async function positives(): Promise<void> {
  const rows = await handle.query.todos.findMany({ with: { notes: true } });
  const body: string | undefined = rows[0]?.notes[0]?.body;
  const [inserted] = await handle
    .insert(todos)
    .values({ title: body ?? 'none' })
    .returning();
  const id: number | undefined = inserted?.id;
  const named = await handle.execute<{ who: string }>(sql`select auth.user_id() as who`);
  expectTypeOf(named).toEqualTypeOf<Results<{ who: string }>>();
  await db.$withAuth(Promise.resolve('token')).select().from(todos);
  const first = await db.$withAuth(() => `${id}`).transaction(async (tx) => tx.query.todos.findFirst());
  expectTypeOf(first?.title).toEqualTypeOf<string | undefined>();
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
  // @ts-expect-error claims are needed
  db.$withIdentity({ role: 'authenticated' });
  // @ts-expect-error there is no third kind of statements
  withAuth(plain, { statements: 'all' });
  // @ts-expect-error there is one login
  withAuth(plain, { anonymous: plain });
  // @ts-expect-error it is a superuser's
  withAuth(plain, { allowPrivilegedLogin: true });
}
