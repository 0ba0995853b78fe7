import { inspect } from 'node:util';

import { neon, Pool } from '@neondatabase/serverless';
import { sql } from 'drizzle-orm';
import { drizzle as drizzleNeon } from 'drizzle-orm/neon-http';
import { drizzle as drizzleNeonSocket } from 'drizzle-orm/neon-serverless';
import { drizzle } from 'drizzle-orm/node-postgres';
import pg from 'pg';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';

import { withAuth as withAuthNeon } from '../../../src/driver/neon-http.ts';
import { withAuth as withAuthNeonSocket } from '../../../src/driver/neon-serverless.ts';
import { withAuth } from '../../../src/driver/node-postgres.ts';
import type { WithAuth } from '../../../src/driver/handle.ts';
import type { Gateway } from '../../../src/gateway/index.ts';
import type { AuthorizeEvent } from '../../../src/observe.ts';
import { startGateway } from '../../support/gateway.ts';
import { createIssuer, type TestIssuer } from '../../support/issuer.ts';
import { startNeonEndpoint, type NeonEndpoint } from '../../support/neon-endpoint.ts';
import { atHost, serveHost } from '../../support/neon-hosts.ts';
import { startNeonWebSocket, type NeonWebSocket } from '../../support/neon-websocket.ts';
import type { SealedDatabase } from '../../support/sealed-database.ts';
import { createTodoDatabase, relational, resetTodos, todos } from '../../support/todo-app.ts';
import type { Plain } from '../with-auth/contract.ts';

let database: SealedDatabase;
let issuer: TestIssuer;
let pool: pg.Pool;
let endpoint: NeonEndpoint;
let webSocket: NeonWebSocket;
let neonPool: Pool;
let gateway: Gateway;
let alice: string;
let events: AuthorizeEvent[] = [];
const observe = (event: AuthorizeEvent): void => {
  events.push(event);
};

beforeAll(async () => {
  database = await createTodoDatabase('observe');
  issuer = await createIssuer();
  alice = await issuer.token('alice', { email: 'alice@example.test' });
  pool = new pg.Pool({ connectionString: database.authenticatedUrl, max: 2 });
  const { hostname, port } = new URL(database.ownerUrl);
  endpoint = await startNeonEndpoint({ host: hostname, port: Number(port) });
  webSocket = await startNeonWebSocket({ host: hostname, port: Number(port) });
  neonPool = new Pool({ connectionString: webSocket.through(database.authenticatedUrl), max: 2 });
  gateway = await startGateway({ database, issuer }, { observe });
  serveHost('direct', endpoint.url);
  serveHost('gateway', `${gateway.url}/sql`);
});

afterAll(async () => {
  await Promise.all([gateway.close(), pool.end(), neonPool.end(), endpoint.close()]);
  await webSocket.close();
  await database.drop();
});

beforeEach(async () => {
  await resetTodos(database);
  events = [];
});

const options = () => ({ providers: [issuer.provider], key: database.authorizeKey, observe });
const overPool = () => withAuth(drizzle({ client: pool, ...relational }), options());
const overWebSocket = () =>
  withAuthNeonSocket(drizzleNeonSocket({ client: neonPool, ...relational }), options());
const overHttp = () =>
  withAuthNeon(
    drizzleNeon({ client: neon(atHost('direct', database.authenticatedUrl)), ...relational }),
    options(),
  );
const throughGateway = (token: string) =>
  neon(atHost('gateway', database.authenticatedUrl, { password: false }), { authToken: token });

/** The events with their subjects, which a copy would lose, and without the time they took. */
function told(): readonly object[] {
  return events.map((event) => {
    const { durationMs, ...rest } = event;
    expect(durationMs).toBeGreaterThan(0);
    return { ...rest, subject: event.subject };
  });
}

const about = (entry: string, rest: object): object => ({
  entry,
  role: 'authenticated',
  subject: 'alice',
  ...rest,
});

describe('each statement is told once, with who asked, and how many rows there were', () => {
  it.each([
    ['node-postgres', () => overPool().$withAuth(alice)],
    ['neon-serverless', () => overWebSocket().$withAuth(alice)],
  ])('by %s, in and outside of a transaction', async (entry, open) => {
    const handle: Plain = open();
    await handle.select().from(todos);
    await handle.delete(todos);
    await handle.select().from(todos);
    await handle.transaction(async (tx) => {
      await tx.insert(todos).values({ title: 'one more' });
    });
    expect(told()).toEqual(
      [
        { type: 'query', statement: 'SELECT', rows: 2 },
        { type: 'query', statement: 'DELETE', rows: 2 },
        { type: 'query', statement: 'SELECT', rows: 0 },
        { type: 'query', statement: 'BEGIN', rows: null },
        { type: 'query', statement: 'INSERT', rows: 1 },
        { type: 'query', statement: 'COMMIT', rows: null },
      ].map((event) => about(entry, event)),
    );
  });

  it('by neon-http, single and in a batch', async () => {
    const handle = overHttp().$withAuth(alice);
    await handle.select().from(todos);
    await handle.batch([handle.select().from(todos), handle.delete(todos)]);
    expect(told()).toEqual(
      [
        { type: 'query', statement: 'SELECT', rows: 2 },
        { type: 'query', statement: 'SELECT', rows: 2 },
        { type: 'query', statement: 'DELETE', rows: 2 },
      ].map((event) => about('neon-http', event)),
    );
  });

  it('by the gateway, single, in a batch and for a visitor', async () => {
    const client = throughGateway(alice);
    await client`select title from todos`;
    await client.transaction([client`select title from todos`, client`delete from todos`]);
    const visitor = neon(atHost('gateway', database.anonymousUrl, { password: false }));
    await visitor`select title from todos`;
    expect(told()).toEqual([
      ...[
        { type: 'query', statement: 'SELECT', rows: 2 },
        { type: 'query', statement: 'SELECT', rows: 2 },
        { type: 'query', statement: 'DELETE', rows: 2 },
      ].map((event) => about('gateway', event)),
      {
        type: 'query',
        entry: 'gateway',
        role: 'anonymous',
        subject: undefined,
        statement: 'SELECT',
        rows: 0,
      },
    ]);
  });
});

