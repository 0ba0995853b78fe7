import { join } from 'node:path';

import { build } from 'esbuild';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';

import { type NeonEndpoint, startNeonEndpoint } from '../support/neon-endpoint.ts';
import { type NeonWebSocket, startNeonWebSocket } from '../support/neon-websocket.ts';
import type { SealedDatabase } from '../support/sealed-database.ts';
import { createTodoDatabase, resetTodos } from '../support/todo-app.ts';
import { json, type KeyServer, startKeyServer } from '../unit/jwt/key-server.ts';
import { createSigner, issuer, type Signer } from '../unit/jwt/signer.ts';
import { type RunningWorker, startWorker } from './edge-runtime/workerd.ts';

/** The entry points that promise to run where there is no Node. */
const entryPoints = [
  'drizzle-authorize',
  'drizzle-authorize/jwt',
  'drizzle-authorize/neon-http',
  'drizzle-authorize/neon-serverless',
];

/**
 * The Worker of this test, and every entry point whole, as one file. A `node:` module cannot be found, and fails it.
 *
 * @see https://developers.cloudflare.com/workers/wrangler/bundling/#conditional-exports for the conditions
 */
async function bundle(entries: readonly string[]): Promise<string> {
  const imports = entries.map((entry, index) => `import * as entry${index} from '${entry}';`);
  const names = entries.map((entry, index) => `'${entry}': Object.keys(entry${index})`);
  const { outputFiles } = await build({
    stdin: {
      contents: `
        ${imports.join('\n')}
        import { handle } from './worker.ts';
        const entries = () => Response.json({ ${names.join(', ')} });
        export default { fetch: (request, env) => (request.url.endsWith('/entries') ? entries() : handle(request, env)) };`,
      resolveDir: join(import.meta.dirname, 'edge-runtime'),
    },
    bundle: true,
    write: false,
    format: 'esm',
    platform: 'neutral',
    mainFields: ['browser', 'module', 'main'],
    conditions: ['workerd', 'worker', 'browser'],
    logLevel: 'silent',
  });
  return outputFiles[0]?.text ?? '';
}

const epochSeconds = Math.floor(Date.now() / 1000);
const validClaims = { iat: epochSeconds, exp: epochSeconds + 600 };

let signer: Signer;
let keyServer: KeyServer;
let database: SealedDatabase;
let endpoint: NeonEndpoint;
let webSocket: NeonWebSocket;
let code: string;
let worker: RunningWorker;

beforeAll(async () => {
  signer = await createSigner('ES256');
  keyServer = await startKeyServer();
  database = await createTodoDatabase('edge_runtime');
  const { hostname, port } = new URL(database.ownerUrl);
  endpoint = await startNeonEndpoint({ host: hostname, port: Number(port) });
  webSocket = await startNeonWebSocket({ host: hostname, port: Number(port) });
  code = await bundle(entryPoints);
});
afterAll(async () => {
  await Promise.all([endpoint.close(), webSocket.close()]);
  await Promise.all([keyServer.close(), database.drop()]);
});

async function ask(path: string, body?: string): Promise<unknown> {
  const response = await fetch(`${worker.url}${path}`, body === undefined ? {} : { method: 'POST', body });
  return response.json();
}

