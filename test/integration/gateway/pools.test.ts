import { createServer, connect, type AddressInfo, type Server, type Socket } from 'node:net';

import pg from 'pg';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';

import { type AuthorizeEvent, type Gateway, type GatewayOptions } from '../../../src/gateway/index.ts';
import { PatientPool } from '../../../src/gateway/patient-pool.ts';
import type { PgClient } from '../../../src/database/pg-client.ts';
import { startGateway } from '../../support/gateway.ts';
import { createIssuer, type TestIssuer } from '../../support/issuer.ts';
import { withClient, type SealedDatabase } from '../../support/sealed-database.ts';
import { createTodoDatabase } from '../../support/todo-app.ts';
import { withLockedTodos } from '../cli/gateway-daemon.ts';
import { eventually } from '../embedded/project.ts';

let database: SealedDatabase;
let issuer: TestIssuer;
const cleanup: (() => Promise<unknown>)[] = [];

beforeAll(async () => {
  database = await createTodoDatabase('gateway_pools');
  issuer = await createIssuer();
});

afterEach(async () => {
  for (const step of cleanup.splice(0).toReversed()) await step();
});

afterAll(() => database.drop());

async function start(options: Partial<GatewayOptions> = {}): Promise<Gateway> {
  const gateway = await startGateway(
    { database, issuer },
    {
      maxConnections: 2,
      ...options,
    },
  );
  cleanup.push(() => gateway.close());
  return gateway;
}

interface Answer {
  readonly rowCount?: number;
  readonly code?: string;
  readonly message?: string;
}

async function ask(gateway: Gateway, subject: string, query: string, signal?: AbortSignal): Promise<Answer> {
  const response = await fetch(`${gateway.url}/sql`, {
    method: 'POST',
    headers: {
      'neon-connection-string': `postgresql://authenticated@127.0.0.1/${database.name}`,
      authorization: `Bearer ${await issuer.token(subject)}`,
    },
    body: JSON.stringify({ query }),
    ...(signal && { signal }),
  });
  return (await response.json()) as Answer;
}

const rows = 'select title from todos';

it('one person who has all of their connections at work keeps nobody else waiting', async () => {
  const gateway = await start();
  await withLockedTodos(database.ownerUrl, async ({ unlock, requestWaits }) => {
    const first = ask(gateway, 'alice', rows);
    await requestWaits();
    const second = ask(gateway, 'alice', 'select 1');
    expect(await ask(gateway, 'bob', 'select 1')).toMatchObject({ rowCount: 1 });
    expect(await Promise.race([second, Promise.resolve('waits')])).toBe('waits');
    await unlock();
    expect(await first).toMatchObject({ rowCount: 2 });
    expect(await second).toMatchObject({ rowCount: 1 });
  });
});

it('a request that gets no connection in time, or finds too many waiting, is refused with 53300', async () => {
  const gateway = await start({ waitTimeoutMs: 300, maxWaiting: 1 });
  await withLockedTodos(database.ownerUrl, async ({ unlock, requestWaits }) => {
    const first = ask(gateway, 'alice', rows);
    await requestWaits();
    const [one, other] = await Promise.all([
      ask(gateway, 'alice', 'select 1'),
      ask(gateway, 'alice', 'select 1'),
    ]);
    expect(new Set([one.message, other.message])).toEqual(
      new Set([
        'no connection to the database has become free in time',
        'too many requests wait for a connection to the database',
      ]),
    );
    expect([one.code, other.code]).toEqual(['53300', '53300']);
    await unlock();
    expect(await first).toMatchObject({ rowCount: 2 });
  });
});

it('the statement of a client that goes away is cancelled, and its connection is not used again', async () => {
  const events: AuthorizeEvent[] = [];
  const gateway = await start({ maxConnections: 1, observe: (event) => events.push(event) });
  await withLockedTodos(database.ownerUrl, async ({ requestWaits }) => {
    const gone = new AbortController();
    const first = ask(gateway, 'alice', rows, gone.signal).catch(() => 'gone');
    await requestWaits();
    gone.abort();
    expect(await first).toBe('gone');
    await eventually(async () => (await sessionsOf()) === 0, 'its backend has gone');
    expect(events).toEqual([
      expect.objectContaining({ type: 'refusal', statement: 'SELECT', code: '57014' }),
    ]);
    expect(await ask(gateway, 'alice', 'select 1')).toMatchObject({ rowCount: 1 });
  });
});

async function sessionsOf(): Promise<number> {
  const { rows: found } = await withClient(database.ownerUrl, (client) =>
    client.query<{ n: number }>(
      `SELECT count(*)::int AS n FROM pg_stat_activity WHERE datname = current_database() AND usename = 'authenticated'`,
    ),
  );
  return found[0]?.n ?? NaN;
}

it('one person cannot have all sessions', async () => {
  const gateway = await start({ maxSessions: 2 });
  const session = async (subject: string): Promise<pg.Client> => {
    const client = new pg.Client({
      host: '127.0.0.1',
      port: gateway.tcp?.port ?? 0,
      database: database.name,
      user: 'authenticated',
      password: await issuer.token(subject),
    });
    client.on('error', () => {});
    await client.connect();
    return client;
  };
  const first = await session('alice');
  await expect(session('alice')).rejects.toMatchObject({ code: '53300' });
  const ofBob = await session('bob');
  await first.end();
  await eventually(async () => {
    const again = await session('alice').catch(() => undefined);
    await again?.end();
    return again !== undefined;
  }, 'the place is free again');
  await ofBob.end();
});

