import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import pg from 'pg';
import { afterAll, beforeAll, expect, it } from 'vitest';

import { preludeStatements } from '../../../src/database/prelude.ts';
import { startEmbeddedCluster, type EmbeddedCluster } from '../../../src/embedded/cluster.ts';
import { createGateway, type Gateway } from '../../../src/gateway/index.ts';
import { createIssuer, type TestIssuer } from '../../support/issuer.ts';
import { runAsOwner, setUpDatabase, withClient } from '../../support/sealed-database.ts';
import { todoRows, todoTables } from '../../support/todo-app.ts';
import { eventually } from '../embedded/project.ts';

// On a cluster of its own, since all of it goes down.

let folder: string;
let cluster: EmbeddedCluster;
let issuer: TestIssuer;
let gateway: Gateway;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'restart-'));
  cluster = await startEmbeddedCluster({ dataDirectory: folder });
  await runAsOwner(cluster.ownerUrl, [
    ...preludeStatements(['authenticated', 'anonymous']),
    ...todoTables,
    ...todoRows,
  ]);
  const { authenticatedUrl, authorizeKey } = await setUpDatabase(cluster.ownerUrl);
  issuer = await createIssuer();
  gateway = await createGateway({
    connections: { authenticated: authenticatedUrl },
    providers: [issuer.provider],
    key: authorizeKey,
    port: 0,
    tcpPort: 0,
    operationsPort: 0,
    maxConnections: 4,
    waitTimeoutMs: 60_000,
  });
});

afterAll(async () => {
  await gateway.close();
  await cluster.stop();
  await rm(folder, { recursive: true, force: true });
});

async function ask(subject: string, query: string): Promise<Readonly<Record<string, unknown>>> {
  const response = await fetch(`${gateway.url}/sql`, {
    method: 'POST',
    headers: {
      'neon-connection-string': 'postgresql://authenticated@127.0.0.1/postgres',
      authorization: `Bearer ${await issuer.token(subject)}`,
    },
    body: JSON.stringify({ query }),
  });
  return (await response.json()) as Readonly<Record<string, unknown>>;
}

/** The processes that run statements of people; the gateway asks for itself who has been revoked meanwhile. */
async function atWork(): Promise<readonly number[]> {
  const { rows } = await withClient(cluster.ownerUrl, (client) =>
    client.query<{ pid: number }>(
      `SELECT pid FROM pg_stat_activity WHERE usename = 'authenticated' AND state = 'active' AND query ~ 'pg_sleep|todos'`,
    ),
  );
  return rows.map(({ pid }) => pid);
}

/** A session over TCP. */
async function openSession(): Promise<{ readonly ended: Promise<void> }> {
  const client = new pg.Client({
    host: '127.0.0.1',
    port: gateway.tcp?.port ?? 0,
    database: 'postgres',
    user: 'authenticated',
    password: await issuer.token('carol'),
  });
  client.on('error', ignore);
  const ended = new Promise<void>((resolve) => {
    client.once('end', resolve);
  });
  await client.connect();
  return { ended };
}

function ignore(): void {
  // It is to break.
}

const ready = async (): Promise<number> => (await fetch(`${gateway.operations?.url ?? ''}/readyz`)).status;

it.each([
  ['one backend is killed, and Postgres recovers by itself', 'backend'],
  ['all of Postgres is killed, and started again', 'postmaster'],
])('%s', async (_, what) => {
  const { ended } = await openSession();
  const lost = ask('alice', 'select pg_sleep(20)');
  await eventually(async () => (await atWork()).length === 1, 'the statement is at work');
  const [pid = 0] = await atWork();
  process.kill(what === 'backend' ? pid : cluster.pid, 'SIGKILL');
  // What was at work is an error, since nobody knows how far it came.
  expect(await lost).toMatchObject({ message: 'the gateway got no answer from its database' });
  await ended;

  // What comes meanwhile waits, and is answered.
  const waiting = ['alice', 'bob', 'carol', 'dave'].map((subject) => ask(subject, 'select title from todos'));
  const late = openSession();
  if (what === 'postmaster') {
    await eventually(async () => (await ready()) === 503, 'the gateway is not ready');
    const { port } = cluster;
    // The last process of the old one may still hold its memory.
    await eventually(async () => {
      const started = await startEmbeddedCluster({ dataDirectory: folder, port }).catch(ignore);
      if (started !== undefined) cluster = started;
      return started !== undefined;
    }, 'it has started again');
  }
  await late;
  expect((await Promise.all(waiting)).map(({ rowCount }) => rowCount)).toEqual([2, 2, 1, 1]);
  await eventually(async () => (await ready()) === 200, 'the gateway is ready');
  expect(await atWork()).toEqual([]);
});
