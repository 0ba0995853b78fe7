import { createServer, type Server, type ServerResponse } from 'node:http';

import type { Metrics } from './metrics.ts';
import type { Readiness } from './readiness.ts';

export interface OperationsServerOptions {
  readonly metrics: Metrics;
  readonly readiness: Readiness;
}

/**
 * Answers whoever runs the gateway: `/healthz` as long as the process does, `/readyz` 200 or 503, `/metrics` for Prometheus.
 * Nobody is asked who they are, so it has a port of its own.
 */
export function createOperationsServer({ metrics, readiness }: OperationsServerOptions): Server {
  const answer = async (path: string, response: ServerResponse): Promise<void> => {
    switch (path) {
      case '/healthz':
        send(response, 200, 'text/plain', 'ok\n');
        break;
      case '/readyz': {
        const { isReady, checks } = await readiness.check();
        const body = `${JSON.stringify({ ready: isReady, checks })}\n`;
        send(response, isReady ? 200 : 503, 'application/json', body);
        break;
      }
      case '/metrics':
        send(response, 200, metrics.contentType, await metrics.text());
        break;
      default:
        send(response, 404, 'text/plain', 'there is /healthz, /readyz and /metrics\n');
    }
  };
  return createServer((request, response) => {
    const [path = ''] = (request.url ?? '').split('?');
    if (request.method !== 'GET' && request.method !== 'HEAD') {
      send(response, 405, 'text/plain', 'GET is what is served\n');
      return;
    }
    answer(path, response).catch(() => {
      send(response, 500, 'text/plain', 'it could not be found out\n');
    });
  });
}

function send(response: ServerResponse, status: number, contentType: string, body: string): void {
  if (response.headersSent) return;
  response.writeHead(status, { 'content-type': contentType, 'cache-control': 'no-store' });
  response.end(body);
}
