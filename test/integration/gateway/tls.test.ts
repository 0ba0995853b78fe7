import { once } from 'node:events';
import { request } from 'node:https';
import { connect as connectTls } from 'node:tls';

import { neonConfig, Pool } from '@neondatabase/serverless';
import pg from 'pg';
import postgres from 'postgres';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { WebSocket } from 'ws';

import { useGateway, type Gateway } from '../../../src/gateway/index.ts';
import { createCertificate, type Certificate } from '../../support/certificate.ts';
import { startGateway } from '../../support/gateway.ts';
import { createIssuer, type TestIssuer } from '../../support/issuer.ts';
import type { SealedDatabase } from '../../support/sealed-database.ts';
import { createTodoDatabase } from '../../support/todo-app.ts';
import {
  errorFields,
  int32,
  openWireClient,
  packet,
  password,
  startupPacket,
} from '../../support/wire-client.ts';

let database: SealedDatabase;
let issuer: TestIssuer;
let certificate: Certificate;
let gateway: Gateway;
let alice: string;
const cleanup: (() => Promise<unknown>)[] = [];

beforeAll(async () => {
  database = await createTodoDatabase('gateway_tls');
  issuer = await createIssuer();
  alice = await issuer.token('alice');
  certificate = createCertificate();
  gateway = await startGateway({ database, issuer }, { tls: certificate });
});

afterEach(async () => {
  for (const step of cleanup.splice(0).toReversed()) await step();
});

afterAll(async () => {
  await gateway.close();
  await database.drop();
});

const who = 'select auth.user_id() as who';
const sslRequest = packet(int32(80_877_103));
const tcpPort = (): number => gateway.tcp?.port ?? 0;
const asAlice = (): Buffer => startupPacket({ user: 'authenticated', database: database.name });

/** By HTTPS, with this certificate as the only authority. */
async function ask(ca: string): Promise<unknown> {
  const asked = request(`${gateway.url}/sql`, {
    method: 'POST',
    ca,
    agent: false,
    headers: {
      'neon-connection-string': `postgresql://authenticated@127.0.0.1/${database.name}`,
      authorization: `Bearer ${alice}`,
    },
  });
  asked.end(JSON.stringify({ query: who }));
  const [response] = (await once(asked, 'response')) as [AsyncIterable<Buffer>];
  const chunks: Buffer[] = [];
  for await (const chunk of response) chunks.push(chunk);
  return JSON.parse(Buffer.concat(chunks).toString()) as unknown;
}

it('HTTP has TLS, and nothing without', async () => {
  expect(gateway.url).toMatch(/^https:/u);
  expect(await ask(certificate.cert)).toMatchObject({ rows: [{ who: 'alice' }] });
  await expect(fetch(gateway.url.replace('https', 'http'))).rejects.toThrow();
});

it('WebSocket has TLS, for the unmodified Neon driver', async () => {
  expect(gateway.webSocketUrl).toMatch(/^wss:/u);
  useGateway(neonConfig, gateway.url);
  neonConfig.webSocketConstructor = class extends WebSocket {
    constructor(address: string) {
      super(address, { ca: certificate.cert });
    }
  };
  const pool = new Pool({
    user: 'authenticated',
    host: 'db.example.test',
    database: database.name,
    password: alice,
  });
  cleanup.push(() => pool.end());
  expect((await pool.query(who)).rows).toEqual([{ who: 'alice' }]);
});

it('TCP has TLS, for node-postgres and postgres.js', async () => {
  const client = new pg.Client({
    host: '127.0.0.1',
    port: tcpPort(),
    database: database.name,
    user: 'authenticated',
    password: alice,
    ssl: { ca: certificate.cert },
  });
  await client.connect();
  cleanup.push(() => client.end());
  expect((await client.query(who)).rows).toEqual([{ who: 'alice' }]);

  const sql = postgres({
    host: 'localhost',
    port: tcpPort(),
    database: database.name,
    username: 'authenticated',
    password: alice,
    ssl: { ca: certificate.cert },
    max: 1,
  });
  cleanup.push(() => sql.end());
  expect(await sql`select auth.user_id() as who`).toEqual([{ who: 'alice' }]);
});

it('TCP asks for no token before TLS, and says so', async () => {
  const client = await openWireClient(tcpPort());
  client.send(asAlice());
  const [refused, ...others] = await client.untilClosed();
  expect(others).toEqual([]);
  expect(refused && errorFields(refused)).toMatchObject({
    C: '28000',
    M: 'the gateway takes connections with TLS alone',
  });
});

it('TCP declines GSS, answers SSLRequest with S, and then goes on encrypted', async () => {
  const client = await openWireClient(tcpPort());
  client.send(packet(int32(80_877_104)));
  expect(await client.letter()).toBe('N');
  client.send(sslRequest);
  expect(await client.letter()).toBe('S');
  client.socket.removeAllListeners('data');
  const secured = connectTls({ socket: client.socket, ca: certificate.cert, servername: 'localhost' });
  await once(secured, 'secureConnect');
  secured.write(asAlice());
  const [asked] = (await once(secured, 'data')) as [Buffer];
  expect(asked.toString('latin1', 0, 1)).toBe('R');
  secured.write(password(alice));
  const [greeting] = (await once(secured, 'data')) as [Buffer];
  expect(greeting.toString('latin1', 0, 1)).toBe('R');
  secured.destroy();
});

it('TCP takes nothing that was sent in the clear for a part of what is encrypted', async () => {
  const client = await openWireClient(tcpPort());
  client.send(sslRequest, asAlice());
  expect(await client.untilClosed()).toEqual([]);
});

it('a client that says nothing of what it was expected to leaves nothing behind', async () => {
  const other = await startGateway({ database, issuer }, { tls: certificate });
  const silent = await openWireClient(other.tcp?.port ?? 0);
  const halfway = await openWireClient(other.tcp?.port ?? 0);
  halfway.send(sslRequest);
  expect(await halfway.letter()).toBe('S');
  halfway.send(Buffer.from('this is no handshake'));
  await other.close();
  expect(await silent.untilClosed()).toEqual([]);
  await halfway.untilClosed().catch(() => {});
});

it('another certificate is taken on without a restart', async () => {
  const renewed = createCertificate();
  await gateway.reload({ providers: [issuer.provider], tls: renewed });
  await expect(ask(certificate.cert)).rejects.toThrow();
  expect(await ask(renewed.cert)).toMatchObject({ rows: [{ who: 'alice' }] });
  await gateway.reload({ providers: [issuer.provider], tls: certificate });
  expect(await ask(certificate.cert)).toMatchObject({ rows: [{ who: 'alice' }] });
});

it('what is no certificate is refused without a word of it', async () => {
  const wrong = { cert: certificate.cert, key: createCertificate().key };
  await expect(gateway.reload({ providers: [issuer.provider], tls: wrong })).rejects.toThrow(
    new TypeError('reload: tls: cert and key must be a certificate and its private key, in PEM'),
  );
  expect(await ask(certificate.cert)).toMatchObject({ rows: [{ who: 'alice' }] });
});
