import { drizzle, type PostgresJsDatabase } from 'drizzle-orm/postgres-js';
import { sql } from 'drizzle-orm';
import postgres, { type Row, type RowList, type Sql } from 'postgres';
import { expectTypeOf } from 'vitest';

import { withAuth, type TokenInput } from '../../src/driver/postgres-js.ts';
import { schema, todos } from '../support/todo-app.ts';

// Compiled by `npm run check`, never run.

const plain = drizzle({ client: postgres('postgres://127.0.0.1/app'), schema });
const db = withAuth(plain, { prepare: false });
const handle = db.$withAuth('token');

// The handle is exactly what the database was.
expectTypeOf(handle).toEqualTypeOf(plain);
expectTypeOf(handle).not.toBeAny();
expectTypeOf(db.$withAnonymous()).toEqualTypeOf(handle);
expectTypeOf(db.$withIdentity({ role: 'authenticated', claims: {} })).toEqualTypeOf(handle);
expectTypeOf<Parameters<(typeof db)['$withAuth']>>().toEqualTypeOf<[token: TokenInput]>();
expectTypeOf(handle.query.todos).not.toBeAny();
expectTypeOf<(typeof handle)['transaction']>().toEqualTypeOf<
  PostgresJsDatabase<typeof schema>['transaction']
>();
expectTypeOf(handle.$client).toEqualTypeOf<Sql>();

export async function positives(): Promise<void> {
  const rows = await handle.query.todos.findMany({ with: { notes: true } });
  const body: string | undefined = rows[0]?.notes[0]?.body;
  const [inserted] = await handle
    .insert(todos)
    .values({ title: body ?? 'none' })
    .returning();
  const id: number | undefined = inserted?.id;
  const named = await handle.execute<{ who: string }>(sql`select auth.user_id() as who`);
  expectTypeOf(named).toEqualTypeOf<RowList<{ who: string }[]>>();
  expectTypeOf(await handle.$client`select 1`).toEqualTypeOf<RowList<Row[]>>();
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
}
