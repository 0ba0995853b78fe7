import { neon, neonConfig } from '@neondatabase/serverless';
import { exportJWK, generateKeyPair, SignJWT } from 'jose';
import pg from 'pg';

import type { BenchDatabase } from './database.ts';
import type { ServersConfig, ServersReady } from './gateway-servers.ts';
import { load, percentile, type Load, type Work } from './measure.ts';
import type { Report } from './report.ts';
import { startServers } from './start-servers.ts';

const issuer = 'https://id.example';
const query = 'select id, title, done from todos where user_id = $1';
const unguardedQuery = 'select id, title, done from todos_unguarded where user_id = $1';

/**
 * One indexed select through the gateway and the unmodified `neon()`, next to straight node-postgres, and next to a relay
 * that does nothing but take the same statement over HTTP and run it.
 */
export async function benchGateway(database: BenchDatabase, report: Report, quick: boolean): Promise<void> {
  const { publicKey, privateKey } = await generateKeyPair('ES256');
  const config: ServersConfig = {
    connectionString: database.authenticatedUrl,
    key: database.key,
    issuer,
    jwk: { ...(await exportJWK(publicKey)), kid: 'bench', alg: 'ES256', use: 'sig' },
  };
  const servers = await startServers<ServersReady>('./gateway-servers.ts', config);
  const token = await new SignJWT({ sub: 'user-7' })
    .setProtectedHeader({ alg: 'ES256', kid: 'bench' })
    .setIssuer(issuer)
    .setAudience(issuer)
    .setIssuedAt()
    .setExpirationTime('1h')
    .sign(privateKey);
  const pool = new pg.Pool({ connectionString: database.authenticatedUrl, max: 10 });
  const { pathname } = new URL(database.authenticatedUrl);
  const connection = `postgresql://authenticated@db.example${pathname}`;

  // The driver has one endpoint for the whole process: the host says which of the two is meant.
  neonConfig.fetchEndpoint = (host) =>
    `${host === 'relay.example' ? servers.relayUrl : servers.gatewayUrl}/sql`;
  const throughGateway = neon(connection, { authToken: token });
  const throughRelay = neon(connection.replace('db.example', 'relay.example'));
  const ways: Readonly<Record<string, Work>> = {
    gateway: () => throughGateway.query(query, ['user-7']),
    pg: () => pool.query(unguardedQuery, ['user-7']),
    relay: () => throughRelay.query(unguardedQuery, ['user-7']),
  };
  try {
    const [rounds, durationMs] = quick ? [2, 300] : [5, 1_500];
    for (const inFlight of [1, 32]) {
      const results: Record<string, Load[]> = { gateway: [], pg: [], relay: [] };
      for (const way of Object.values(ways)) await load(way, inFlight, durationMs / 3);
      for (let round = 0; round < rounds; round += 1) {
        for (const [name, way] of Object.entries(ways)) {
          results[name]?.push(await load(way, inFlight, durationMs));
        }
      }
      for (const [name, alternative] of [
        ['pg', 'straight node-postgres, without RLS'],
        ['relay', 'a bare HTTP relay, without token, seal or RLS'],
      ] as const) {
        report.load({
          name: `gateway, indexed select through neon(), ${inFlight} in flight`,
          alternative,
          ours: middle(results.gateway),
          theirs: middle(results[name]),
        });
      }
    }
  } finally {
    await pool.end();
    await servers.stop();
  }
}

function middle(loads: readonly Load[] = []): Load {
  const of = (field: keyof Load): number =>
    percentile(
      loads.map((each) => each[field]),
      50,
    );
  return { medianUs: of('medianUs'), p99Us: of('p99Us'), perSecond: of('perSecond') };
}
