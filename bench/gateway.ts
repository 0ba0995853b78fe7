import { neon, neonConfig, Pool as NeonPool } from '@neondatabase/serverless';
import { exportJWK, generateKeyPair, SignJWT } from 'jose';
import pg from 'pg';
import { WebSocket } from 'ws';

import type { BenchDatabase } from './database.ts';
import type { GatewayConfig, GatewayReady } from './gateway-server.ts';
import { load, percentile, type Load, type Work } from './measure.ts';
import { pgbench } from './pgbench.ts';
import type { RelaysReady } from './relay-servers.ts';
import type { Report } from './report.ts';
import type { Usage } from './served.ts';
import { startServers } from './start-servers.ts';

const issuer = 'https://id.example';
const guarded = 'select id, title, done from todos where user_id = $1';
const unguarded = 'select id, title, done from todos_unguarded where user_id = $1';
const values = ['user-7'];

/** Connections of each pool of clients, so that all of them together are fewer than what PostgreSQL takes. */
const clients = 12;

interface Way {
  readonly name: string;
  readonly work: Work;
  /** Of the process between client and PostgreSQL. */
  readonly usage?: () => Promise<Usage>;
  /** What does the same without a token, a seal, a look at the statement or a policy. */
  readonly nextTo?: string;
  /** Share of the throughput of what it is next to. */
  readonly atLeast?: number;
}

/**
 * One indexed select through the gateway, over HTTP, WebSocket and TCP, next to relays that pass the same on and do nothing
 * else, and next to PostgreSQL without anything between.
 */
export async function benchGateway(database: BenchDatabase, report: Report, quick: boolean): Promise<void> {
  const { connectionString, token, gatewayConfig } = await identified(database);
  const gateway = await startServers<GatewayReady>('./gateway-server.ts', gatewayConfig);
  const relays = await startServers<RelaysReady>('./relay-servers.ts', { connectionString });

  // The driver has one endpoint for the whole process: the host says which of the two is meant.
  neonConfig.fetchEndpoint = (host) => `${host === 'relay.example' ? relays.httpUrl : gateway.url}/sql`;
  neonConfig.webSocketConstructor = WebSocket;
  neonConfig.useSecureWebSocket = false;
  neonConfig.wsProxy = () => `${new URL(gateway.url).host}/v2`;
  const at = (host: string, port: number | string, password?: string): string => {
    const url = new URL(connectionString);
    url.hostname = host;
    url.port = String(port);
    if (password !== undefined) url.password = password;
    return url.href;
  };
  const throughGateway = neon(at('gateway.example', 5432), { authToken: token });
  const throughRelay = neon(at('relay.example', 5432));
  const pools = {
    straight: new pg.Pool({ connectionString, max: clients }),
    pipe: new pg.Pool({ connectionString: at('127.0.0.1', relays.pipePort), max: clients }),
    tcp: new pg.Pool({ connectionString: at('127.0.0.1', gateway.tcpPort, token), max: clients }),
    webSocket: new NeonPool({ connectionString: at('gateway.example', 5432, token), max: clients }),
  };
  const ways: readonly Way[] = [
    { name: 'straight pg', work: () => pools.straight.query(unguarded, values) },
    {
      name: 'HTTP relay',
      work: () => throughRelay.query(unguarded, values),
      usage: async () => relays.usage(),
    },
    {
      name: 'gateway, HTTP',
      work: () => throughGateway.query(guarded, values),
      usage: async () => gateway.usage(),
      nextTo: 'HTTP relay',
      atLeast: 0.8,
    },
    {
      name: 'socket pipe',
      work: () => pools.pipe.query(unguarded, values),
      usage: async () => relays.usage(),
    },
    {
      name: 'gateway, TCP',
      work: () => pools.tcp.query(guarded, values),
      usage: async () => gateway.usage(),
      nextTo: 'socket pipe',
      atLeast: 0.95,
    },
    {
      name: 'gateway, WebSocket',
      work: () => pools.webSocket.query(guarded, values),
      usage: async () => gateway.usage(),
      nextTo: 'socket pipe',
    },
  ];
  try {
    const [rounds, durationMs] = quick ? [1, 300] : [5, 1_000];
    for (const inFlight of [1, 8, 32, 128]) {
      const measured = new Map(ways.map(({ name }) => [name, [] as Measured[]]));
      for (const { work } of ways) await load(work, inFlight, durationMs / 2);
      for (let round = 0; round < rounds; round += 1) {
        for (const way of ways) measured.get(way.name)?.push(await measure(way, inFlight, durationMs));
      }
      const own = await pgbench(connectionString, unguarded.replace('$1', `'${values.join('')}'`), {
        inFlight: Math.min(inFlight, clients),
        durationMs,
      });
      if (own !== undefined) report.through({ way: 'pgbench', inFlight, load: own });
      for (const { name, nextTo, atLeast } of ways) {
        const all = measured.get(name) ?? [];
        const others = measured.get(nextTo ?? '') ?? [];
        report.through({
          way: name,
          inFlight,
          load: middle(all),
          ...(nextTo !== undefined && {
            nextTo,
            ratio: percentile(
              all.map(({ perSecond }, round) => perSecond / (others[round]?.perSecond ?? Number.NaN)),
              50,
            ),
          }),
          ...(atLeast !== undefined && { target: { atLeast } }),
        });
      }
    }
  } finally {
    await Promise.all(Object.values(pools).map((pool) => pool.end()));
    await gateway.stop();
    await relays.stop();
  }
}

interface Measured extends Load {
  /** Of the process between, for 1,000 runs. */
  readonly cpuSeconds?: number;
  readonly residentBytes?: number;
}

async function measure({ work, usage }: Way, inFlight: number, durationMs: number): Promise<Measured> {
  const before = await usage?.();
  const start = performance.now();
  const measured = await load(work, inFlight, durationMs);
  const runs = (measured.perSecond * (performance.now() - start)) / 1000;
  const after = await usage?.();
  if (before === undefined || after === undefined) return measured;
  const cpuSeconds = ((after.cpuSeconds - before.cpuSeconds) / runs) * 1000;
  return { ...measured, cpuSeconds, residentBytes: after.residentBytes };
}

function middle(all: readonly Measured[]): Measured {
  const of = (field: keyof Measured): number =>
    percentile(
      all.map((each) => each[field] ?? Number.NaN),
      50,
    );
  const timings = { medianUs: of('medianUs'), p99Us: of('p99Us'), perSecond: of('perSecond') };
  return all[0]?.cpuSeconds === undefined
    ? timings
    : { ...timings, cpuSeconds: of('cpuSeconds'), residentBytes: of('residentBytes') };
}

/** A person's token, and the gateway that verifies it. */
async function identified({ authenticatedUrl: connectionString, key }: BenchDatabase): Promise<{
  readonly connectionString: string;
  readonly token: string;
  readonly gatewayConfig: GatewayConfig;
}> {
  const { publicKey, privateKey } = await generateKeyPair('ES256');
  const token = await new SignJWT({ sub: 'user-7' })
    .setProtectedHeader({ alg: 'ES256', kid: 'bench' })
    .setIssuer(issuer)
    .setAudience(issuer)
    .setIssuedAt()
    .setExpirationTime('1h')
    .sign(privateKey);
  const jwk = { ...(await exportJWK(publicKey)), kid: 'bench', alg: 'ES256', use: 'sig' };
  return { connectionString, token, gatewayConfig: { connectionString, key, issuer, jwk } };
}
