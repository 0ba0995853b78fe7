import { createServer } from 'node:http';
import { connect, createServer as createSocketServer, type AddressInfo, type Server } from 'node:net';

import pg from 'pg';

import { serve } from './served.ts';

// The process that bench/gateway.ts starts for the relays that the gateway is compared with. They check nothing.

interface RelayConfig {
  readonly connectionString: string;
}

export interface RelaysReady {
  readonly httpUrl: string;
  readonly pipePort: number;
}

serve(async ({ connectionString }: RelayConfig): Promise<RelaysReady> => {
  const { hostname, port } = new URL(connectionString);
  const http = await portOf(httpRelay(connectionString));
  const pipePort = await portOf(pipe({ host: hostname, port: Number(port) }));
  return { httpUrl: `http://127.0.0.1:${http}`, pipePort };
});

/** Speaks as much of Neon's protocol as one query of its driver needs. */
function httpRelay(connectionString: string): Server {
  const pool = new pg.Pool({ connectionString, max: 10 });
  const asText = { getTypeParser: () => (value: string) => value } as unknown as pg.CustomTypesConfig;
  return createServer((request, response) => {
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
}

/** A socket for each socket. */
function pipe(target: { readonly host: string; readonly port: number }): Server {
  return createSocketServer({ noDelay: true }, (client) => {
    const upstream = connect({ ...target, noDelay: true });
    client.pipe(upstream).pipe(client);
    client.on('error', () => upstream.destroy());
    upstream.on('error', () => client.destroy());
  });
}

async function portOf(server: Server): Promise<number> {
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  return (server.address() as AddressInfo).port;
}
