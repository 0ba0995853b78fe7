import { neon, neonConfig } from '@neondatabase/serverless';
import { sql } from 'drizzle-orm';
import { drizzle } from 'drizzle-orm/node-postgres';
import pg from 'pg';

import type { Turn } from '../../src/attacks/attack.ts';
import { answer, oneByOne, stacked, type Foothold, type Way } from '../../src/attacks/foothold.ts';
import { withAuth } from '../../src/driver/node-postgres.ts';
import { useGateway, type Gateway } from '../../src/gateway/index.ts';
import type { TestIssuer } from '../support/issuer.ts';
import type { SealedDatabase } from '../support/sealed-database.ts';

/** What each foothold of ours needs. */
export interface Served {
  readonly database: SealedDatabase;
  readonly issuer: TestIssuer;
}

/** The tokens of Alice and Mallory; Mallory is suspended. */
async function tokensOf({ issuer }: Served): Promise<(by: Turn['by']) => string> {
  const [alice, mallory] = await Promise.all([
    issuer.token('alice', { suspended: 'false' }),
    issuer.token('mallory', { suspended: 'true' }),
  ]);
  return (by) => (by === 'mallory' ? mallory : alice);
}

/** `$withAuth` over node-postgres, with SQL that is injected into a query: `sql.raw`. */
export async function nodePostgres(served: Served): Promise<Foothold> {
  const tokenOf = await tokensOf(served);
  const pool = new pg.Pool({
    connectionString: served.database.authenticatedUrl,
    max: 1,
    statement_timeout: 5000,
  });
  pool.on('error', () => {});
  const db = withAuth(drizzle({ client: pool }), {
    providers: [served.issuer.provider],
    key: served.database.authorizeKey,
  });
  return {
    ways: ['apart', 'together', 'stacked'],
    take: async (turn, way) => {
      if (turn.by === 'app') {
        return oneByOne(turn, async (text) => answer((await db.execute(sql.raw(text))).rows));
      }
      const handle = db.$withAuth(tokenOf(turn.by));
      if (way !== 'together') {
        return oneByOne(inWay(turn, way), async (text) => answer((await handle.execute(sql.raw(text))).rows));
      }
      let answers = '';
      await handle
        .transaction(async (tx) => {
          answers = await oneByOne(turn, async (text) => answer((await tx.execute(sql.raw(text))).rows));
        })
        .catch(() => {});
      return answers;
    },
    close: () => pool.end(),
  };
}

/** The gateway over HTTP, with the unmodified driver: single statements, and batches. */
export async function gatewayOverHttp(served: Served, gateway: Gateway): Promise<Foothold> {
  const tokenOf = await tokensOf(served);
  useGateway(neonConfig, gateway.url);
  const url = `postgresql://authenticated:ignored@db.example.test/${served.database.name}`;
  return {
    ways: ['apart', 'together', 'stacked'],
    take: async (turn, way) => {
      // Nobody without a token has the role.
      if (turn.by === 'app') return 'the application has no connection of its own';
      const query = neon(url, { authToken: tokenOf(turn.by) });
      if (way !== 'together') {
        return oneByOne(inWay(turn, way), async (text) => answer(await query.query(text)));
      }
      return oneByOne({ ...turn, sql: ['all of them'] }, async () =>
        answer(await query.transaction(turn.sql.map((text) => query.query(text)))),
      );
    },
    close: () => Promise.resolve(),
  };
}

function inWay(turn: Turn, way: Way): Turn {
  return way === 'stacked' ? { ...turn, sql: [stacked(turn)] } : turn;
}
