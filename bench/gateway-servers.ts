import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

import { createGateway } from 'drizzle-authorize/gateway';
import { customKeys } from 'drizzle-authorize/jwt';
import type { JWK } from 'jose';
import pg from 'pg';

// The process that bench/gateway.ts starts: the gateway, and the relay that it is compared with.

export interface ServersConfig {
  readonly connectionString: string;
  readonly key: string;
  readonly issuer: string;
  readonly jwk: JWK;
}

export interface ServersReady {
  readonly gatewayUrl: string;
  readonly relayUrl: string;
}

process.once('message', (message) => {
  void start(message as ServersConfig);
});
process.once('disconnect', () => process.exit());

async function start({ connectionString, key, issuer, jwk }: ServersConfig): Promise<void> {
  const gateway = await createGateway({
    port: 0,
    connections: { authenticated: connectionString },
    key,
    providers: [customKeys({ keys: jwk, issuer, audience: issuer, algorithms: ['ES256'] })],
  });
  const ready: ServersReady = { gatewayUrl: gateway.url, relayUrl: await startRelay(connectionString) };
  process.send?.(ready);
}

/** Speaks as much of Neon's protocol as one query of its driver needs, and checks nothing. */
async function startRelay(connectionString: string): Promise<string> {
  const pool = new pg.Pool({ connectionString, max: 10 });
  const asText = { getTypeParser: () => (value: string) => value } as unknown as pg.CustomTypesConfig;
  const relay = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const { query, params } = JSON.parse(Buffer.concat(chunks).toString()) as {
        query: string;
        params: unknown[];
      };
      pool.query({ text: query, values: params, rowMode: 'array', types: asText }, (error, result) => {
        const { fields, rows, command, rowCount } = result;
        response.writeHead(error ? 500 : 200, { 'content-type': 'application/json' });
        response.end(JSON.stringify({ fields, rows, command, rowCount, rowAsArray: true }));
      });
    });
  });
  await new Promise<void>((resolve) => {
    relay.listen(0, '127.0.0.1', resolve);
  });
  return `http://127.0.0.1:${(relay.address() as AddressInfo).port}`;
}