it('one person who asks too often is refused with 53400, by HTTP and in a session, which goes on', async () => {
  const gateway = await start({ requestsPerSecondPerSubject: 0.001, burstPerSubject: 2 });
  const answers = [1, 2, 3].map(async () => ask(gateway, 'alice', 'select 1'));
  expect((await Promise.all(answers)).filter(({ code }) => code === '53400')).toHaveLength(1);
  expect(await ask(gateway, 'bob', 'select 1')).toMatchObject({ rowCount: 1 });

  const client = new pg.Client({
    host: '127.0.0.1',
    port: gateway.tcp?.port ?? 0,
    database: database.name,
    user: 'authenticated',
    password: await issuer.token('carol'),
  });
  await client.connect();
  expect((await client.query('select $1::int as n', [1])).rows).toEqual([{ n: 1 }]);
  const refused = { code: '53400', message: 'too many requests of one person' };
  await expect(client.query('select $1::int as n', [2])).rejects.toMatchObject(refused);
  await expect(client.query('select 3 as n')).rejects.toMatchObject(refused);
  await client.end();
});

it('a request that comes while Postgres takes no connections is answered as soon as it does', async () => {
  const door = await openDoor(database.authenticatedUrl);
  cleanup.push(() => door.close());
  const gateway = await start({ connections: { authenticated: door.url } });
  expect(await ask(gateway, 'alice', 'select 1')).toMatchObject({ rowCount: 1 });
  await door.close();
  const answer = ask(gateway, 'alice', 'select 1');
  const other = ask(gateway, 'bob', 'select 1');
  expect(await Promise.race([answer, fetch(gateway.url).then(() => 'waits')])).toBe('waits');
  await door.open();
  expect(await answer).toMatchObject({ rowCount: 1 });
  expect(await other).toMatchObject({ rowCount: 1 });
});

it('a Postgres that stays away is an error when the wait is over', async () => {
  const door = await openDoor(database.authenticatedUrl);
  await door.close();
  const gateway = await start({ connections: { authenticated: door.url }, waitTimeoutMs: 300 });
  expect(await ask(gateway, 'alice', 'select 1')).toMatchObject({
    message: `the database of the role 'authenticated' cannot be reached (ECONNREFUSED)`,
  });
});

it('a connection that has been forgotten on the way is found out, and replaced', async () => {
  const door = await openDoor(database.authenticatedUrl);
  const pool = new pg.Pool({ connectionString: door.url, max: 1 });
  cleanup.push(
    () => door.close(),
    () => pool.end(),
  );
  const patient = new PatientPool(pool, { patienceMs: 10_000, doubtAfterMs: -1, answerTimeoutMs: 200 });
  const backend = async (): Promise<unknown> => {
    const client = await new Promise<PgClient>((resolve, reject) => {
      patient.connect((error, taken) => {
        if (taken === undefined) reject(error);
        else resolve(taken);
      });
    });
    const { rows: found } = await client.query({ text: 'select pg_backend_pid() as pid', values: [] });
    client.release(false);
    return found[0];
  };
  const first = await backend();
  expect(await backend()).toEqual(first);
  door.forget();
  expect(await backend()).not.toEqual(first);
});

interface Door {
  /** The connection URL through it. */
  readonly url: string;
  open(): Promise<void>;
  /** Passes nothing on any more that goes through it now, and tells neither side. */
  forget(): void;
  /** Ends what goes through it, and refuses what comes. */
  close(): Promise<void>;
}

/** A port that leads to Postgres, or nowhere. */
async function openDoor(connectionString: string): Promise<Door> {
  const target = new URL(connectionString);
  const sockets = new Set<Socket>();
  let server: Server | undefined;
  let port = 0;
  const open = async (): Promise<void> => {
    const listening = createServer((client) => {
      const backend = connect(Number(target.port), target.hostname);
      for (const [socket, other] of [
        [client, backend],
        [backend, client],
      ] as const) {
        sockets.add(socket);
        socket.on('error', () => {});
        socket.on('close', () => {
          sockets.delete(socket);
          other.destroy();
        });
        socket.pipe(other);
      }
    });
    server = listening;
    await new Promise<void>((resolve) => {
      listening.listen(port, '127.0.0.1', resolve);
    });
    port = (listening.address() as AddressInfo).port;
  };
  await open();
  const url = new URL(connectionString);
  url.hostname = '127.0.0.1';
  url.port = String(port);
  return {
    url: url.href,
    open,
    forget: () => {
      for (const socket of sockets) {
        socket.unpipe();
        socket.resume();
      }
    },
    close: async () => {
      const closing = server;
      server = undefined;
      if (closing === undefined) return;
      await new Promise<void>((resolve) => {
        closing.close(() => {
          resolve();
        });
        for (const socket of sockets) socket.destroy();
      });
    },
  };
}
