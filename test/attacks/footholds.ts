import { Client as NeonClient, neon, Pool as NeonPool } from '@neondatabase/serverless';
import type { PGlite } from '@electric-sql/pglite';
import { sql, type SQL } from 'drizzle-orm';
import { drizzle as drizzleNeonHttp } from 'drizzle-orm/neon-http';
import { drizzle as drizzleNeonServerless } from 'drizzle-orm/neon-serverless';
import { drizzle } from 'drizzle-orm/node-postgres';
import { drizzle as drizzlePglite } from 'drizzle-orm/pglite';
import { drizzle as drizzlePostgresJs } from 'drizzle-orm/postgres-js';
import pg from 'pg';
import postgres from 'postgres';

import type { Turn } from '../../src/attacks/attack.ts';
import { answer, oneByOne, stacked, type Foothold, type Way } from '../../src/attacks/foothold.ts';
import { withAuth as withAuthNeonHttp } from '../../src/driver/neon-http.ts';
import { withAuth as withAuthNeonServerless } from '../../src/driver/neon-serverless.ts';
import { withAuth } from '../../src/driver/node-postgres.ts';
import { withAuth as withAuthPglite } from '../../src/driver/pglite.ts';
import { withAuth as withAuthPostgresJs } from '../../src/driver/postgres-js.ts';
import type { Gateway } from '../../src/gateway/index.ts';
import type { TestIssuer } from '../support/issuer.ts';
import { startNeonEndpoint } from '../support/neon-endpoint.ts';
import { atHost, serveHost } from '../support/neon-hosts.ts';
import { startNeonWebSocket } from '../support/neon-websocket.ts';
import type { SealedDatabase } from '../support/sealed-database.ts';

/** What each foothold of ours needs. */
export interface Served {
  readonly database: SealedDatabase;
  readonly issuer: TestIssuer;
}

/** The tokens of Alice and Mallory; Mallory is suspended. */
async function tokensOf({ issuer }: { readonly issuer: TestIssuer }): Promise<(by: Turn['by']) => string> {
  const [alice, mallory] = await Promise.all([
    issuer.token('alice', { suspended: 'false' }),
    issuer.token('mallory', { suspended: 'true' }),
  ]);
  return (by) => (by === 'mallory' ? mallory : alice);
}

/** What is used of a Drizzle database, of whatever driver. */
interface Database {
  execute(query: SQL): PromiseLike<unknown>;
}

interface Transacting extends Database {
  transaction(work: (tx: Database) => Promise<void>): Promise<unknown>;
}

/** Each handle takes SQL that is injected into a query: `sql.raw`. */
function throughHandles(
  app: Database,
  handleOf: (by: Turn['by']) => Transacting,
  close: () => Promise<void>,
): Foothold {
  return {
    ways: ['apart', 'together', 'stacked'],
    take: async (turn, way) => {
      const runOn = (db: Database) => async (text: string) => rowsOf(await db.execute(sql.raw(text)));
      if (turn.by === 'app') return oneByOne(turn, runOn(app));
      const handle = handleOf(turn.by);
      if (way !== 'together') return oneByOne(inWay(turn, way), runOn(handle));
      let answers = '';
      await handle
        .transaction(async (tx) => {
          answers = await oneByOne(turn, runOn(tx));
        })
        .catch(() => {});
      return answers;
    },
    close,
  };
}

export async function nodePostgres(served: Served): Promise<Foothold> {
  const tokenOf = await tokensOf(served);
  const pool = new pg.Pool({
    connectionString: served.database.authenticatedUrl,
    max: 1,
    statement_timeout: 5000,
  });
  pool.on('error', () => {});
  const db = withAuth(drizzle({ client: pool }), optionsOf(served));
  return throughHandles(
    db,
    (by) => db.$withAuth(tokenOf(by)),
    () => pool.end(),
  );
}

export async function postgresJs(served: Served): Promise<Foothold> {
  const tokenOf = await tokensOf(served);
  const client = postgres(served.database.authenticatedUrl, {
    max: 1,
    connection: { statement_timeout: 5000 },
    onnotice: () => {},
  });
  const db = withAuthPostgresJs(drizzlePostgresJs({ client }), optionsOf(served));
  return throughHandles(
    db,
    (by) => db.$withAuth(tokenOf(by)),
    () => client.end(),
  );
}

export async function neonServerless(served: Served): Promise<Foothold> {
  const tokenOf = await tokensOf(served);
  const { hostname, port } = new URL(served.database.ownerUrl);
  const proxy = await startNeonWebSocket({ host: hostname, port: Number(port) });
  const pool = new NeonPool({
    connectionString: proxy.through(served.database.authenticatedUrl),
    max: 1,
    statement_timeout: 5000,
  });
  pool.on('error', () => {});
  const db = withAuthNeonServerless(drizzleNeonServerless({ client: pool }), optionsOf(served));
  return throughHandles(
    db,
    (by) => db.$withAuth(tokenOf(by)),
    async () => {
      await pool.end();
      await proxy.close();
    },
  );
}

