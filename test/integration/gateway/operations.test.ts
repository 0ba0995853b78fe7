import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Writable } from 'node:stream';

import { context, SpanStatusCode, trace } from '@opentelemetry/api';
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks';
import {
  BasicTracerProvider,
  InMemorySpanExporter,
  SimpleSpanProcessor,
} from '@opentelemetry/sdk-trace-base';
import pg from 'pg';
import { pino } from 'pino';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';

import type { Gateway, GatewayOptions } from '../../../src/gateway/index.ts';
import { jwks } from '../../../src/jwt/index.ts';
import { startGateway } from '../../support/gateway.ts';
import { createIssuer, type TestIssuer } from '../../support/issuer.ts';
import type { SealedDatabase } from '../../support/sealed-database.ts';
import { createTodoDatabase } from '../../support/todo-app.ts';
import { withLockedTodos } from '../cli/gateway-daemon.ts';
import { eventually } from '../embedded/project.ts';

let database: SealedDatabase;
let issuer: TestIssuer;
const cleanup: (() => Promise<unknown>)[] = [];

beforeAll(async () => {
  database = await createTodoDatabase('operations');
  issuer = await createIssuer();
});

afterEach(async () => {
  for (const step of cleanup.splice(0).toReversed()) await step();
});

afterAll(() => database.drop());

async function start(options: Partial<GatewayOptions> = {}): Promise<Gateway> {
  const gateway = await startGateway({ database, issuer }, options);
  cleanup.push(() => gateway.close());
  return gateway;
}

async function ask(gateway: Gateway, token: string, query: string, params: readonly unknown[] = []) {
  const response = await fetch(`${gateway.url}/sql`, {
    method: 'POST',
    headers: {
      'neon-connection-string': `postgresql://authenticated@127.0.0.1/${database.name}`,
      authorization: `Bearer ${token}`,
    },
    body: JSON.stringify({ query, params }),
  });
  return (await response.json()) as Readonly<Record<string, unknown>>;
}

const operations = (gateway: Gateway, path: string): Promise<Response> =>
  fetch(`${gateway.operations?.url ?? ''}${path}`);
const metricsOf = async (gateway: Gateway): Promise<string> => (await operations(gateway, '/metrics')).text();

/** A logger of pino's, and the lines that it has written. */
function pinoLogger() {
  const lines: Record<string, unknown>[] = [];
  const destination = new Writable({
    write(chunk: Buffer, _, done) {
      lines.push(JSON.parse(chunk.toString()) as Record<string, unknown>);
      done();
    },
  });
  return { logger: pino({ base: null, timestamp: false }, destination), lines };
}

