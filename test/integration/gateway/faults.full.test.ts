import { once } from 'node:events';
import { createServer, request, type ServerResponse } from 'node:http';
import { connect, type AddressInfo, type Socket } from 'node:net';

import pg from 'pg';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';

import type { Gateway, GatewayOptions } from '../../../src/gateway/index.ts';
import { jwks } from '../../../src/jwt/index.ts';
import { startGateway } from '../../support/gateway.ts';
import { createIssuer, type TestIssuer } from '../../support/issuer.ts';
import { withClient, type SealedDatabase } from '../../support/sealed-database.ts';
import { createTodoDatabase } from '../../support/todo-app.ts';
import { openWireClient, password, query, startupPacket } from '../../support/wire-client.ts';
import { eventually } from '../embedded/project.ts';

let database: SealedDatabase;
let issuer: TestIssuer;
let gateway: Gateway;
let alice: string;

beforeAll(async () => {
  database = await createTodoDatabase('gateway_faults');
  issuer = await createIssuer();
  alice = await issuer.token('alice');
});

afterAll(() => database.drop());

async function start(options: Partial<GatewayOptions> = {}): Promise<Gateway> {
  return startGateway({ database, issuer }, options);
}

interface Answer {
  readonly status: number;
  readonly body: Readonly<Record<string, unknown>>;
}

interface AskOptions {
  readonly token?: string;
  readonly to?: Gateway;
  readonly signal?: AbortSignal;
}

/** By a connection of its own, which is closed behind it. */
async function ask(text: string, { token = alice, to = gateway, signal }: AskOptions = {}): Promise<Answer> {
  const asked = request(`${to.url}/sql`, {
    method: 'POST',
    agent: false,
    headers: headersOf(token),
    ...(signal && { signal }),
  });
  asked.end(JSON.stringify({ query: text }));
  return answerOf(asked);
}

function headersOf(token: string): Record<string, string> {
  return {
    'neon-connection-string': `postgresql://authenticated@127.0.0.1/${database.name}`,
    authorization: `Bearer ${token}`,
  };
}

async function answerOf(asked: ReturnType<typeof request>): Promise<Answer> {
  const [response] = (await once(asked, 'response')) as [AsyncIterable<Buffer> & { statusCode: number }];
  const chunks: Buffer[] = [];
  for await (const chunk of response) chunks.push(chunk);
  return {
    status: response.statusCode,
    body: JSON.parse(Buffer.concat(chunks).toString()) as Answer['body'],
  };
}

async function backends(state: string): Promise<number> {
  const { rows } = await withClient(database.ownerUrl, (client) =>
    client.query<{ n: number }>(
      `SELECT count(*)::int AS n FROM pg_stat_activity
        WHERE datname = current_database() AND usename = 'authenticated' AND application_name !~ 'revocations' AND state LIKE $1`,
      [state],
    ),
  );
  return rows[0]?.n ?? NaN;
}

const sockets = (): number =>
  process.getActiveResourcesInfo().filter((resource) => /^(?:TCP|TLS|Pipe)\w*Wrap$/u.test(resource)).length;

beforeEach(async () => {
  const socketsBefore = sockets();
  gateway = await start({ maxConnections: 4 });
  return async () => {
    await gateway.close();
    await eventually(async () => (await backends('%')) === 0, 'no backend is left behind');
    await eventually(async () => sockets() <= socketsBefore, 'no socket is left behind');
  };
});

const tenMillionRows = `select n, repeat('x', 100) from generate_series(1, 10000000) as n`;

