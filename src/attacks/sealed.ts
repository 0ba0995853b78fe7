import { sql } from 'drizzle-orm';
import { drizzle } from 'drizzle-orm/node-postgres';
import pg from 'pg';

import { withAuth } from '../driver/node-postgres.ts';
import type { Turn } from './attack.ts';
import { answer, failure, oneByOne, type Foothold } from './foothold.ts';

export interface SealedOptions {
  /** The identity role, which the login is. */
  readonly role: string;
  /** `AUTHORIZE_KEY`. */
  readonly key: string;
  /** How each turn's transaction ends. */
  readonly end: 'COMMIT' | 'ROLLBACK';
}

/** `$withAuth` over node-postgres, with SQL that is injected into the queries of one transaction a turn. */
export function sealed(login: string, { role, key, end }: SealedOptions): Foothold {
  const pool = new pg.Pool({ connectionString: login, max: 1, statement_timeout: 5000 });
  pool.on('error', () => {});
  const db = withAuth(drizzle({ client: pool }), { role, key });
  const take = async (turn: Turn): Promise<string> => {
    if (turn.by === 'app')
      return oneByOne(turn, async (text) => answer((await db.execute(sql.raw(text))).rows));
    const claims = { sub: turn.by, suspended: String(turn.by === 'mallory') };
    let answers: string | undefined;
    try {
      await db.$withIdentity({ role, claims }).transaction(async (tx) => {
        answers = await oneByOne(turn, async (text) => answer((await tx.execute(sql.raw(text))).rows));
        if (end === 'ROLLBACK') tx.rollback();
      });
    } catch (error) {
      // The statements have told what they have to say; what fails then is how the transaction ends.
      return answers ?? failure(error);
    }
    return answers ?? '';
  };
  return { ways: ['together'], take, close: () => pool.end() };
}
