import pg from 'pg';

import { quoteIdentifier } from '../database/quote-identifier.ts';
import type { Turn } from './attack.ts';
import { answer, oneByOne, stacked, type Foothold, type Way } from './foothold.ts';

export interface HandwrittenOptions {
  /** Which role the transaction sets; null where the login is it already, or inherits from it. Default: `authenticated`. */
  readonly role?: string | null;
  /** How the transaction ends: `ROLLBACK` leaves nothing that a transaction takes back. Default: `COMMIT`. */
  readonly end?: 'COMMIT' | 'ROLLBACK';
}

/**
 * The pattern that people write by hand, over a pool of node-postgres: a transaction with the claims in a setting and
 * `SET LOCAL ROLE`, and the SQL of the request in it.
 *
 * @param login the URL that the pool logs in with
 */
export function handwritten(
  login: string,
  { role = 'authenticated', end = 'COMMIT' }: HandwrittenOptions = {},
): Foothold {
  const pool = new pg.Pool({ connectionString: login, max: 1, statement_timeout: 5000 });
  pool.on('error', () => {});
  const take = async (turn: Turn, way: Way): Promise<string> => {
    const client = await pool.connect();
    let broken = false;
    client.once('error', () => {
      broken = true;
    });
    const run = async (text: string): Promise<string> => answerOf(await client.query(text));
    try {
      if (turn.by === 'app') return await oneByOne(turn, run);
      await client.query('BEGIN');
      await client.query(`SELECT set_config('request.jwt.claims', $1, true)`, [
        JSON.stringify({ sub: turn.by, suspended: String(turn.by === 'mallory') }),
      ]);
      if (role !== null) await client.query(`SET LOCAL ROLE ${quoteIdentifier(role)}`);
      return await oneByOne(way === 'stacked' ? { ...turn, sql: [stacked(turn)] } : turn, run);
    } finally {
      if (turn.by !== 'app') await client.query(end).catch(() => {});
      client.release(broken);
    }
  };
  return { ways: ['together', 'stacked'], take, close: () => pool.end() };
}

function answerOf(result: pg.QueryResult | readonly pg.QueryResult[]): string {
  return answer(Array.isArray(result) ? result.map(({ rows }) => rows) : (result as pg.QueryResult).rows);
}