describe('a client that goes away in the middle of ten million rows', () => {
  it('over TCP leaves no statement at work, and memory as it was', async () => {
    const client = await openWireClient(gateway.tcp?.port ?? 0);
    client.send(startupPacket({ user: 'authenticated', database: database.name }));
    await client.until('R');
    client.send(password(alice));
    await client.until('Z');
    client.socket.removeAllListeners('data');
    await goesAway(client.socket, () => {
      client.send(query(tenMillionRows));
    });
  });

  it('over WebSocket as well', async () => {
    const socket = new WebSocket(gateway.webSocketUrl);
    await once(socket, 'open');
    const greeted = new Promise<void>((resolve) => {
      socket.on('message', (data: Buffer) => {
        if (data.includes('Z\0\0\0\u0005I', 0, 'latin1')) resolve();
      });
    });
    socket.send(startupPacket({ user: 'authenticated', database: database.name }));
    socket.send(password(alice));
    await greeted;
    socket.removeAllListeners('message');
    await goesAway(Reflect.get(socket, '_socket') as Socket, () => {
      socket.send(query(tenMillionRows));
    });
  });

  it('by HTTP, while it is counted', async () => {
    const gone = new AbortController();
    const answer = ask(`select count(*) from (${tenMillionRows}) as rows, generate_series(1, 100)`, {
      signal: gone.signal,
    }).catch(() => 'gone');
    await eventually(async () => (await backends('active')) === 1, 'it is at work');
    gone.abort();
    expect(await answer).toBe('gone');
    await eventually(async () => (await backends('active')) === 0, 'it is cancelled');
    expect((await ask('select 1')).status).toBe(200);
  });

  async function goesAway(socket: Socket, begin: () => void): Promise<void> {
    let received = 0;
    let most = 0;
    const before = process.memoryUsage().rss;
    const enough = new Promise<void>((resolve) => {
      socket.on('data', (chunk: Buffer) => {
        received += chunk.length;
        most = Math.max(most, process.memoryUsage().rss);
        if (received > 200_000_000) resolve();
      });
    });
    begin();
    await enough;
    expect(await backends('active')).toBe(1);
    socket.destroy();
    await eventually(async () => (await backends('%')) === 0, 'it is cancelled');
    expect(most - before).toBeLessThan(150_000_000);
    expect((await ask('select 1')).status).toBe(200);
  }
});

describe('by HTTP', () => {
  it('ten million rows are over the limit of an answer, and not held in memory', async () => {
    const before = process.memoryUsage().rss;
    expect(await ask(tenMillionRows)).toMatchObject({
      status: 507,
      body: { message: 'response is too large (max is 10485760 bytes)' },
    });
    expect(process.memoryUsage().rss - before).toBeLessThan(150_000_000);
    await eventually(async () => (await backends('active')) === 0, 'it has ended');
  });

  it.each([
    ['that says so', { 'content-length': String(11 * 1_048_576) }],
    ['that does not', { 'transfer-encoding': 'chunked' }],
  ])('a body of 11 MiB %s is refused before it is read', async (_, headers) => {
    const asked = request(`${gateway.url}/sql`, {
      method: 'POST',
      agent: false,
      headers: { ...headersOf(alice), ...headers },
    });
    // The connection is closed on what is still to come.
    asked.on('error', () => {});
    const answer = answerOf(asked);
    asked.write(`{"query":"select 1","params":["`);
    for (let sent = 0; sent < 11 && !asked.destroyed; sent += 1) asked.write('x'.repeat(1_048_576));
    expect(await answer).toMatchObject({
      status: 413,
      body: { message: 'request is too large (max is 10485760 bytes)' },
    });
    asked.destroy();
  });

  it('a client that sends its body a byte a second is cut off, and holds no connection meanwhile', async () => {
    const lines = Object.entries({ ...headersOf(alice), host: 'x', 'content-length': '1000' });
    const slow = Array.from({ length: 20 }, () => {
      const socket = connect(gateway.port, '127.0.0.1');
      let heard = '';
      socket.on('error', () => {});
      socket.on('data', (chunk) => {
        heard += chunk.toString();
      });
      socket.write(
        `POST /sql HTTP/1.1\r\n${lines.map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\n`,
      );
      const timer = setInterval(() => socket.write(' '), 1_000);
      return new Promise<string>((resolve) => {
        socket.on('close', () => {
          clearInterval(timer);
          resolve(heard);
        });
      });
    });
    const startedAt = Date.now();
    expect((await ask('select 1')).status).toBe(200);
    expect(await backends('active')).toBe(0);
    for (const heard of await Promise.all(slow)) expect(heard).toMatch(/^HTTP\/1\.1 408 /u);
    expect(Date.now() - startedAt).toBeLessThan(45_000);
  });

  it('10,000 connections one after the other, and 500 at once, are all answered', async () => {
    for (let n = 0; n < 10_000; n += 1) {
      const { status } = await ask('select 1');
      if (status !== 200) expect(status).toBe(200);
    }
    const tokens = await Promise.all(Array.from({ length: 50 }, (_, n) => issuer.token(`person ${n}`)));
    const answers = await Promise.all(
      Array.from({ length: 500 }, (_, n) => ask('select 1', { token: tokens[n % 50] ?? alice })),
    );
    expect(answers.filter(({ status }) => status !== 200)).toEqual([]);
    expect(await backends('%')).toBeLessThanOrEqual(4);
  });
});

