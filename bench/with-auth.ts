import { withAuth } from 'drizzle-authorize/node-postgres';
import { eq, sql } from 'drizzle-orm';
import { drizzle } from 'drizzle-orm/node-postgres';
import pg from 'pg';

import { people, todos, todosByHand, todosNeon, todosUnguarded, type BenchDatabase } from './database.ts';
import { startDelayingProxy } from './delaying-proxy.ts';
import { compare, type CompareOptions } from './measure.ts';
import type { Report } from './report.ts';

const person = {
  role: 'authenticated',
  claims: { sub: 'user-7', email: 'user-7@app.example', org_id: 'org_1' },
};

/** `$withAuth` next to the same query without row level security, and next to what people write by hand. */
export async function benchWithAuth(database: BenchDatabase, report: Report, quick: boolean): Promise<void> {
  for (const delayMs of [0, 5]) {
    const network = delayMs === 0 ? '' : `, ${delayMs} ms away`;
    const proxy = await startDelayingProxy(database.authenticatedUrl, delayMs);
    const through = (url: string): string => (delayMs === 0 ? url : proxy.through(url));
    const pools = [database.authenticatedUrl, database.authenticatedUrl, database.applicationUrl].map(
      (url) => new pg.Pool({ connectionString: through(url), max: 4 }),
    );
    const [own, plain, application] = pools.map((client) => drizzle({ client }));
    if (own === undefined || plain === undefined || application === undefined) throw new Error('no pool');

    const db = withAuth(own, { key: database.key });
    const me = db.$withIdentity(person);
    const ours = (): Promise<unknown[]> => me.select().from(todos);
    const unguarded = (): Promise<unknown[]> =>
      plain.select().from(todosUnguarded).where(eq(todosUnguarded.userId, 'user-7'));
    const byHand = (): Promise<unknown[]> =>
      application.transaction(async (tx) => {
        await tx.execute(
          sql`select set_config('request.jwt.claims', ${JSON.stringify(person.claims)}, true)`,
        );
        await tx.execute(sql`set local role authenticated`);
        return tx.select().from(todosByHand);
      });
    const handles = Array.from({ length: 200 }, (_, n) =>
      db.$withIdentity({ ...person, claims: { ...person.claims, sub: `user-${(n * 17) % people}` } }),
    );
    let turn = 0;
    const another = (): Promise<unknown[]> =>
      (handles[(turn += 1) % handles.length] ?? me).select().from(todos);
    try {
      for (const way of [ours, unguarded, byHand, another]) await twentyRows(way);
      const options: CompareOptions =
        delayMs === 0 ? { rounds: quick ? 5 : 30, runs: 200 } : { rounds: quick ? 2 : 5, runs: 20 };
      report.comparison({
        name: `$withAuth select${network}`,
        alternative: 'the same query with a plain where, without RLS',
        result: await compare(ours, unguarded, options),
        target: { atLeast: 1 / 1.15 },
      });
      report.comparison({
        name: `$withAuth select, another person each time${network}`,
        alternative: 'the same query with a plain where, without RLS',
        result: await compare(another, unguarded, options),
      });
      report.comparison({
        name: `$withAuth select${network}`,
        alternative: 'by hand: begin, set_config, set local role, query, commit',
        result: await compare(ours, byHand, options),
        target: { atLeast: delayMs === 0 ? 2 : 4 },
      });
    } finally {
      await Promise.all(pools.map((pool) => pool.end()));
      await proxy.close();
    }
  }
}

/** The policy that our `authUid` writes next to that of drizzle-orm/neon: 100,000 rows, twenty of them the caller's. */
export async function benchPolicy(database: BenchDatabase, report: Report, quick: boolean): Promise<void> {
  const pool = new pg.Pool({ connectionString: database.authenticatedUrl, max: 1 });
  const me = withAuth(drizzle({ client: pool }), { key: database.key }).$withIdentity(person);
  const ours = (): Promise<unknown[]> => me.select().from(todos);
  const theirs = (): Promise<unknown[]> => me.select().from(todosNeon);
  try {
    for (const way of [ours, theirs]) await twentyRows(way);
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

// What is compared must be the same answer.
async function twentyRows(way: () => Promise<unknown[]>): Promise<void> {
  const { length } = await way();
  if (length !== 20) throw new Error(`expected 20 rows, got ${length}`);
}
