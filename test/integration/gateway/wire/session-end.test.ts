import { Client, neonConfig } from '@neondatabase/serverless';
import pg from 'pg';
import { afterEach, beforeAll, afterAll, describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';

import {
  createGateway,
  useGateway,
  type Gateway,
  type GatewayOptions,
} from '../../../../src/gateway/index.ts';
import { createVerifier, jwks } from '../../../../src/jwt/index.ts';
import { createIssuer, type TestIssuer } from '../../../support/issuer.ts';
import { runAsOwner, withClient, type SealedDatabase } from '../../../support/sealed-database.ts';
import { createTodoDatabase } from '../../../support/todo-app.ts';
import {
  errorFields,
  int32,
  openWireClient,
  packet,
  password,
  query,
  startupPacket,
  type WireClient,
} from '../../../support/wire-client.ts';
import { eventually } from '../../embedded/project.ts';

let database: SealedDatabase;
let issuer: TestIssuer;
let alice: string;
let gateway: Gateway;

beforeAll(async () => {
  database = await createTodoDatabase('wire_end');
  issuer = await createIssuer();
  alice = await issuer.token('alice');
});

afterAll(async () => {
  await database.drop();
});

afterEach(async () => {
  await gateway.close();
});

async function start(options: Partial<GatewayOptions> = {}): Promise<void> {
  gateway = await createGateway({
    connections: { authenticated: database.authenticatedUrl },
    verifier: createVerifier({ providers: [issuer.provider], clockToleranceSeconds: 0 }),
    key: database.authorizeKey,
    port: 0,
    tcpPort: 0,
    ...options,
  });
}

async function connect(token = alice): Promise<pg.Client> {
  const client = new pg.Client({
    host: '127.0.0.1',
    port: gateway.tcp?.port ?? 0,
    user: 'authenticated',
    database: database.name,
    password: token,
  });
  client.on('error', () => {});
  await client.connect();
  return client;
}

async function openRaw(token = alice): Promise<WireClient & { readonly key: Buffer }> {
  const raw = await openWireClient(gateway.tcp?.port ?? 0);
  raw.send(startupPacket({ user: 'authenticated', database: database.name }), password(token));
  const greeting = await raw.until('Z');
  return { ...raw, key: greeting.find(({ type }) => type === 'K')?.body ?? Buffer.alloc(0) };
}

/** How many backends of sessions the identity role has, with what is at work there. */
async function backends(state = '%'): Promise<number> {
  const { rows } = await withClient(database.ownerUrl, (client) =>
    client.query<{ n: number }>(
      `select count(*)::int as n from pg_stat_activity where usename = 'authenticated' and datname = $1
         and application_name !~ 'revocations' and state like $2`,
      [database.name, state],
    ),
  );
  return rows[0]?.n ?? -1;
}

const atWork = () => eventually(async () => (await backends('active')) === 1, 'a statement is at work');
const allGone = () => eventually(async () => (await backends()) === 0, 'no backend is left');
const soon = (seconds: number): number => Math.floor(Date.now() / 1000) + seconds;

describe('when the token expires', () => {
  it('an idle session ends with 28000, over TCP', async () => {
    await start();
    const raw = await openRaw(await issuer.token('alice', { exp: soon(2) }));
    const last = (await raw.untilClosed()).at(-1);
    expect(last && errorFields(last)).toMatchObject({
      S: 'FATAL',
      C: '28000',
      M: 'the token of the session has expired',
    });
    await allGone();
  });

  it('a statement at work is cancelled, over WebSocket', async () => {
    await start();
    neonConfig.webSocketConstructor = WebSocket;
    useGateway(neonConfig, gateway.url);
    const client = new Client({
      user: 'authenticated',
      host: 'db.example.test',
      database: database.name,
      password: await issuer.token('alice', { exp: soon(2) }),
    });
    client.on('error', () => {});
    await client.connect();
    await client.query('begin');
    await expect(client.query('select pg_sleep(25)')).rejects.toMatchObject({ code: '28000' });
    await allGone();
  });

  it('a result that is on its way ends between two of its rows', async () => {
    await start();
    const raw = await openRaw(await issuer.token('alice', { exp: soon(2) }));
    raw.send(query(`select repeat('x', 100000) from generate_series(1, 1000000)`));
    const said = await raw.untilClosed();
    const types = said.map(({ type }) => type).join('');
    expect(types).toMatch(/^TD+E$/u);
    await allGone();
  });
});

describe('when its person is revoked', () => {
  const revoke = (column: string, value: string): Promise<void> =>
    runAsOwner(database.ownerUrl, [
      `INSERT INTO auth.revocations (claim, value) VALUES ('${column}', '${value}')`,
    ]);
  const listening = () =>
    eventually(
      async () =>
        (
          await withClient(database.ownerUrl, (client) =>
            client.query(
              `select from pg_stat_activity where datname = $1 and application_name ~ 'revocations' and query ~ 'LISTEN'
                 and state = 'idle'`,
              [database.name],
            ),
          )
        ).rowCount === 1,
      'the gateway listens',
    );

  afterEach(async () => {
    await runAsOwner(database.ownerUrl, ['DELETE FROM auth.revocations']);
  });

  it('an idle session ends with 28000, those of others go on', async () => {
    await start();
    const idle = await openRaw();
    const bob = await connect(await issuer.token('bob'));
    await listening();
    await revoke('sub', 'alice');
    const last = (await idle.untilClosed()).at(-1);
    expect(last && errorFields(last)).toMatchObject({
      S: 'FATAL',
      C: '28000',
      M: 'no identity: the token has been revoked',
    });
    expect((await bob.query('select auth.user_id()')).rows).toEqual([{ user_id: 'bob' }]);
    await bob.end();
    await allGone();
  });

  it('a statement at work that asks for nobody is cancelled, over WebSocket', async () => {
    await start();
    neonConfig.webSocketConstructor = WebSocket;
    useGateway(neonConfig, gateway.url);
    const client = new Client({
      user: 'authenticated',
      host: 'db.example.test',
      database: database.name,
      password: await issuer.token('alice', { jti: 'token of one session' }),
    });
    client.on('error', () => {});
    await client.connect();
    await listening();
    const slow = client.query('select pg_sleep(25)');
    const cancelled = expect(slow).rejects.toMatchObject({ code: '28000' });
    await atWork();
    await revoke('jti', 'token of one session');
    await cancelled;
    await allGone();
  });

  it('also while nobody listened', async () => {
    await start();
    const idle = await openRaw();
    await listening();
    await withClient(database.ownerUrl, (client) =>
      client.query(`select pg_terminate_backend(pid) from pg_stat_activity where application_name ~ 'revocations'
        and datname = current_database()`),
    );
    await revoke('sub', 'alice');
    const last = (await idle.untilClosed()).at(-1);
    expect(last && errorFields(last)).toMatchObject({ S: 'FATAL', C: '28000' });
  });
});

describe('when the gateway reloads', () => {
  it('sessions of a provider that is not accepted any more end, and what runs in them', async () => {
    const other = await createIssuer('https://other.example');
    await start({ verifier: createVerifier({ providers: [issuer.provider, other.provider] }) });
    const stays = await connect();
    const idle = await openRaw(await other.token('carol'));
    const busy = await openRaw(await other.token('dave'));
    busy.send(query('select pg_sleep(25)'));
    await atWork();
    await gateway.reload({ providers: [issuer.provider] });
    for (const session of [idle, busy]) {
      const last = (await session.untilClosed()).at(-1);
      expect(last && errorFields(last)).toMatchObject({ S: 'FATAL', C: '28000' });
    }
    expect((await stays.query('select auth.user_id()')).rows).toEqual([{ user_id: 'alice' }]);
    await stays.end();
    await allGone();
  });

  it('sessions go on whose keys cannot be had at the moment', async () => {
    await start();
    const client = await connect();
    const url = 'http://127.0.0.1:1/jwks.json';
    const provider = jwks({ url, issuer: 'https://id.example', audience: 'todos', algorithms: ['ES256'] });
    await gateway.reload({ providers: [provider] });
    expect((await client.query('select auth.user_id()')).rows).toEqual([{ user_id: 'alice' }]);
    await client.end();
  });
});

describe('a CancelRequest', () => {
  it('stops what the session runs, which goes on', async () => {
    await start();
    const raw = await openRaw();
    raw.send(query('select pg_sleep(25)'));
    await atWork();
    const other = await openWireClient(gateway.tcp?.port ?? 0);
    other.send(packet(int32(80_877_102), raw.key));
    expect(await other.untilClosed()).toEqual([]);
    const error = (await raw.until('Z')).find(({ type }) => type === 'E');
    expect(error && errorFields(error)).toMatchObject({ S: 'ERROR', C: '57014' });
    raw.send(query('select 1'));
    expect((await raw.until('Z')).map(({ type }) => type).join('')).toBe('TDCZ');
    raw.socket.destroy();
  });

  it('without the right key does nothing', async () => {
    await start();
    const raw = await openRaw();
    raw.send(query('select pg_sleep(0.5)'));
    await atWork();
    for (const position of [3, 7]) {
      const wrong = Buffer.from(raw.key);
      wrong[position] = (wrong[position] ?? 0) ^ 1;
      const other = await openWireClient(gateway.tcp?.port ?? 0);
      other.send(packet(int32(80_877_102), wrong));
      await other.untilClosed();
    }
    expect((await raw.until('Z')).map(({ type }) => type).join('')).toBe('TDCZ');
    raw.socket.destroy();
  });
});

describe('a client that goes away', () => {
  it('leaves no statement at work', async () => {
    await start();
    const raw = await openRaw();
    raw.send(query('begin; select pg_sleep(25)'));
    await atWork();
    raw.socket.destroy();
    await allGone();
  });

  it('or does not read holds the result back, and not in memory', async () => {
    await start();
    const raw = await openRaw();
    raw.socket.pause();
    const before = process.memoryUsage().arrayBuffers;
    raw.send(query(`select repeat('x', 100000) from generate_series(1, 20000)`));
    await eventually(async () => (await blockedOnClient()) === 1, 'Postgres waits for the client');
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(64 * 1_048_576);
    raw.socket.destroy();
    await allGone();
  });
});

async function blockedOnClient(): Promise<number | null> {
  const { rowCount } = await withClient(database.ownerUrl, (client) =>
    client.query(
      `select from pg_stat_activity where usename = 'authenticated' and datname = $1 and wait_event = 'ClientWrite'`,
      [database.name],
    ),
  );
  return rowCount;
}

describe('when the gateway stops', () => {
  it('an idle session is told so, and one at work ends its transaction first', async () => {
    await start();
    const idle = await openRaw();
    const busy = await connect();
    await busy.query('begin');
    await busy.query("insert into todos (title) values ('in time')");
    const closed = gateway.close();
    const last = (await idle.untilClosed()).at(-1);
    expect(last && errorFields(last)).toMatchObject({ S: 'FATAL', C: '57P01' });
    const ended = new Promise<void>((resolve) => {
      busy.once('end', () => {
        resolve();
      });
    });
    await busy.query('commit');
    await ended;
    await closed;
    const { rows } = await withClient(database.ownerUrl, (client) =>
      client.query("select user_id from todos where title = 'in time'"),
    );
    expect(rows).toEqual([{ user_id: 'alice' }]);
    await allGone();
  });
});
