import { and, count, eq, sql, type SQL } from 'drizzle-orm';
import type { PgDatabase, PgQueryResultHKT } from 'drizzle-orm/pg-core';

import { people, todos, todosByHand, todosUnguarded } from '../database.ts';
import type { Work } from '../measure.ts';

/** The same work in four ways, each of which gives the person's twenty rows. */
export interface Ways {
  readonly ours: Work;
  /** Drizzle with a `where`, and without row level security. */
  readonly plain: Work;
  /** What the PostgreSQL manual comes to: begin, set_config, set local role, the work, commit. */
  readonly byHand?: Work;
  /** What is copied from one project to the next: by hand, and a reset in `finally`. */
  readonly copied?: Work;
}

/** A Drizzle database of any driver. */
export type Database = PgDatabase<PgQueryResultHKT>;

interface Identities {
  $withIdentity(identity: typeof person): Database;
}

export interface Databases {
  /** That of the driver's `withAuth()`. */
  readonly ours: Identities;
  /** Logged in as the identity role, to which the unguarded table is granted. */
  readonly plain: Database;
  /** Logged in as a role that may `SET ROLE authenticated`. */
  readonly application: Database;
  /** Whether several statements can be sent as one, as copied code does. Default: true. */
  readonly takesSeveral?: boolean;
}

export const person = {
  role: 'authenticated',
  claims: { sub: 'user-7', email: 'user-7@app.example', org_id: 'org_1' },
};

export const own = eq(todosUnguarded.userId, person.claims.sub);

type Todos = typeof todos;

/** One indexed select. */
export const one = (db: Pick<Database, 'select'>, table: Todos, where?: SQL) =>
  db.select().from(table).where(where);

/** Three statements, the first of which is that select. */
export const three = (db: Pick<Database, 'select'>, table: Todos, where?: SQL) =>
  [
    one(db, table, where),
    db
      .select({ title: table.title })
      .from(table)
      .where(and(where, eq(table.done, true))),
    db.select({ all: count() }).from(table).where(where),
  ] as const;

/** One statement after the other; gives the rows of the first. */
async function threeInTurn(db: Pick<Database, 'select'>, table: Todos, where?: SQL): Promise<unknown[]> {
  const [first, second, third] = three(db, table, where);
  const rows = await first;
  await second;
  await third;
  return rows;
}

export const setClaims = sql`select set_config('request.jwt.claims', ${JSON.stringify(person.claims)}, true)`;
export const setRole = sql`set local role authenticated`;

// As github.com/rphlmr/drizzle-supabase-rls writes it, from where it is copied: the token goes in as text.
const set = [
  sql.raw(`select set_config('request.jwt.claims', '${JSON.stringify(person.claims)}', true)`),
  sql.raw(`select set_config('request.jwt.claim.sub', '${person.claims.sub}', true)`),
  sql.raw('set local role authenticated'),
];
const reset = [
  sql.raw(`select set_config('request.jwt.claims', null, true)`),
  sql.raw(`select set_config('request.jwt.claim.sub', null, true)`),
  sql.raw('reset role'),
];

/** One select, and a transaction of three. */
export function waysOf({ ours, plain, application, takesSeveral = true }: Databases): {
  readonly select: Ways;
  readonly another: Ways;
  readonly transaction: Ways;
} {
  const me = ours.$withIdentity(person);
  const handles = Array.from({ length: 200 }, (_, n) =>
    ours.$withIdentity({ ...person, claims: { ...person.claims, sub: `user-${(n * 17) % people}` } }),
  );
  let turn = 0;
  const somebody = (): Database => handles[(turn += 1) % handles.length] ?? me;

  type Step = (tx: Pick<Database, 'select'>) => PromiseLike<unknown[]>;
  const byHand = (work: Step) => (): Promise<unknown[]> =>
    application.transaction(async (tx) => {
      await tx.execute(setClaims);
      await tx.execute(setRole);
      return work(tx);
    });
  const run = async (tx: Pick<Database, 'execute'>, statements: readonly SQL[]): Promise<void> => {
    const sent = takesSeveral ? [sql.join([...statements], sql.raw('; '))] : statements;
    for (const statement of sent) await tx.execute(statement);
  };
  const copied = (work: Step) => (): Promise<unknown[]> =>
    application.transaction(async (tx) => {
      try {
        await run(tx, set);
        return await work(tx);
      } finally {
        await run(tx, reset);
      }
    });
  const plainSelect = async (): Promise<unknown[]> => one(plain, todosUnguarded, own);
  const select: Step = (tx) => one(tx, todosByHand);
  const transaction: Step = (tx) => threeInTurn(tx, todosByHand);
  return {
    select: {
      ours: async () => one(me, todos),
      plain: plainSelect,
      byHand: byHand(select),
      copied: copied(select),
    },
    another: { ours: async () => one(somebody(), todos), plain: plainSelect },
    transaction: {
      ours: () => me.transaction((tx) => threeInTurn(tx, todos)),
      plain: () => plain.transaction((tx) => threeInTurn(tx, todosUnguarded, own)),
      byHand: byHand(transaction),
      copied: copied(transaction),
    },
  };
}
