import { neon, neonConfig } from '@neondatabase/serverless';
import { drizzle } from 'drizzle-orm/node-postgres';
import pg from 'pg';

import { isAuthorizeError } from '../../../src/errors.ts';
import { withAuth } from '../../../src/driver/node-postgres.ts';
import { createGateway, useGateway } from '../../../src/gateway/index.ts';
import type { Provider } from '../../../src/jwt/index.ts';
import type { SealedDatabase } from '../../support/sealed-database.ts';
import { relational, todos } from '../../support/todo-app.ts';

/** The two ways a token gets to the database: in the application's process, and through a gateway. */
export interface Doors {
  readonly all: readonly Door[];
  close(): Promise<void>;
}

interface Door {
  readonly name: string;
  /** Adds a todo as the person of the token. */
  add(token: string, title: string): Promise<void>;
  /** The titles of the todos that the person sees, and whose the database says that they are. */
  see(token: string): Promise<Seen>;
}

interface Seen {
  readonly user: string;
  readonly titles: readonly string[];
}

/** Opens both to the todos of a database, each with a verifier of its own. */
export async function openDoors(database: SealedDatabase, providers: readonly Provider[]): Promise<Doors> {
  const pool = new pg.Pool({ connectionString: database.authenticatedUrl, max: 5 });
  const db = withAuth(drizzle({ client: pool, ...relational }), { providers, key: database.authorizeKey });
  const gateway = await createGateway({
    connections: { authenticated: database.authenticatedUrl },
    providers: [...providers],
    key: database.authorizeKey,
    port: 0,
  });
  useGateway(neonConfig, gateway.url);
  const url = `postgresql://authenticated@gateway.example.test/${database.name}`;
  const query = `select auth.user_id() as user, array(select title from todos order by title) as titles`;
  return {
    all: [
      {
        name: '$withAuth',
        add: async (token, title) => {
          await db.$withAuth(token).insert(todos).values({ title });
        },
        see: async (token) => (await db.$withAuth(token).execute<Row>(query)).rows.map(toSeen)[0] ?? nobody,
      },
      {
        name: 'the gateway',
        add: async (token, title) => {
          await neon(url, { authToken: token })`insert into todos (title) values (${title})`;
        },
        see: async (token) => {
          const rows = (await neon(url, { authToken: token }).query(query)) as Row[];
          return rows.map(toSeen)[0] ?? nobody;
        },
      },
    ],
    close: async () => {
      await gateway.close();
      await pool.end();
    },
  };
}

type Row = Record<string, unknown> & Seen;

const nobody: Seen = { user: '', titles: [] };

function toSeen({ user, titles }: Row): Seen {
  return { user, titles };
}

/** What a question was refused for: the code, or from the gateway, which has no such code for drivers, the words. `accepted` if it was not. */
export async function answerTo(asked: Promise<unknown>): Promise<string> {
  try {
    await asked;
    return 'accepted';
  } catch (error) {
    const refusal = error instanceof Error && error.cause instanceof Error ? error.cause : error;
    return isAuthorizeError(refusal) ? `${refusal.code}: ${refusal.message}` : String(refusal);
  }
}
