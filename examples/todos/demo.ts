import { randomBytes } from 'node:crypto';

import { neon, neonConfig } from '@neondatabase/serverless';
import { useGateway } from 'drizzle-authorize/gateway';
import { jwks } from 'drizzle-authorize/jwt';
import { withAuth } from 'drizzle-authorize/node-postgres';
import { asc, eq } from 'drizzle-orm';
import { drizzle as drizzleNeon } from 'drizzle-orm/neon-http';
import { drizzle } from 'drizzle-orm/node-postgres';
import pg from 'pg';

import { startEnvironment, type Environment } from './environment.ts';
import { todos } from './schema.ts';
import { startStory, type Story } from './story.ts';

// What `npm run demo` runs: the schema beside this file, its generated migrations in drizzle/, and both roads to the rows.

async function tell(story: Story, environment: Environment, authorizeKey: string): Promise<void> {
  const { token } = environment;
  const [alice, bob, expired, wrongAudience] = await Promise.all([
    token('alice'),
    token('bob'),
    token('alice', '--expires=-5m'),
    token('alice', '--claim', 'aud=another-app'),
  ]);

  const pool = new pg.Pool({ connectionString: environment.authenticatedUrl });
  const visitors = new pg.Pool({ connectionString: environment.anonymousUrl });
  // node-postgres: without a listener, an idle connection that the server closes ends the process.
  for (const each of [pool, visitors]) each.on('error', () => {});
  try {
    await withAuthChapter(story, { environment, authorizeKey, alice, bob, pool, visitors });
    await gatewayChapter(story, { environment, alice, bob });
    await forgersChapter(story, { environment, alice, bob, expired, wrongAudience });
  } finally {
    await Promise.all([pool.end(), visitors.end()]);
  }
}

interface People {
  readonly environment: Environment;
  readonly alice: string;
  readonly bob: string;
}

async function withAuthChapter(
  story: Story,
  people: People & { readonly authorizeKey: string; readonly pool: pg.Pool; readonly visitors: pg.Pool },
): Promise<void> {
  const { environment, alice, bob, pool, visitors, authorizeKey } = people;
  const db = withAuth(drizzle({ client: pool }), {
    providers: [jwks({ url: environment.jwksUrl, issuer: environment.issuer, audience: environment.issuer })],
    key: authorizeKey,
    anonymous: drizzle({ client: visitors }),
  });
  const titles = async (handle: typeof db): Promise<string[]> =>
    (await handle.select({ title: todos.title }).from(todos).orderBy(asc(todos.id))).map(
      ({ title }) => title,
    );
  const asAlice = db.$withAuth(alice) as typeof db;
  const asBob = db.$withAuth(bob) as typeof db;
  const asVisitor = db.$withAnonymous() as typeof db;

  story.chapter('By db.$withAuth(token), on node-postgres');
  await story.step('Alice', 'adds two todos without saying whose they are', ['alice', 'alice'], async () => {
    const values = [{ title: 'buy milk' }, { title: 'plan the party', isPublic: true }];
    return (await asAlice.insert(todos).values(values).returning()).map(({ userId }) => userId);
  });
  await story.step('Bob', 'adds one, in a transaction', 'bob', () =>
    asBob.transaction(
      async (tx) => (await tx.insert(todos).values({ title: 'call mum' }).returning())[0]?.userId,
    ),
  );
  await story.step('Alice', 'reads: her own', ['buy milk', 'plan the party'], () => titles(asAlice));
  await story.step('Bob', 'reads: his own, and what Alice made public', ['plan the party', 'call mum'], () =>
    titles(asBob),
  );
  await story.step('visitor', 'reads, without a token: what is public', ['plan the party'], () =>
    titles(asVisitor),
  );
  await story.step('Bob', "changes Alice's todo: no row of his has that id", [], () =>
    asBob.update(todos).set({ done: true }).where(eq(todos.title, 'buy milk')).returning(),
  );
  await story.step('Bob', "deletes Alice's todo, the public one: not his either", [], () =>
    asBob.delete(todos).where(eq(todos.title, 'plan the party')).returning(),
  );
  await story.step('Alice', "adds a todo in Bob's name", '42501', () =>
    asAlice.insert(todos).values({ title: 'pay Alice', userId: 'bob' }),
  );
  await story.step('visitor', 'adds a todo', '42501', () =>
    asVisitor.insert(todos).values({ title: 'spam', userId: 'alice' }),
  );
  await story.step('nobody', 'asks the database itself, without $withAuth', '28000', () => titles(db));
}

