import { Pool } from '@neondatabase/serverless';
import { sql } from 'drizzle-orm';
import { drizzle } from 'drizzle-orm/neon-serverless';
import { withAuth, type TokenInput } from 'drizzle-authorize/neon-serverless';
import { expectTypeOf } from 'vitest';

import { relationalConfig } from '../drizzle-line.ts';
import { notes, todos } from './todo-tables.ts';

// Compiled by `npm run check`, never run.

const { relations } = relationalConfig({ todos, notes });
const plain = drizzle({ client: new Pool(), relations });
const db = withAuth(plain, {});
const handle = db.$withAuth('token');

// The handle is exactly what the database was.
expectTypeOf(handle).toEqualTypeOf(plain);
expectTypeOf(handle).not.toBeAny();
expectTypeOf(handle.query.todos).not.toBeAny();
expectTypeOf(handle.$client).toEqualTypeOf<Pool>();
expectTypeOf(db.$withAnonymous()).toEqualTypeOf(plain);
expectTypeOf(db.$withIdentity({ role: 'authenticated', claims: {} })).toEqualTypeOf(plain);
expectTypeOf<Parameters<(typeof db)['$withAuth']>>().toEqualTypeOf<[token: TokenInput]>();

export async function positives(): Promise<void> {
  const rows = await handle.query.todos.findMany({ with: { notes: true } });
  const body: string | undefined = rows[0]?.notes[0]?.body;
  const [inserted] = await handle
    .insert(todos)
    .values({ title: body ?? 'none' })
    .returning();
  const id: number | undefined = inserted?.id;
  const first = await db
    .$withAuth(() => `${id}`)
    .transaction(async (tx) => tx.query.todos.findFirst({ with: { notes: true } }), {
      isolationLevel: 'serializable',
    });
  expectTypeOf(first?.notes[0]?.body).toEqualTypeOf<string | undefined>();
  const { rows: named } = await handle.execute<{ who: string }>(sql`select auth.user_id() as who`);
  expectTypeOf(named).toEqualTypeOf<{ who: string }[]>();
  await db.$withAuth(Promise.resolve('token')).select().from(todos);
  await db.$withIdentity({ role: 'authenticated', claims: { sub: 'alice' } }).$count(todos);
}

export async function negatives(): Promise<void> {
  // @ts-expect-error a table that the schema does not have
  await handle.query.nowhere.findMany();
  // @ts-expect-error a relation that the table does not have
  await handle.query.todos.findMany({ with: { owner: true } });
  // @ts-expect-error a column that the table does not have
  await handle.insert(todos).values({ heading: 'none' });
  // @ts-expect-error a token may not be undefined
  db.$withAuth(undefined);
  // @ts-expect-error a handle is somebody already
  handle.$withAuth('token');
  // @ts-expect-error claims are needed
  db.$withIdentity({ role: 'authenticated' });
  // @ts-expect-error there is one way only, over the WebSocket
  withAuth(plain, { mode: 'direct' });
}