it('of 500 sessions at once as many begin as there is room for, and none is left behind', async () => {
  const tokens = await Promise.all(Array.from({ length: 50 }, (_, n) => issuer.token(`person ${n}`)));
  const codes = await Promise.all(
    Array.from({ length: 500 }, async (_, n) => {
      const client = new pg.Client({
        host: '127.0.0.1',
        port: gateway.tcp?.port ?? 0,
        database: database.name,
        user: 'authenticated',
        password: tokens[n % 50] ?? alice,
      });
      client.on('error', () => {});
      try {
        await client.connect();
        await client.query('select 1');
        await client.end();
        return 'served';
      } catch (error) {
        return error instanceof pg.DatabaseError ? error.code : 'cut off';
      }
    }),
  );
  const served = codes.filter((code) => code === 'served').length;
  expect(served).toBeGreaterThanOrEqual(50);
  expect(codes.filter((code) => !['served', '53300', 'cut off'].includes(code ?? ''))).toEqual([]);
});

describe('a key set endpoint', () => {
  it.each<[string, (response: ServerResponse) => void, string]>([
    ['that is down', (response) => response.destroy(), 'ERR_KEY_SET_UNREACHABLE'],
    ['that says nothing', () => {}, 'ERR_KEY_SET_UNREACHABLE'],
    ['that does not end', (response) => void endless(response), 'ERR_KEY_SET_INVALID'],
    [
      'that leads elsewhere',
      (response) => response.writeHead(302, { location: '/elsewhere' }).end(),
      'ERR_KEY_SET_UNREACHABLE',
    ],
  ])('%s is an error of those who need it alone, and over when it is there again', async (_, fault, code) => {
    let isWell = false;
    const { keys } = issuer.provider;
    const server = createServer((_request, response) => {
      if (isWell) response.end(JSON.stringify('jwks' in keys ? keys.jwks : {}));
      else fault(response);
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    const url = `http://127.0.0.1:${port}/jwks`;
    const other = await start({
      providers: [jwks({ url, issuer: 'https://other.example', algorithms: ['ES256'] }), issuer.provider],
    });
    const token = await issuer.token('alice', { iss: 'https://other.example' });
    try {
      const refused = ask('select 1', { to: other, token });
      expect((await ask('select 1', { to: other })).status).toBe(200);
      expect(await refused).toMatchObject({ status: 400, body: { code: '28000', detail: code } });
      isWell = true;
      // After a failure the next fetch is 5 s away.
      await eventually(
        async () => (await ask('select 1', { to: other, token })).status === 200,
        'it is over',
      );
    } finally {
      await other.close();
      server.closeAllConnections();
      server.close();
    }
  });

  async function endless(response: ServerResponse): Promise<void> {
    response.writeHead(200, { 'content-type': 'application/json' });
    response.on('error', () => {});
    while (!response.destroyed) {
      response.write(' '.repeat(65_536));
      await new Promise((resolve) => setImmediate(resolve));
    }
  }
});
