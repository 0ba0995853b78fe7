import { withAuth } from 'drizzle-authorize/node-postgres';
import { drizzle } from 'drizzle-orm/node-postgres';
import pg from 'pg';

import { todos, todosNeon, type BenchDatabase } from './database.ts';
import { person } from './drivers/ways.ts';
import { compare } from './measure.ts';
import type { Report } from './report.ts';
import { assertTwentyRows } from './twenty-rows.ts';

/** The policy that our `authUid` writes next to that of drizzle-orm/neon: 100,000 rows, twenty of them the caller's. */
export async function benchPolicy(database: BenchDatabase, report: Report, quick: boolean): Promise<void> {
  const pool = new pg.Pool({ connectionString: database.authenticatedUrl, max: 1 });
  const me = withAuth(drizzle({ client: pool }), { key: database.key }).$withIdentity(person);
  const ours = async (): Promise<unknown[]> => me.select().from(todos);
  const theirs = async (): Promise<unknown[]> => me.select().from(todosNeon);
  try {
    for (const way of [ours, theirs]) await assertTwentyRows(way);
    report.comparison({
      name: 'policy by authUid(), 100,000 rows with an index',
      alternative: "policy by drizzle-orm/neon's authUid()",
      result: await compare(ours, theirs, { rounds: quick ? 1 : 3, runs: quick ? 2 : 5 }),
      target: { atLeast: 1_000 },
    });
  } finally {
    await pool.end();
  }
}