describe('a refusal is told with its code', () => {
  it.each([
    ['node-postgres', overPool],
    ['neon-serverless', overWebSocket],
  ])('by %s', async (entry, open) => {
    const db: WithAuth<Plain> = open();
    const handle = db.$withAuth(alice);
    await expect(db.$withAuth(`${alice}x`).select().from(todos)).rejects.toThrow();
    await expect(handle.execute(sql`listen x`)).rejects.toThrow();
    await expect(handle.insert(todos).values({ userId: 'bob', title: 'x' })).rejects.toThrow();
    await expect(db.$withAuth(`${alice}x`).transaction((tx) => tx.select().from(todos))).rejects.toThrow();
    const refusals = [
      { subject: undefined, statement: 'SELECT', code: 'ERR_TOKEN_SIGNATURE' },
      { subject: undefined, statement: 'LISTEN', code: 'ERR_STATEMENT_REFUSED' },
      { statement: 'INSERT', code: '42501' },
      { subject: undefined, statement: 'BEGIN', code: 'ERR_TOKEN_SIGNATURE' },
    ];
    expect(told()).toEqual(refusals.map((event) => about(entry, { type: 'refusal', ...event })));
  });

  it('by neon-http', async () => {
    const db = overHttp();
    await expect(db.$withAuth(`${alice}x`).select().from(todos)).rejects.toThrow();
    const handle = db.$withAuth(alice);
    await expect(
      handle.batch([handle.select().from(todos), handle.insert(todos).values({ userId: 'bob', title: 'x' })]),
    ).rejects.toThrow();
    expect(told()).toEqual([
      about('neon-http', {
        type: 'refusal',
        subject: undefined,
        statement: 'SELECT',
        code: 'ERR_TOKEN_SIGNATURE',
      }),
      about('neon-http', { type: 'refusal', statement: 'BATCH', code: '42501' }),
    ]);
  });

  it('by the gateway, which reads no statement of a stranger', async () => {
    await expect(throughGateway(`${alice}x`)`select 1`).rejects.toThrow();
    await expect(throughGateway(alice)`listen x`).rejects.toThrow();
    expect(told()).toEqual([
      about('gateway', { type: 'refusal', subject: undefined, statement: '', code: 'ERR_TOKEN_SIGNATURE' }),
      about('gateway', { type: 'refusal', statement: 'LISTEN', code: '42501' }),
    ]);
  });
});

it('an event that is logged as a whole names nobody and quotes nothing', async () => {
  const handle = overPool().$withAuth(alice);
  await handle.execute(sql`select ${'a secret'} as mine, 'another secret' as yours`);
  await expect(handle.execute(sql`select ${'a secret'}::int`)).rejects.toThrow();
  await throughGateway(alice)`select ${'a secret'}::text`;
  expect(events).toHaveLength(3);
  const logged = events
    .flatMap((event) => [JSON.stringify(event), inspect(event, { depth: null })])
    .join('\n');
  expect(logged).not.toMatch(/alice|secret|eyJ/u);
  expect(events.map(({ subject }) => subject)).toEqual(['alice', 'alice', 'alice']);
});

it('what is no command of SQL is told as unknown, and not quoted', async () => {
  await expect(overPool().$withAuth(alice).execute(sql.raw(alice))).rejects.toThrow();
  await expect(overHttp().$withAuth(alice).execute(sql.raw(alice))).rejects.toThrow();
  await expect(throughGateway(alice).query(alice)).rejects.toThrow();
  expect(events.map(({ type, statement }) => ({ type, statement }))).toEqual(
    Array.from({ length: 3 }, () => ({ type: 'refusal', statement: 'UNKNOWN' })),
  );
});

it('a role that the gateway does not serve is not quoted, since anybody may have written it', async () => {
  const url = new URL(atHost('gateway', database.authenticatedUrl, { password: false }));
  url.username = `x\nauthenticated: SELECT, 1 row, 0.1 ms`;
  await expect(neon(url.href, { authToken: alice })`select 1`).rejects.toThrow();
  expect(told()).toEqual([
    about('gateway', { type: 'refusal', role: '', subject: undefined, statement: '', code: '28000' }),
  ]);
});

const fail = (): never => {
  throw new Error('the log is full');
};

it.each([
  ['throws', fail],
  ['rejects', () => Promise.resolve().then(fail)],
])('an observer that %s changes nothing', async (_, failing) => {
  // An async function is what many will pass.
  // oxlint-disable-next-line typescript/no-misused-promises
  const db = withAuth(drizzle({ client: pool, ...relational }), { ...options(), observe: failing });
  expect(await db.$withAuth(alice).$count(todos)).toBe(2);
  // An unhandled rejection would be seen by now, and would end a process.
  await new Promise(setImmediate);
});

it('an observer that is not a function is refused', () => {
  const wrong = { ...options(), observe: 'console.log' as never };
  expect(() => withAuth(drizzle({ client: pool }), wrong)).toThrow(/observe must be a function/u);
});
