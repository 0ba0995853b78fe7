import { sql } from 'drizzle-orm';
import { integer, pgSequence, pgTable, pgView, text } from 'drizzle-orm/pg-core';
import { afterAll, beforeAll, expect, it } from 'vitest';

import { preludeStatements } from '../../../src/database/prelude.ts';
import { authenticatedRole, authUid, insertPolicy, selectPolicy } from '../../../src/index.ts';
import { readAccessModel } from '../../../src/migration/access-model.ts';
import { preludeState } from '../../../src/migration/migration-state.ts';
import { rewriteMigration } from '../../../src/migration/rewrite.ts';
import { emptySnapshot } from '../../../src/migration/snapshot.ts';
import { createDatabase, type TestDatabase } from '../../support/cluster.ts';
import { runAsOwner } from '../../support/sealed-database.ts';
import { createPeople, type People } from './people.ts';
import { snapshotOf } from './snapshot-of.ts';

const numbers = pgSequence('numbers');
const notes = pgTable(
  'notes',
  {
    number: integer().default(sql`nextval('numbers')`),
    userId: text('user_id'),
    word: text(),
  },
  (t) => [
    selectPolicy('own', { to: authenticatedRole, using: authUid(t.userId) }),
    insertPolicy('add', { to: authenticatedRole, withCheck: authUid(t.userId) }),
  ],
);
const words = pgView('words')
  .with({ securityInvoker: true })
  .as((qb) => qb.select({ word: notes.word }).from(notes));

const made = [
  'CREATE SEQUENCE numbers',
  `CREATE TABLE notes (number integer DEFAULT nextval('numbers'), user_id text, word text)`,
  'CREATE VIEW words WITH (security_invoker = true) AS SELECT word FROM notes',
];
const model = readAccessModel([numbers, notes, words]);
const { sql: migration } = rewriteMigration({
  statements: made,
  before: emptySnapshot,
  after: snapshotOf(model),
  previous: preludeState(model.identityRoles),
  model,
});

let database: TestDatabase;
let people: People;

beforeAll(async () => {
  database = await createDatabase('derived', { owner: 'ordinary' });
  await runAsOwner(database.url, [
    ...preludeStatements(['authenticated', 'anonymous']),
    ...migration.split('--> statement-breakpoint'),
    `INSERT INTO notes (user_id, word) VALUES ('alice', 'hers'), ('bob', 'his')`,
  ]);
  people = await createPeople(database);
});

afterAll(async () => {
  await people?.close();
  await database?.drop();
});

it('a view shows the rows that the policies of its tables let through', async () => {
  expect(await people.as('alice', 'SELECT word FROM words')).toEqual([{ word: 'hers' }]);
  expect(await people.as('mallory', 'SELECT word FROM words')).toEqual([]);
});

it('a default takes its number from a sequence, which tells nothing else', async () => {
  expect(
    await people.as('bob', `INSERT INTO notes (user_id, word) VALUES ('bob', 'new') RETURNING number`),
  ).toEqual([{ number: 3 }]);
  await expect(people.as('bob', 'SELECT last_value FROM numbers')).rejects.toThrow('permission denied');
  await expect(people.as('bob', `SELECT setval('numbers', 1)`)).rejects.toThrow('permission denied');
});

it('a migration fails where a view has become one that passes policies by', async () => {
  const statements = migration.split('--> statement-breakpoint');
  const rest = statements.slice(statements.findIndex((each) => each.includes('CREATE VIEW')) + 1);
  await runAsOwner(database.url, ['ALTER VIEW words RESET (security_invoker)']);
  await expect(
    runAsOwner(
      database.url,
      rest.filter((each) => !each.includes('CREATE POLICY')),
    ),
  ).rejects.toThrow("open past row level security: words reads with its owner's rights");
});
