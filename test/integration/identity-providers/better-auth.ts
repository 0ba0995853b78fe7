import { randomBytes } from 'node:crypto';

import { betterAuth } from 'better-auth';
import { getMigrations } from 'better-auth/db/migration';
import { toNodeHandler } from 'better-auth/node';
import { bearer, jwt, organization } from 'better-auth/plugins';
import pg from 'pg';

import { startSignInServer } from './sign-in-server.ts';

export interface BetterAuthServer {
  readonly origin: string;
  /** Signs up over HTTP, and gives the session token, with which tokens are asked for. */
  signUp(name: string): Promise<string>;
  /** Signs in over HTTP, with the password of {@link signUp}. */
  signIn(name: string): Promise<string>;
  /** Makes an organisation in which the session acts from then on; its id. */
  createOrganization(session: string, name: string): Promise<string>;
  /** The JWT of a session, over HTTP. */
  token(session: string): Promise<string>;
  /** Whatever claims, signed with the real key: what another use of the same keys could be. */
  sign(claims: Record<string, unknown>): Promise<string>;
  /** The next token is signed with a new key; those of before stay published. */
  expireKeys(): Promise<void>;
  close(): Promise<void>;
}

export interface BetterAuthServerOptions {
  /** Its tables are made in the schema that comes first there. */
  readonly databaseUrl: string;
  /** Ids of users and keys: random text, or numbers from 1 on. */
  readonly ids?: 'serial';
}

/** A real Better Auth with its JWT, bearer and organization plugins, over HTTP, its users in Postgres. */
export async function startBetterAuth(options: BetterAuthServerOptions): Promise<BetterAuthServer> {
  const server = await startSignInServer();
  const { origin } = server;
  const pool = new pg.Pool({ connectionString: options.databaseUrl, max: 3 });
  const settings = {
    baseURL: origin,
    secret: randomBytes(32).toString('base64'),
    database: pool,
    emailAndPassword: { enabled: true },
    rateLimit: { enabled: false },
    telemetry: { enabled: false },
    ...(options.ids && { advanced: { database: { generateId: options.ids } } }),
    plugins: [
      jwt({
        jwks: { rotationInterval: 86_400 },
        jwt: {
          definePayload: ({ user, session }) => ({
            email: user.email,
            org_id: session['activeOrganizationId'] ?? undefined,
          }),
        },
      }),
      bearer(),
      organization(),
    ],
  };
  const auth = betterAuth(settings);
  await (await getMigrations(settings)).runMigrations();
  server.serve((request, response) => void toNodeHandler(auth)(request, response));

  const ask = async (path: string, session?: string, body?: object): Promise<Response> => {
    const response = await fetch(`${origin}/api/auth${path}`, {
      method: body === undefined ? 'GET' : 'POST',
      headers: {
        origin,
        'content-type': 'application/json',
        ...(session !== undefined && { authorization: `Bearer ${session}` }),
      },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
    if (!response.ok) throw new Error(`${path}: ${response.status} ${await response.text()}`);
    return response;
  };
  const sessionOf = (response: Response): string => response.headers.get('set-auth-token') ?? '';
  const credentials = (name: string) => ({ email: `${name}@example.test`, password: `${name} has a secret` });
  return {
    origin,
    signUp: async (name) => sessionOf(await ask('/sign-up/email', undefined, { name, ...credentials(name) })),
    signIn: async (name) => sessionOf(await ask('/sign-in/email', undefined, credentials(name))),
    createOrganization: async (session, name) => {
      const response = await ask('/organization/create', session, { name, slug: name });
      return ((await response.json()) as { id: string }).id;
    },
    token: async (session) => ((await (await ask('/token', session)).json()) as { token: string }).token,
    sign: async (payload) => (await auth.api.signJWT({ body: { payload } })).token,
    expireKeys: async () => {
      await pool.query(`update jwks set "expiresAt" = now() - interval '1 second'`);
    },
    close: async () => {
      await server.close();
      await pool.end();
    },
  };
}
