import { neon, neonConfig, Pool } from '@neondatabase/serverless';
import { auth, authenticatedRole, authUid, crudPolicy, isAuthorizeError } from 'drizzle-authorize';
import { createVerifier, customKeys, jwks } from 'drizzle-authorize/jwt';
import { withAuth } from 'drizzle-authorize/neon-http';
import { withAuth as withAuthOverSocket, type WithAuth } from 'drizzle-authorize/neon-serverless';
import { drizzle } from 'drizzle-orm/neon-http';
import { drizzle as drizzleOverSocket, type NeonDatabase } from 'drizzle-orm/neon-serverless';
import { getTableConfig, PgDialect, pgTable, serial, text } from 'drizzle-orm/pg-core';

// What a Worker does with the package. Bundled for the test, and run by workerd.

interface Environment {
  readonly AUTHORIZE_KEY: string;
  readonly DATABASE_AUTHENTICATED_URL: string;
  /** The same database, with host and port of a WebSocket that leads to it. */
  readonly DATABASE_SOCKET_URL: string;
  /** Where Neon's protocol is spoken. */
  readonly ENDPOINT_URL: string;
  readonly ISSUER: string;
  readonly KEY_SET_URL: string;
  readonly PUBLIC_JWK: string;
}

const todos = pgTable(
  'todos',
  {
    id: serial().primaryKey(),
    userId: text('user_id').notNull().default(auth.userId()),
    title: text().notNull(),
  },
  (t) => [crudPolicy({ role: authenticatedRole, read: authUid(t.userId), modify: false })],
);

type Answer = (request: Request) => Promise<unknown>;

// Made by the first request, and kept: what one request began is there for the others.
let answers: Readonly<Record<string, Answer>> | undefined;

function toAnswers(environment: Environment): Readonly<Record<string, Answer>> {
  const { KEY_SET_URL, ISSUER: issuer } = environment;
  const keys: unknown = JSON.parse(environment.PUBLIC_JWK);
  if (typeof keys !== 'object' || keys === null) throw new TypeError('PUBLIC_JWK is no key');
  const own = createVerifier({ providers: [customKeys({ keys, issuer })] });
  const fetched = createVerifier({ providers: [jwks({ url: KEY_SET_URL, issuer })] });

  neonConfig.fetchEndpoint = () => environment.ENDPOINT_URL;
  const db = withAuth(drizzle(neon(environment.DATABASE_AUTHENTICATED_URL)), {
    verifier: own,
    key: environment.AUTHORIZE_KEY,
  });

  neonConfig.useSecureWebSocket = false;
  neonConfig.wsProxy = (name, port) => `${name}:${port}/v2`;
  // A connection belongs to the request that opened it: each has a pool of its own.
  const overSocket = async <Rows>(work: (ownDb: WithAuth<NeonDatabase>) => Promise<Rows>): Promise<Rows> => {
    const client = new Pool({ connectionString: environment.DATABASE_SOCKET_URL });
    try {
      return await work(
        withAuthOverSocket(drizzleOverSocket({ client }), { verifier: own, key: environment.AUTHORIZE_KEY }),
      );
    } finally {
      await client.end();
    }
  };

  return {
    '/custom-keys': async (request) => own.verify(await request.text()),
    '/jwks': async (request) => fetched.verify(await request.text()),
    '/policies': () => Promise.resolve(policies()),
    '/host': () => Promise.resolve(host()),
    '/todos': async (request) => db.$withAuth(request.text()).select().from(todos).orderBy(todos.id),
    '/todos/add': async (request) =>
      db.$withAuth(request.text()).insert(todos).values({ title: 'from the edge' }).returning(),
    '/socket/todos': async (request) =>
      overSocket(async (ownDb) => ownDb.$withAuth(request.text()).select().from(todos).orderBy(todos.id)),
    '/socket/todos/add': async (request) =>
      overSocket(async (ownDb) =>
        ownDb
          .$withAuth(request.text())
          .transaction(async (tx) => tx.insert(todos).values({ title: 'from the socket' }).returning()),
      ),
  };
}

export async function handle(request: Request, environment: Environment): Promise<Response> {
  answers ??= toAnswers(environment);
  const answer = answers[new URL(request.url).pathname];
  if (answer === undefined) return new Response('no such path', { status: 404 });
  try {
    return Response.json(await answer(request));
  } catch (error) {
    if (isAuthorizeError(error)) return Response.json({ code: error.code }, { status: 401 });
    throw error;
  }
}

/** The SQL of the policies that the schema declares. */
function policies(): Readonly<Record<string, string | undefined>> {
  const dialect = new PgDialect();
  return Object.fromEntries(
    getTableConfig(todos).policies.map(({ name, using }) => [name, using && dialect.sqlToQuery(using).sql]),
  );
}

/** What tells this runtime from Node. */
function host(): Readonly<Record<string, string>> {
  return {
    process: typeof globalThis.process,
    buffer: typeof globalThis.Buffer,
    userAgent: globalThis.navigator.userAgent,
  };
}
