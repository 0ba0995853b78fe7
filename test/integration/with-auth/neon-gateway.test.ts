import { neon } from '@neondatabase/serverless';
import { sql } from 'drizzle-orm';
import { drizzle } from 'drizzle-orm/neon-http';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';

import { withAuth, type GatewayModeOptions } from '../../../src/driver/neon-http.ts';
import type { Gateway } from '../../../src/gateway/index.ts';
import { startCountingProxy, type CountingProxy } from '../../support/counting-proxy.ts';
import { startGateway } from '../../support/gateway.ts';
import { createIssuer, type TestIssuer } from '../../support/issuer.ts';
import { startNeonEndpoint } from '../../support/neon-endpoint.ts';
import { atHost, serveHost } from '../../support/neon-hosts.ts';
import type { SealedDatabase } from '../../support/sealed-database.ts';
import { createTodoDatabase, relational, todos } from '../../support/todo-app.ts';
import { refusal } from './contract.ts';

let database: SealedDatabase;
let issuer: TestIssuer;
let gateway: Gateway;
let proxy: CountingProxy;
let alice: string;
let connectionString: string;

beforeAll(async () => {
  database = await createTodoDatabase('neon_gateway');
  issuer = await createIssuer();
  alice = await issuer.token('alice');
  gateway = await startGateway({ database, issuer });
  proxy = await startCountingProxy({ host: '127.0.0.1', port: gateway.port });
  serveHost('gateway', proxy.through(`${gateway.url}/sql`));
  connectionString = atHost('gateway', database.authenticatedUrl, { password: false });
});

afterAll(async () => {
  await proxy.close();
  await gateway.close();
  await database.drop();
});

beforeEach(() => {
  proxy.takeRoundTrips();
});

const wrapped = (more: Partial<GatewayModeOptions> = {}) =>
  withAuth(drizzle({ client: neon(connectionString), ...relational }), {
    mode: 'gateway',
    connectionString,
    ...more,
  });

it('sends one request a query and one a batch, the first one included', async () => {
  const handle = wrapped().$withAuth(alice);
  await handle.select().from(todos);
  expect(proxy.takeRoundTrips()).toBe(1);
  await handle.query.todos.findMany({ with: { notes: true } });
  expect(proxy.takeRoundTrips()).toBe(1);
  await handle.batch([
    handle.select().from(todos),
    handle.select().from(todos),
    handle.execute(sql`select 1`),
  ]);
  expect(proxy.takeRoundTrips()).toBe(1);
  expect(await refusal(handle.execute(sql`select 1 / 0`))).toBe('22012');
  expect(proxy.takeRoundTrips()).toBe(1);
});

it('sends the token with queries and batches, no seal, and nothing of a visitor', async () => {
  // It takes no tokens: what it is asked counts here.
  const { hostname, port } = new URL(database.ownerUrl);
  const endpoint = await startNeonEndpoint({ host: hostname, port: Number(port) });
  serveHost('recorder', endpoint.url);
  const target = connectionString.replace('@gateway', '@recorder');
  const anonymous = drizzle({ client: neon(target.replace('authenticated@', 'anonymous@')) });
  const db = withAuth(drizzle({ client: neon(target) }), {
    mode: 'gateway',
    connectionString: target,
    anonymous,
  });
  const handle = db.$withAuth(alice);
  const visitor = db.$withAnonymous();
  for (const ask of [
    () => handle.select({ id: todos.id }).from(todos),
    () => handle.batch([handle.select({ id: todos.id }).from(todos)]),
    () => visitor.select({ id: todos.id }).from(todos),
    () => visitor.batch([visitor.select({ id: todos.id }).from(todos)]),
  ]) {
    await expect(ask()).rejects.toThrow(/required password|Failed query/u);
  }
  const asked = endpoint.takeRequests();
  expect(asked.map(({ token, isBatch }) => [token, isBatch])).toEqual([
    [alice, false],
    [alice, true],
    [undefined, false],
    [undefined, true],
  ]);
  for (const { queries } of asked)
    expect(queries).toMatchObject([{ text: 'select "id" from "todos"', values: [] }]);
  await endpoint.close();
});

it('asks a function for the token of each request', async () => {
  const tokens = [
    alice,
    await issuer.token('bob'),
    await issuer.token('alice', { exp: 1_700_000_000 }),
    alice,
  ];
  let asked = 0;
  const handle = wrapped().$withAuth(() => tokens[asked++] ?? '');
  const who = async (): Promise<unknown> =>
    (await handle.execute(sql`select auth.user_id() as who`)).rows[0]?.['who'];
  expect([await who(), await who()]).toEqual(['alice', 'bob']);
  expect(await refusal(who())).toBe('ERR_TOKEN_EXPIRED');
  expect(await who()).toBe('alice');
  expect(asked).toBe(4);
});

it('merges fetchOptions into each request', async () => {
  const aborted = wrapped({ fetchOptions: { signal: AbortSignal.abort() } }).$withAuth(alice);
  for (const work of [aborted.$count(todos), aborted.batch([aborted.select().from(todos)])]) {
    await expect(work).rejects.toThrow();
  }
  expect(proxy.takeRoundTrips()).toBe(0);
});

it('a role that the gateway does not serve, or a token may not have, is refused by the gateway', async () => {
  const other = connectionString.replace('authenticated@', 'postgres@');
  const db = withAuth(drizzle({ client: neon(other) }), { mode: 'gateway', connectionString: other });
  expect(await refusal(db.$withAuth(alice).$count(todos))).toBe('28000');
  const visitors = connectionString.replace('authenticated@', 'anonymous@');
  const mixed = withAuth(drizzle({ client: neon(visitors) }), {
    mode: 'gateway',
    connectionString: visitors,
  });
  expect(await refusal(mixed.$withAuth(alice).$count(todos))).toBe('ERR_PROVIDER_ROLE');
});

it('an endpoint that cannot be reached is not the fault of the query', async () => {
  serveHost('nowhere', 'http://127.0.0.1:1/sql');
  const lost = wrapped({ connectionString: connectionString.replace('@gateway', '@nowhere') }).$withAuth(
    alice,
  );
  for (const work of [lost.$count(todos), lost.batch([lost.select().from(todos)])]) {
    expect(await refusal(work)).toBe('ERR_DATABASE_UNREACHABLE');
  }
});

describe('refused is', () => {
  it.each([
    ['none', undefined],
    ['what is no URL', 'secret-3f'],
    ['another scheme', 'mysql://authenticated@gateway/app'],
    ['one without a role', 'postgresql://gateway/app'],
  ])('a connection string: %s', (_, given) => {
    expect(() => wrapped({ connectionString: given as string })).toThrow(
      /^(?!.*secret).*needs the connectionString/u,
    );
  });

  it('a password in it, to which something could fall back', () => {
    const given = atHost('gateway', database.authenticatedUrl);
    const { password } = new URL(given);
    expect(() => wrapped({ connectionString: given })).toThrow(/has a password/u);
    expect(() => wrapped({ connectionString: given })).not.toThrow(new RegExp(password, 'u'));
  });

  it.each(['providers', 'verifier', 'key', 'role', 'allowPrivilegedLogin'])(
    'the option %s, which nothing here would heed',
    (option) => {
      expect(() => wrapped({ [option]: undefined })).toThrow(new RegExp(`has no option ${option}`, 'u'));
    },
  );
});
