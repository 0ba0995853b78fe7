import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { JWK } from 'jose';

export type Answer = (request: IncomingMessage, response: ServerResponse) => void;

/** A real HTTP server on loopback that publishes a key set and counts how often it is asked. */
export interface KeyServer {
  readonly origin: string;
  readonly url: string;
  /** The paths that were asked for, in order. */
  readonly requests: readonly string[];
  publish(...keys: readonly JWK[]): void;
  answer(answer: Answer): void;
  close(): Promise<void>;
}

export async function startKeyServer(...keys: readonly JWK[]): Promise<KeyServer> {
  const requests: string[] = [];
  let answer: Answer = json({ keys });
  const server = createServer((request, response) => {
    requests.push(request.url ?? '');
    answer(request, response);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo; // a server on TCP has no other kind of address
  const origin = `http://127.0.0.1:${port}`;
  return {
    origin,
    url: `${origin}/jwks.json`,
    requests,
    publish: (...published) => {
      answer = json({ keys: published });
    },
    answer: (next) => {
      answer = next;
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

export function json(body: unknown, headers: Record<string, string> = {}): Answer {
  return (_, response) => {
    response.writeHead(200, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(body));
  };
}

export function status(code: number, headers: Record<string, string> = {}): Answer {
  return (_, response) => {
    response.writeHead(code, headers).end('<!doctype html><title>gone</title>');
  };
}
