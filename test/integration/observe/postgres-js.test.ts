import { sql } from 'drizzle-orm';
import { drizzle } from 'drizzle-orm/postgres-js';
import postgres from 'postgres';
import { afterAll, beforeAll, expect, it } from 'vitest';

import { withAuth } from '../../../src/driver/postgres-js.ts';
import type { AuthorizeEvent } from '../../../src/observe.ts';
import { createIssuer, type TestIssuer } from '../../support/issuer.ts';
import type { SealedDatabase } from '../../support/sealed-database.ts';
import { createTodoDatabase, relational, todos } from '../../support/todo-app.ts';

let database: SealedDatabase;
let issuer: TestIssuer;
let client: postgres.Sql;

beforeAll(async () => {
  database = await createTodoDatabase('observe_postgres_js');
  issuer = await createIssuer();
  client = postgres(database.authenticatedUrl, { max: 2 });
});

afterAll(async () => {
  await client.end();
  await database.drop();
});

it('postgres.js tells each statement once, with who asked and how it ended', async () => {
  const events: AuthorizeEvent[] = [];
  const db = withAuth(drizzle({ client, ...relational }), {
    providers: [issuer.provider],
    key: database.authorizeKey,
    observe: (event) => events.push(event),
  });
  const alice = await issuer.token('alice', { email: 'alice@example.test' });
  const handle = db.$withAuth(alice);
  const stranger = db.$withAuth(`${alice}x`);
  await handle.select().from(todos);
  await handle.delete(todos);
  await handle.$client`select ${'a secret'}::text`;
  await handle.transaction(
    async (tx) => {
      await tx.insert(todos).values({ title: 'one more' });
      await tx.transaction((inner) => inner.select().from(todos));
    },
    { isolationLevel: 'serializable' },
  );
  await handle.transaction((tx) => tx.execute(sql`select 1 / 0`)).catch(() => {});
  await handle.transaction(() => Promise.resolve());
  await handle.execute(sql`listen x`).catch(() => {});
  await handle
    .insert(todos)
    .values({ userId: 'bob', title: 'x' })
    .catch(() => {});
  await stranger
    .select()
    .from(todos)
    .catch(() => {});
  await stranger.transaction((tx) => tx.select().from(todos)).catch(() => {});

  const query = (statement: string, rows: number | null) => ({
    type: 'query',
    statement,
    rows,
    subject: 'alice',
  });
  const refused = (statement: string, code: string, subject: string | undefined) => ({
    type: 'refusal',
    statement,
    code,
    subject,
  });
  const told = events.map(({ durationMs, ...event }, index) => {
    expect(durationMs).toBeGreaterThan(0);
    return { ...event, subject: events[index]?.subject };
  });
  expect(told).toEqual(
    [
      query('SELECT', 2),
      query('DELETE', 2),
      query('SELECT', 1),
      query('BEGIN', null),
      query('INSERT', 1),
      query('SAVEPOINT', null),
      query('SELECT', 1),
      query('COMMIT', null),
      query('BEGIN', null),
      refused('SELECT', '22012', 'alice'),
      query('ROLLBACK', null),
      refused('LISTEN', 'ERR_STATEMENT_REFUSED', undefined),
      refused('INSERT', '42501', 'alice'),
      refused('SELECT', 'ERR_TOKEN_SIGNATURE', undefined),
      refused('BEGIN', 'ERR_TOKEN_SIGNATURE', undefined),
    ].map((event) => ({ entry: 'postgres-js', role: 'authenticated', ...event })),
  );
  expect(JSON.stringify(events)).not.toMatch(/alice|secret|eyJ/u);
});