/** neon-http with seals, at an endpoint that has one connection. */
export async function neonHttp(served: Served): Promise<Foothold> {
  const tokenOf = await tokensOf(served);
  const { hostname, port } = new URL(served.database.ownerUrl);
  const endpoint = await startNeonEndpoint({ host: hostname, port: Number(port) }, { maxConnections: 1 });
  serveHost('attacked-direct', endpoint.url);
  const client = neon(atHost('attacked-direct', served.database.authenticatedUrl));
  const db = withAuthNeonHttp(drizzleNeonHttp({ client }), optionsOf(served));
  return {
    ways: ['apart', 'together', 'stacked'],
    take: async (turn, way) => {
      const handle = turn.by === 'app' ? db : db.$withAuth(tokenOf(turn.by));
      if (way !== 'together' || turn.by === 'app') {
        return oneByOne(inWay(turn, turn.by === 'app' ? 'apart' : way), async (text) =>
          rowsOf(await handle.execute(sql.raw(text))),
        );
      }
      return oneByOne({ ...turn, sql: ['all of them'] }, async () => {
        const [first, ...rest] = turn.sql.map((text) => handle.execute(sql.raw(text)));
        const results = first === undefined ? [] : await handle.batch([first, ...rest]);
        return results.map(rowsOf).join('\n');
      });
    },
    close: () => endpoint.close(),
  };
}

export async function pglite(
  client: PGlite,
  { issuer, key }: { readonly issuer: TestIssuer; readonly key: string },
): Promise<Foothold> {
  const tokenOf = await tokensOf({ issuer });
  const db = withAuthPglite(drizzlePglite({ client }), { providers: [issuer.provider], key });
  return throughHandles(
    db,
    (by) => db.$withAuth(tokenOf(by)),
    () => Promise.resolve(),
  );
}

/** The gateway over HTTP, with the unmodified driver: single statements, and batches. */
export async function gatewayOverHttp(served: Served, gateway: Gateway): Promise<Foothold> {
  const tokenOf = await tokensOf(served);
  serveHost('attacked-gateway', `${gateway.url}/sql`);
  const url = atHost('attacked-gateway', served.database.authenticatedUrl, { password: false });
  return {
    ways: ['apart', 'together', 'stacked'],
    take: async (turn, way) => {
      if (turn.by === 'app') return noApplication;
      const query = neon(url, { authToken: tokenOf(turn.by) });
      if (way !== 'together') {
        return oneByOne(inWay(turn, way), async (text) => answer(await query.query(text)));
      }
      return oneByOne({ ...turn, sql: ['all of them'] }, async () =>
        answer(await query.transaction(turn.sql.map((text) => query.query(text)))),
      );
    },
    close: () => Promise.resolve(),
  };
}

/** The gateway by PostgreSQL's own protocol, a session a person. */
export async function gatewayOverTcp(served: Served, gateway: Gateway): Promise<Foothold> {
  return inSessions(served, (config) => new pg.Client({ ...config, port: gateway.tcp?.port ?? 0 }));
}

export async function gatewayOverWebSocket(served: Served, gateway: Gateway): Promise<Foothold> {
  return inSessions(served, (config) => new NeonClient({ ...config, port: gateway.port }));
}

/** What is used of a client, of either driver. */
interface Session {
  on(event: 'error', listener: () => void): unknown;
  connect(): Promise<unknown>;
  query(text: string): Promise<unknown>;
  end(): Promise<unknown>;
}

async function inSessions(served: Served, clientOf: (config: pg.ClientConfig) => Session): Promise<Foothold> {
  const tokenOf = await tokensOf(served);
  const sessions = new Map<Turn['by'], Session>();
  const sessionOf = async (by: Turn['by']): Promise<Session> => {
    const known = sessions.get(by);
    if (known !== undefined) return known;
    const session = clientOf({
      host: '127.0.0.1',
      user: 'authenticated',
      database: served.database.name,
      password: tokenOf(by),
    });
    sessions.set(by, session);
    session.on('error', () => {});
    await session.connect();
    return session;
  };
  return {
    ways: ['apart', 'together', 'stacked'],
    take: async (turn, way) => {
      if (turn.by === 'app') return noApplication;
      const session = await sessionOf(turn.by);
      if (way === 'together') await session.query('begin');
      const answers = await oneByOne(inWay(turn, way), async (text) => rowsOf(await session.query(text)));
      if (way === 'together') await session.query('commit').catch(() => {});
      return answers;
    },
    close: async () => {
      await Promise.all([...sessions.values()].map((session) => session.end()));
    },
  };
}

/** Whoever connects to the gateway is a person. */
const noApplication = 'the application has no connection of its own';

const optionsOf = ({ database, issuer }: Served) => ({
  providers: [issuer.provider],
  key: database.authorizeKey,
});

function inWay(turn: Turn, way: Way): Turn {
  return way === 'stacked' ? { ...turn, sql: [stacked(turn)] } : turn;
}

/** The rows of a result, of whatever driver; of several results, where one text had several statements. */
function rowsOf(result: unknown): string {
  if (typeof result === 'object' && result !== null && 'rows' in result) return answer(result.rows);
  return Array.isArray(result)
    ? answer(
        result.map((one: unknown) =>
          typeof one === 'object' && one !== null && 'rows' in one ? one.rows : one,
        ),
      )
    : answer(result);
}
