import { randomBytes } from 'node:crypto';

import { authUid } from 'drizzle-authorize';
import { sql, type SQL } from 'drizzle-orm';
import { authUid as neonAuthUid } from 'drizzle-orm/neon';
import { bigserial, boolean, index, PgDialect, pgTable, text } from 'drizzle-orm/pg-core';
import pg from 'pg';

import { startEmbeddedCluster } from '../src/embedded/cluster.ts';
import { preludeStatements } from '../src/database/prelude.ts';
import { setup } from '../src/database/setup.ts';
import { generateAuthorizeKey } from '../src/session/seal-key.ts';

const rows = 100_000;
/** So that everybody has twenty rows. */
export const people = 5_000;

/** The same table four times; what differs is who guards the rows, and how. */
export const todos = table('todos');
export const todosUnguarded = table('todos_unguarded');
export const todosByHand = table('todos_by_hand');
export const todosNeon = table('todos_neon');

function table(name: string) {
  return pgTable(
    name,
    {
      id: bigserial({ mode: 'number' }).primaryKey(),
      userId: text('user_id').notNull(),
      title: text().notNull(),
      done: boolean().notNull(),
    },
    (t) => [index().on(t.userId)],
  );
}

const policies: readonly (readonly [ReturnType<typeof table>, SQL])[] = [
  [todos, authUid(todos.userId)],
  [todosNeon, neonAuthUid(todosNeon.userId)],
  [
    todosByHand,
    sql`(select current_setting('request.jwt.claims', true)::json ->> 'sub') = ${todosByHand.userId}`,
  ],
];

export interface BenchDatabase {
  readonly version: string;
  readonly key: string;
  /** Logged in as the identity role. */
  readonly authenticatedUrl: string;
  /** Logged in as a role that may `SET ROLE authenticated`, as people set it up by hand. */
  readonly applicationUrl: string;
  stop(): Promise<void>;
}

/** A real PostgreSQL with 100,000 rows a table and an index on the user, for this run alone. */
export async function startBenchDatabase(): Promise<BenchDatabase> {
  const cluster = await startEmbeddedCluster();
  try {
    const client = new pg.Client({ connectionString: cluster.ownerUrl });
    await client.connect();
    const password = randomBytes(16).toString('hex');
    for (const statement of benchStatements(password)) await client.query(statement);
    const version = await client.query<{ server_version: string }>('SHOW server_version');
    await client.end();

    const key = generateAuthorizeKey();
    const { roles } = await setup({ ownerUrl: cluster.ownerUrl, key });
    const application = new URL(cluster.ownerUrl);
    application.username = 'application';
    application.password = password;
    return {
      version: version.rows[0]?.server_version ?? '',
      key,
      authenticatedUrl: roles.find(({ role }) => role === 'authenticated')?.url ?? '',
      applicationUrl: application.href,
      stop: () => cluster.stop(),
    };
  } catch (error) {
    await cluster.stop();
    throw error;
  }
}

/** What makes the tables, their rows and who may read them. */
export function benchStatements(password: string): readonly string[] {
  const dialect = new PgDialect();
  const names = ['todos', 'todos_unguarded', 'todos_by_hand', 'todos_neon'];
  return [
    ...preludeStatements(['authenticated', 'anonymous']),
    `CREATE ROLE application LOGIN NOINHERIT PASSWORD '${password}'`,
    'GRANT authenticated TO application',
    ...names.flatMap((name) => [
      `CREATE TABLE ${name} (id bigserial PRIMARY KEY, user_id text NOT NULL, title text NOT NULL, done boolean NOT NULL)`,
      `INSERT INTO ${name} (user_id, title, done)
        SELECT 'user-' || n % ${people}, 'what is to be done, no. ' || n, n % 3 = 0 FROM generate_series(1, ${rows}) AS n`,
      `CREATE INDEX ON ${name} (user_id)`,
      `GRANT SELECT ON ${name} TO authenticated, application`,
    ]),
    ...policies.flatMap(([guarded, using]) => {
      const name = dialect.sqlToQuery(sql`${guarded}`).sql;
      return [
        `ALTER TABLE ${name} ENABLE ROW LEVEL SECURITY`,
        `CREATE POLICY own ON ${name} FOR SELECT TO authenticated USING (${dialect.sqlToQuery(using.inlineParams()).sql})`,
      ];
    }),
    'VACUUM ANALYZE',
  ];
}
