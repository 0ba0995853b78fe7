import { customKeys } from 'drizzle-authorize/jwt';
import { withAuth } from 'drizzle-authorize/node-postgres';
import { relations } from 'drizzle-orm';
import { drizzle } from 'drizzle-orm/node-postgres';
import { bigint, bigserial, pgTable, text } from 'drizzle-orm/pg-core';
import { exportJWK, generateKeyPair } from 'jose';
import pg from 'pg';

import { compare } from './measure.ts';
import type { Report } from './report.ts';

const issuer = 'https://id.example';
const schema = schemaOf(100);

/**
 * What a request pays for its handle before it asks anything: `$withAuth` itself, with a schema of a hundred tables, next to
 * a database made anew.
 */
export async function benchHandle(report: Report, quick: boolean): Promise<void> {
  const { publicKey } = await generateKeyPair('ES256');
  const pool = new pg.Pool();
  const keys = { ...(await exportJWK(publicKey)), kid: 'bench', alg: 'ES256', use: 'sig' };
  const db = withAuth(drizzle({ client: pool, schema }), {
    // Of no use, and never used: nothing is asked.
    key: 'AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8',
    providers: [customKeys({ keys, issuer, audience: issuer, algorithms: ['ES256'] })],
  });
  const anew = () => drizzle({ client: pool, schema });
  const options = { rounds: quick ? 3 : 10, runs: quick ? 100 : 500 };
  const alternative = 'drizzle(client, { schema }) anew';
  report.comparison({
    name: '$withAuth(token) itself, 100 tables',
    alternative,
    result: await compare(
      () => Promise.resolve(db.$withAuth('token')),
      () => Promise.resolve(anew()),
      options,
    ),
    target: { underUs: 20 },
  });
  report.comparison({
    name: '$withAuth(token), and query of one of 100 tables',
    alternative,
    result: await compare(
      () => Promise.resolve(Reflect.get(db.$withAuth('token').query, 'table42')),
      () => Promise.resolve(Reflect.get(anew().query, 'table42')),
      options,
    ),
    target: { underUs: 20 },
  });
  await pool.end();
}

/** Tables that each belong to the one before. */
function schemaOf(tables: number) {
  const made = Array.from({ length: tables }, (_, n) =>
    pgTable(`table_${n}`, {
      id: bigserial({ mode: 'number' }).primaryKey(),
      userId: text('user_id').notNull(),
      before: bigint({ mode: 'number' }),
    }),
  );
  const related = made.map((table, n) => {
    const before = made[n - 1] ?? table;
    return relations(table, ({ one }) => ({
      belongsTo: one(before, { fields: [table.before], references: [before.id] }),
    }));
  });
  return {
    ...Object.fromEntries(made.map((table, n) => [`table${n}`, table])),
    ...Object.fromEntries(related.map((relation, n) => [`relations${n}`, relation])),
  };
}