describe('the port for operations', () => {
  it('is not open unless it is asked for, and on loopback then', async () => {
    expect((await start()).operations).toBeUndefined();
    const gateway = await start({ operationsPort: 0, host: '0.0.0.0' });
    expect(gateway.operations?.host).toBe('127.0.0.1');
    expect((await operations(gateway, '/elsewhere')).status).toBe(404);
    expect((await fetch(`${gateway.operations?.url ?? ''}/healthz`, { method: 'POST' })).status).toBe(405);
    // And it is a port of its own.
    expect((await fetch(`http://127.0.0.1:${gateway.port}/metrics`)).status).toBe(400);
  });

  it('is healthy and ready, and not ready any more while it drains', async () => {
    const gateway = await start({ operationsPort: 0 });
    expect(await (await operations(gateway, '/healthz')).text()).toBe('ok\n');
    const ready = await operations(gateway, '/readyz');
    expect([ready.status, await ready.json()]).toEqual([
      200,
      {
        ready: true,
        checks: { 'database: authenticated': 'ok', 'database: anonymous': 'ok', 'key sets': 'ok' },
      },
    ]);
    const token = await issuer.token('alice');
    await withLockedTodos(database.ownerUrl, async ({ unlock, requestWaits }) => {
      const answer = ask(gateway, token, 'select title from todos');
      await requestWaits();
      const closed = gateway.close();
      const draining = await operations(gateway, '/readyz');
      expect([draining.status, await draining.json()]).toEqual([
        503,
        { ready: false, checks: { gateway: 'draining' } },
      ]);
      await unlock();
      expect(await answer).toMatchObject({ rowCount: 2 });
      await closed;
    });
  });

  it('serves on for a while when it is closed, if it is told to, and says that it is going', async () => {
    const gateway = await start({ operationsPort: 0, drainDelayMs: 1_500 });
    const token = await issuer.token('alice');
    const closed = gateway.close();
    expect((await operations(gateway, '/readyz')).status).toBe(503);
    expect(await ask(gateway, token, 'select title from todos')).toMatchObject({ rowCount: 2 });
    expect(await closed).toBe(true);
    await expect(ask(gateway, token, 'select title from todos')).rejects.toThrow();
  });

  it('is not ready without its database or a key set, is ready once they are there, and names no secret', async () => {
    const keySet = await startKeySet(issuer);
    const gateway = await start({
      connections: { authenticated: database.authenticatedUrl.replace(/:\d+\//u, ':1/') },
      providers: [jwks({ url: keySet.url, issuer: 'https://id.example', algorithms: ['ES256'] })],
      operationsPort: 0,
    });
    keySet.isUp = false;
    const refused = await operations(gateway, '/readyz');
    const text = await refused.text();
    expect([refused.status, JSON.parse(text)]).toEqual([
      503,
      {
        ready: false,
        checks: { 'database: authenticated': 'ECONNREFUSED', 'key sets': 'ERR_KEY_SET_UNREACHABLE' },
      },
    ]);
    const { password } = new URL(database.authenticatedUrl);
    expect(text).not.toContain(password);

    keySet.isUp = true;
    const other = await start({
      providers: [jwks({ url: keySet.url, issuer: 'https://id.example', algorithms: ['ES256'] })],
      operationsPort: 0,
    });
    expect((await operations(other, '/readyz')).status).toBe(200);
    expect(await metricsOf(other)).toMatch(
      /drizzle_authorize_key_set_fetches_total\{host="127\.0\.0\.1:\d+",result="200"\} 1\n/u,
    );
    expect(await metricsOf(gateway)).toMatch(
      /key_set_fetches_total\{host="127\.0\.0\.1:\d+",result="503"\} 1\n/u,
    );
  });

  it('counts statements by result, connections, sessions and tokens, for Prometheus', async () => {
    const gateway = await start({ operationsPort: 0, maxConnections: 2 });
    const token = await issuer.token('alice');
    await ask(gateway, token, 'select title from todos');
    await ask(gateway, token, 'select title from todos');
    await ask(gateway, token, 'select 1 / 0');
    await ask(gateway, `${token}x`, 'select 1');
    const client = new pg.Client({
      host: '127.0.0.1',
      port: gateway.tcp?.port ?? 0,
      database: database.name,
      user: 'authenticated',
      password: token,
    });
    await client.connect();
    await client.query('begin');
    await withLockedTodos(database.ownerUrl, async ({ unlock, requestWaits }) => {
      const atWork = ask(gateway, token, 'select title from todos');
      await requestWaits();
      const waits = ask(gateway, token, 'select title from todos');
      await eventually(
        async () => (await metricsOf(gateway)).includes('pool_waiting_requests{role="authenticated"} 1'),
        'one waits',
      );
      expect(await metricsOf(gateway)).toContain('pool_connections{role="authenticated",state="busy"} 1');
      await unlock();
      await Promise.all([atWork, waits]);
    });
    const text = await metricsOf(gateway);
    await client.end();
    for (const line of [
      'statements_total{role="authenticated",statement="SELECT",result="ok"} 4',
      'statements_total{role="authenticated",statement="SELECT",result="22012"} 1',
      'statements_total{role="authenticated",statement="",result="ERR_TOKEN_SIGNATURE"} 1',
      'statements_total{role="authenticated",statement="BEGIN",result="ok"} 1',
      'statement_duration_seconds_count{role="authenticated",statement="SELECT"} 5',
      'verification_duration_seconds_count{result="ERR_TOKEN_SIGNATURE"} 1',
      'sessions 1',
    ]) {
      expect(text).toContain(`drizzle_authorize_${line}\n`);
    }
    expect(text).toContain('process_cpu_seconds_total');
    expect(text).not.toContain('alice');
  });
});

describe('a statement', () => {
  it('is a line of pino, with the digest of who asked and no value, and a line for the audit that names them', async () => {
    const log = pinoLogger();
    const audit = pinoLogger();
    const gateway = await start({ logger: log.logger, audit: audit.logger });
    const token = await issuer.token('alice');
    await ask(gateway, token, 'select title from todos where title = $1', ['a secret']);
    await ask(gateway, token, `select title from todos where title = 'another secret'`);
    await ask(gateway, token, 'delete from nowhere');
    await ask(gateway, await issuer.token('bob'), 'select title from todos where title = $1', ['x']);
    expect(log.lines).toEqual([
      {
        level: 30,
        identity: expect.stringMatching(/^[0-9a-f]{16}$/u),
        role: 'authenticated',
        statement: 'SELECT',
        fingerprint: expect.stringMatching(/^[0-9a-f]{16}$/u),
        durationMs: expect.any(Number),
        rows: 0,
        msg: 'statement',
      },
      expect.objectContaining({
        identity: log.lines[0]?.['identity'],
        fingerprint: log.lines[0]?.['fingerprint'],
      }),
      {
        level: 40,
        identity: log.lines[0]?.['identity'],
        role: 'authenticated',
        statement: 'DELETE',
        fingerprint: expect.not.stringMatching(String(log.lines[0]?.['fingerprint'])),
        durationMs: expect.any(Number),
        code: '42P01',
        msg: 'statement refused',
      },
      expect.objectContaining({ identity: expect.not.stringMatching(String(log.lines[0]?.['identity'])) }),
    ]);
    expect(audit.lines.map(({ subject, rows, code }) => [subject, rows ?? code])).toEqual([
      ['alice', 0],
      ['alice', 0],
      ['alice', '42P01'],
      ['bob', 0],
    ]);
    expect(JSON.stringify(log.lines)).not.toMatch(/secret|alice|bob/u);
    expect(JSON.stringify(audit.lines)).not.toContain('secret');
  });

  it('has a fingerprint over TCP as well, also when it is refused', async () => {
    const { logger, lines } = pinoLogger();
    const gateway = await start({ logger });
    const client = new pg.Client({
      host: '127.0.0.1',
      port: gateway.tcp?.port ?? 0,
      database: database.name,
      user: 'authenticated',
      password: await issuer.token('alice'),
    });
    await client.connect();
    await client.query('select title from todos where id = 1');
    await client.query({ text: 'select title from todos where id = $1', values: [2] });
    await expect(client.query('lock table todos')).rejects.toMatchObject({ code: '42501' });
    await client.end();
    const [simple, extended, refused] = lines;
    expect(simple).toMatchObject({ rows: 1, fingerprint: expect.any(String) });
    expect(extended).toMatchObject({ rows: 1, fingerprint: simple?.['fingerprint'] });
    expect(refused).toMatchObject({ statement: 'LOCK', code: '42501', fingerprint: expect.any(String) });
  });

  it('is a span of OpenTelemetry', async () => {
    const exporter = new InMemorySpanExporter();
    const provider = new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] });
    trace.setGlobalTracerProvider(provider);
    context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
    cleanup.push(async () => {
      trace.disable();
      context.disable();
      await provider.shutdown();
    });
    const gateway = await start({ tracing: true });
    const token = await issuer.token('alice');
    await ask(gateway, token, 'select title from todos where id = $1', [1]);
    await ask(gateway, token, 'select 1 / 0');
    const [read, failed] = exporter.getFinishedSpans();
    expect(read).toMatchObject({
      name: 'SELECT',
      status: { code: SpanStatusCode.UNSET },
      attributes: {
        'db.system.name': 'postgresql',
        'db.operation.name': 'SELECT',
        'db.response.returned_rows': 1,
        'drizzle_authorize.role': 'authenticated',
      },
    });
    expect(read?.duration[1]).toBeGreaterThan(0);
    expect(failed).toMatchObject({
      status: { code: SpanStatusCode.ERROR },
      attributes: { 'db.response.status_code': '22012' },
    });
  });
});

interface KeySet {
  readonly url: string;
  isUp: boolean;
}

async function startKeySet({ provider: { keys } }: TestIssuer): Promise<KeySet> {
  const keySet = { url: '', isUp: true };
  const server: Server = createServer((_, response) => {
    response.writeHead(keySet.isUp ? 200 : 503, { 'content-type': 'application/json' });
    response.end(JSON.stringify('jwks' in keys ? keys.jwks : {}));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  cleanup.push(async () => {
    server.closeAllConnections();
    server.close();
  });
  keySet.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/jwks`;
  return keySet;
}