/** The unmodified driver, as an application uses it; the gateway takes the role from the connection string. */
function neonAs(role: string, environment: Environment, authToken?: string) {
  const database = new URL(environment.authenticatedUrl).pathname;
  const url = `postgresql://${role}@127.0.0.1${database}`;
  return authToken === undefined ? neon(url) : neon(url, { authToken: () => authToken });
}

async function gatewayChapter(story: Story, { environment, alice, bob }: People): Promise<void> {
  const asAlice = neonAs('authenticated', environment, alice);
  const asBob = drizzleNeon({ client: neonAs('authenticated', environment, bob) });
  const asVisitor = neonAs('anonymous', environment);

  story.chapter('By the gateway, with the unmodified @neondatabase/serverless driver');
  await story.step('Alice', 'reads with neon`…`', ['buy milk', 'plan the party'], async () =>
    (await asAlice`select title from todos order by id`).map((row) => row['title']),
  );
  await story.step('Bob', "adds one with drizzle's neon-http", ['bob', 'book a train'], async () => {
    const [row] = await asBob.insert(todos).values({ title: 'book a train' }).returning();
    return [row?.userId, row?.title];
  });
  await story.step('Alice', 'ticks off and counts, in one batch', [['buy milk'], 2], async () => {
    const [ticked, counted] = await asAlice.transaction([
      asAlice`update todos set done = true where title = ${'buy milk'} returning title`,
      asAlice`select count(*)::int as todos from todos`,
    ]);
    return [ticked?.map((row) => row['title']), counted?.[0]?.['todos']];
  });
  await story.step('visitor', 'reads, without a token: what is public', ['plan the party'], async () =>
    (await asVisitor`select title from todos`).map((row) => row['title']),
  );
  await story.step('Bob', "changes and deletes Alice's todos: none of them his", [[], []], async () => [
    await asBob.update(todos).set({ title: 'mine now' }).where(eq(todos.userId, 'alice')).returning(),
    await asBob.delete(todos).where(eq(todos.userId, 'alice')).returning(),
  ]);
}

async function forgersChapter(
  story: Story,
  people: People & { readonly expired: string; readonly wrongAudience: string },
): Promise<void> {
  const { environment, alice, bob, expired, wrongAudience } = people;
  const read = (token: string) => () => neonAs('authenticated', environment, token)`select title from todos`;
  const [header, , signature] = alice.split('.');
  const claims = Buffer.from(JSON.stringify({ sub: 'alice', exp: 4_102_444_800 })).toString('base64url');

  story.chapter('By those who are not who they say');
  await story.step('forger', 'sends a token with other claims under the old signature', '28000', () =>
    read(`${header}.${claims}.${signature}`)(),
  );
  await story.step('forger', 'sends an expired token', '28000', read(expired));
  await story.step(
    'forger',
    "sends a token that was made for another application's ears",
    '28000',
    read(wrongAudience),
  );
  await story.step(
    'forger',
    'sends no token',
    '28000',
    () => neonAs('authenticated', environment)`select title from todos`,
  );
  await story.step(
    'Bob',
    'sets himself to Alice by set_config inside a SELECT',
    '28000',
    () =>
      neonAs('authenticated', environment, bob)`
      with forged as materialized (
        select set_config('authorize.seal', replace(current_setting('authorize.seal'), 'bob', 'alice'), true) as seal
      )
      select todo.title from forged, lateral (select title from todos where forged.seal <> '') as todo`,
  );
  await story.step(
    'Bob',
    'poisons the role for everybody after him',
    '42501',
    () => neonAs('authenticated', environment, bob)`alter role authenticated set search_path = nowhere`,
  );
  await story.step('Alice', 'reads, and nothing has changed', ['buy milk', 'plan the party'], async () =>
    (await neonAs('authenticated', environment, alice)`select title from todos order by id`).map(
      (row) => row['title'],
    ),
  );
}

const authorizeKey = randomBytes(32).toString('base64url');
const story = startStory(
  'drizzle-authorize: two people and a visitor, on one PostgreSQL with row level security',
);
let environment: Environment | undefined;

for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => {
    void (async () => {
      await environment?.stop();
      process.exit(signal === 'SIGINT' ? 130 : 143);
    })();
  });
}

try {
  environment = await startEnvironment(authorizeKey);
  useGateway(neonConfig, environment.http);
  await tell(story, environment, authorizeKey);
  process.exitCode = story.end() ? 0 : 1;
} finally {
  await environment?.stop();
}
