import { neon } from '@neondatabase/serverless';
import { sql, type SQL } from 'drizzle-orm';
import { drizzle } from 'drizzle-orm/neon-http';
import { integer, pgTable, text } from 'drizzle-orm/pg-core';

import { answer, failure } from '../../src/attacks/foothold.ts';
import { withAuth } from '../../src/driver/neon-http.ts';
import type { Gateway } from '../../src/gateway/index.ts';
import { atHost, serveHost } from '../support/neon-hosts.ts';
import type { Served } from './footholds.ts';

const notes = pgTable('attacked_notes', { id: integer(), code: text(), body: text() });
const read = sql`select body from attacked_notes`;

interface Prepared {
  execute(): Promise<unknown>;
}

/** What is used of a handle, Drizzle's own or ours. */
interface Handle {
  execute(query: SQL): Promise<unknown>;
  batch(queries: readonly unknown[]): Promise<unknown>;
  insert(table: typeof notes): { values(row: object): { returning(): { prepare(): Prepared } } };
}

interface Handles {
  $withAuth(token: string): Handle;
  execute(query: SQL): Promise<unknown>;
}

interface Tokens {
  readonly alice: string;
  readonly mallory: string;
}

/** A way to use handles of two people at once, with what one of them must never get. */
export interface MixUp {
  readonly id: string;
  readonly name: string;
  run(db: Handles, tokens: Tokens): Promise<unknown>;
  /** Found in the answer when it has gone wrong. */
  readonly proof: RegExp;
}

/** A token that goes astray between two people who use one database object: no SQL of an attacker is needed. */
export const mixUps: readonly MixUp[] = [
  {
    id: 'M01',
    name: 'a query goes out with the token of whoever asked for a handle after it was written',
    run: (db, { alice, mallory }) => {
      const ofMallory = db.$withAuth(mallory);
      db.$withAuth(alice);
      return ofMallory.execute(read);
    },
    proof: /alicesecret/,
  },
  {
    id: 'M02',
    name: 'a query of nobody goes out with the token of whoever asked for a handle before',
    run: (db, { alice }) => {
      db.$withAuth(alice);
      return db.execute(read);
    },
    proof: /alicesecret/,
  },
  {
    id: 'M03',
    name: 'of queries at the same time all go out with the token of the last',
    run: async (db, { alice, mallory }) => {
      const [ofMallory] = await Promise.all([
        db.$withAuth(mallory).execute(read),
        db.$withAuth(alice).execute(read),
      ]);
      return ofMallory;
    },
    proof: /alicesecret/,
  },
  {
    id: 'M04',
    name: 'a batch goes out without a token',
    run: (db, { alice }) => {
      const handle = db.$withAuth(alice);
      return handle.batch([handle.execute(read)]);
    },
    proof: /^(?!.*alicesecret)/,
  },
  {
    id: 'M05',
    name: 'a prepared INSERT goes out without a token',
    run: (db, { alice }) =>
      db
        .$withAuth(alice)
        .insert(notes)
        .values({ id: 605, body: 'prepared', code: 'M-5' })
        .returning()
        .prepare()
        .execute(),
    proof: /^(?!.*"M-5")/,
  },
];

/** The mix-ups that happen with Drizzle's own `$withAuth` of neon-http, or with ours, in front of a gateway. */
export async function mixUpsOf(
  whose: 'drizzle' | 'ours',
  served: Served,
  gateway: Gateway,
  afterEach: () => Promise<void>,
): Promise<readonly string[]> {
  serveHost('attacked-mix-ups', `${gateway.url}/sql`);
  const connectionString = atHost('attacked-mix-ups', served.database.authenticatedUrl, { password: false });
  const [alice, mallory] = await Promise.all([served.issuer.token('alice'), served.issuer.token('mallory')]);
  const open = (): unknown => {
    const plain = drizzle({ client: neon(connectionString) });
    return whose === 'drizzle' ? plain : withAuth(plain, { mode: 'gateway', connectionString });
  };
  const happened: string[] = [];
  for (const mixUp of mixUps) {
    // Each surface has types of its own on the two, and Drizzle's hides some that are there.
    const db = open() as Handles;
    const got = await Promise.resolve()
      .then(() => mixUp.run(db, { alice, mallory }))
      .then((result) => answer(result), failure);
    if (mixUp.proof.test(got)) happened.push(mixUp.id);
    await afterEach();
  }
  return happened;
}