describe('in workerd, without nodejs_compat', () => {
  // A new one knows no keys and no tokens.
  beforeEach(async () => {
    keyServer.publish(signer.publicJwk);
    worker = await startWorker(code, {
      AUTHORIZE_KEY: database.authorizeKey,
      DATABASE_AUTHENTICATED_URL: database.authenticatedUrl,
      DATABASE_SOCKET_URL: webSocket.through(database.authenticatedUrl),
      ENDPOINT_URL: endpoint.url,
      ISSUER: issuer,
      KEY_SET_URL: keyServer.url,
      PUBLIC_JWK: JSON.stringify(signer.publicJwk),
    });
    return () => worker.stop();
  });

  it('there is nothing of Node', async () => {
    expect(await ask('/host')).toEqual({
      process: 'undefined',
      buffer: 'undefined',
      userAgent: 'Cloudflare-Workers',
    });
  });

  it('each entry point loads whole', async () => {
    const loaded = Object.entries((await ask('/entries')) as Record<string, readonly string[]>);
    expect(loaded.map(([entry]) => entry)).toEqual(entryPoints);
    for (const [entry, names] of loaded) expect(names.length, entry).toBeGreaterThan(0);
  });

  it('a schema declares its policies', async () => {
    expect(await ask('/policies')).toEqual({
      'crud-authenticated-policy-select': '(select auth.user_id()) = "todos"."user_id"',
      'crud-authenticated-policy-update': 'false',
      'crud-authenticated-policy-delete': 'false',
    });
  });

  it.each(['/jwks', '/custom-keys'])('a token is verified with the keys of %s', async (path) => {
    const token = await signer.sign({ ...validClaims, sub: 'alice' });
    const identity = { role: 'authenticated', claims: { ...validClaims, iss: issuer, sub: 'alice' } };
    expect(await ask(path, token)).toMatchObject(identity);
    // Out of the cache, whose key is made without Node's crypto.
    expect(await ask(path, token)).toMatchObject(identity);
  });

  it.each(['/jwks', '/custom-keys'])('a forged and an expired token are refused by %s', async (path) => {
    const forger = await createSigner('ES256');
    expect(await ask(path, await forger.sign(validClaims))).toEqual({ code: 'ERR_TOKEN_SIGNATURE' });
    const expired = { iat: epochSeconds - 600, exp: epochSeconds - 300 };
    expect(await ask(path, await signer.sign(expired))).toEqual({ code: 'ERR_TOKEN_EXPIRED' });
  });

  it.each([
    ['HTTP', '/todos', 'from the edge'],
    ['a WebSocket', '/socket/todos', 'from the socket'],
  ])('each person has rows of their own over %s, also when they ask at once', async (_, path, added) => {
    const [alice, bob] = await Promise.all(
      ['alice', 'bob'].map((sub) => signer.sign({ ...validClaims, sub })),
    );
    const titles = async (token: string | undefined): Promise<readonly string[]> =>
      ((await ask(path, token)) as readonly { title: string }[]).map(({ title }) => title);
    await resetTodos(database);
    expect(await Promise.all([titles(alice), titles(bob), titles(alice)])).toEqual([
      ['water the plants', 'read a book'],
      ['read a book', 'call mum'],
      ['water the plants', 'read a book'],
    ]);
    expect(await ask(`${path}/add`, bob)).toMatchObject([{ userId: 'bob', title: added }]);
    expect(await titles(bob)).toContain(added);
    expect(await titles(alice)).not.toContain(added);
    const forger = await createSigner('ES256');
    expect(await ask(path, await forger.sign({ ...validClaims, sub: 'bob' }))).toEqual({
      code: 'ERR_TOKEN_SIGNATURE',
    });
  });

  it('no request waits for the work of another, and keys are still not fetched for each', async () => {
    const before = keyServer.requests.length;
    const fetches = (): number => keyServer.requests.length - before;
    // Nobody has an answer until two have asked.
    const waiting: (() => void)[] = [];
    keyServer.answer((request, response) => {
      waiting.push(() => {
        json({ keys: [signer.publicJwk] })(request, response);
      });
      if (waiting.length === 2) for (const answer of waiting) answer();
    });
    const token = await signer.sign(validClaims);
    const identities = await Promise.all([ask('/jwks', token), ask('/jwks', token)]);
    expect(identities[0]).toMatchObject({ role: 'authenticated' });
    expect(identities[1]).toEqual(identities[0]);
    expect(fetches()).toBe(2);

    keyServer.publish(signer.publicJwk);
    const stranger = await createSigner('ES256', 'strange');
    const tokens = await Promise.all(
      Array.from({ length: 20 }, (_, n) => stranger.sign({ ...validClaims, n })),
    );
    for (const refused of await Promise.all(tokens.map((each) => ask('/jwks', each)))) {
      expect(refused).toEqual({ code: 'ERR_TOKEN_SIGNATURE' });
    }
    expect(fetches()).toBe(3);
  });
});

it('an entry point that needs Node would not have been bundled', async () => {
  await expect(bundle(['drizzle-authorize/gateway'])).rejects.toThrow('Could not resolve "node:http"');
});
