import { PGlite } from '@electric-sql/pglite';
import { neon, neonConfig, Pool as NeonPool } from '@neondatabase/serverless';
import { sql } from 'drizzle-orm';
import { drizzle as drizzleOverHttp } from 'drizzle-orm/neon-http';
import { drizzle as drizzleServerless } from 'drizzle-orm/neon-serverless';
import { drizzle } from 'drizzle-orm/node-postgres';
import { bigserial, pgTable, text } from 'drizzle-orm/pg-core';
import { drizzle as drizzleLite } from 'drizzle-orm/pglite';
import { drizzle as drizzlePostgresJs } from 'drizzle-orm/postgres-js';
import pg from 'pg';
import postgres from 'postgres';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { preludeStatements } from '../../../src/database/prelude.ts';
import { withAuth as withNeonHttp } from '../../../src/driver/neon-http.ts';
import { withAuth as withNeonServerless } from '../../../src/driver/neon-serverless.ts';
import { withAuth } from '../../../src/driver/node-postgres.ts';
import { setup as setUpLite, withAuth as withLite } from '../../../src/driver/pglite.ts';
import { withAuth as withPostgresJs } from '../../../src/driver/postgres-js.ts';
import type { Gateway } from '../../../src/gateway/index.ts';
import { revoke } from '../../../src/revocations.ts';
import { clusterUrl, createDatabase, type TestDatabase } from '../../support/cluster.ts';
import { runCommand } from '../../support/command.ts';
import { startGateway } from '../../support/gateway.ts';
import { createIssuer, type TestIssuer } from '../../support/issuer.ts';
import { startNeonEndpoint, type NeonEndpoint } from '../../support/neon-endpoint.ts';
import { atHost, serveHost } from '../../support/neon-hosts.ts';
import { startNeonWebSocket, type NeonWebSocket } from '../../support/neon-websocket.ts';
import { runAsOwner, setUpDatabase, withClient, type SealedDatabase } from '../../support/sealed-database.ts';
import { createProject, type Project } from '../migration/project.ts';
import { foreignState, foreignStatements } from './foreign-database.ts';

const authSchema = 'authorize';

const todos = pgTable('todos', {
  id: bigserial({ mode: 'number' }).primaryKey(),
  userId: text('user_id'),
  title: text().notNull(),
});

// What the project has in its schema file.
const declared = `
const own = createAuth({ schema: 'authorize' });
export const members = pgTable('members', { userId: text('user_id').notNull(), team: integer().notNull() }, (t) => [
  selectPolicy('view colleagues', { to: authenticatedRole, using: own.memberOf(t.team, { user: t.userId, group: t.team }) }),
]);
export const todos = pgTable('todos', {
  id: bigserial({ mode: 'number' }).primaryKey(),
  userId: text('user_id').default(own.auth.userId()),
  title: text().notNull(),
}, (t) => [
  crudPolicy({ role: authenticatedRole, read: own.authUid(t.userId), modify: own.authUid(t.userId) }),
  selectPolicy('admins', { to: authenticatedRole, using: sql\`\${own.auth.claim('admin')} = 'yes'\` }),
]);`;

const rowsOf = (url: string, statement: string): Promise<readonly unknown[]> =>
  withClient(url, async (client) => (await client.query(statement)).rows as readonly unknown[]);

const ours = { schemas: [authSchema], tables: ['todos', 'members'] };

let project: Project;
let foreign: TestDatabase;
let database: SealedDatabase;
let before: Awaited<ReturnType<typeof foreignState>>;
let issuer: TestIssuer;
let alice: string;
let bob: string;
let suffix: string;

beforeAll(async () => {
  [foreign, project] = await Promise.all([
    createDatabase('adopt', { owner: 'ordinary' }),
    createProject('', `{ authSchema: '${authSchema}', keepDefaultPrivileges: true }`),
  ]);
  suffix = foreign.name.replace(/^adopt_/, '');
  await runAsOwner(foreign.url, foreignStatements(suffix));
  before = await foreignState(foreign.url, ours);
  await project.schema(declared);
  await project.generate('--name=todos');
  await project.migrate(foreign.url);
  // Who may let the roles log in depends on who has made them in the cluster: the superuser always may.
  const superuser = new URL(await clusterUrl());
  superuser.pathname = `/${foreign.name}`;
  database = {
    ...(await setUpDatabase(superuser.href, authSchema)),
    ownerUrl: foreign.url,
    name: foreign.name,
    drop: () => foreign.drop(),
  };
  issuer = await createIssuer();
  [alice, bob] = await Promise.all([issuer.token('alice'), issuer.token('bob')]);
});

afterAll(async () => {
  await foreign?.drop();
  await project?.remove();
});

describe('a database with an auth schema of somebody else', () => {
  it('has everything of theirs as it was: owners, privileges, defaults, functions, policies and rows', async () => {
    expect(before['relations']).not.toEqual([]);
    expect(await foreignState(foreign.url, ours)).toEqual(before);
  });

  it('goes on answering those who asked it before, and neither side is taken for the other', async () => {
    await withClient(foreign.url, async (client) => {
      await client.query('BEGIN');
      await client.query(`SELECT set_config('request.jwt.claims', '{"sub":"ada"}', true)`);
      expect((await client.query('SELECT auth.user_id(), authorize.user_id() AS mine')).rows).toEqual([
        { user_id: 'ada', mine: null },
      ]);
      await client.query(`SET LOCAL ROLE web_${suffix}`).catch(() => {});
      await client.query('ROLLBACK');
    });
  });

  it('gives a new table to nobody whom the defaults would have given it to', async () => {
    const [row] = await rowsOf(
      foreign.url,
      `SELECT has_table_privilege('anonymous', 'todos', 'SELECT') AS visitors, ARRAY(SELECT grantee::regrole::text
        FROM pg_class, aclexplode(relacl) WHERE oid = 'todos'::regclass AND grantee = 0) AS everybody`,
    );
    expect(row).toEqual({ visitors: false, everybody: [] });
  });

  it('is what the schema declares, as check and diff see it', async () => {
    const cwd = project.folder;
    const checked = await runCommand(['check', '--url', foreign.url, '--json'], { cwd });
    // Theirs, and said all the same: whoever may enter the schema reads it.
    expect(JSON.parse(checked.stdout)).toEqual({
      differences: [expect.objectContaining({ place: 'public.settings', kind: 'open without a policy' })],
    });
    const diff = await runCommand(['diff', '--json'], { cwd });
    expect(JSON.parse(diff.stdout)).toMatchObject({ changes: ['nobody gains or loses access'] });
    expect((await project.generate()).stdout).toContain('No schema changes');
  });

  it('has its keys found by setup and keys without a word about the schema', async () => {
    const env = { DATABASE_URL: foreign.url, AUTHORIZE_KEY: database.authorizeKey, AUTHORIZE_SCHEMA: '' };
    const keys = await runCommand(['keys', '--json'], { cwd: project.folder, env });
    expect(JSON.parse(keys.stdout)).toMatchObject({ matches: true });
    const checked = await runCommand(['setup', '--check', '--json'], { cwd: project.folder, env });
    expect(checked.stdout).toContain('"exposures"');
    expect(checked.stdout).not.toContain('are not installed');
  });
});

interface Handle {
  select(): { from(table: typeof todos): Promise<readonly { readonly title: string }[]> };
  insert(table: typeof todos): { values(row: { readonly title: string }): Promise<unknown> };
  execute(statement: ReturnType<typeof sql>): Promise<unknown>;
}

/** What each way of asking has to come to. */
async function expectOwnRows(handleOf: (token: string) => unknown, title: string): Promise<void> {
  const [mine, theirs] = [handleOf(alice) as Handle, handleOf(bob) as Handle];
  await mine.insert(todos).values({ title });
  const titles = async (handle: Handle): Promise<readonly string[]> =>
    (await handle.select().from(todos)).map((row) => row.title);
  expect(await titles(mine)).toContain(title);
  expect(await titles(theirs)).not.toContain(title);
  // The functions of somebody else tell an identity role nothing, and it may not even enter.
  await expect(Promise.resolve(mine.execute(sql`select auth.user_id()`))).rejects.toThrow();
}

describe('$withAuth asks the auth schema by its name', () => {
  const options = () => ({ providers: [issuer.provider], key: database.authorizeKey, authSchema });

  it('over node-postgres, and by AUTHORIZE_SCHEMA of the environment', async () => {
    const pool = new pg.Pool({ connectionString: database.authenticatedUrl });
    const db = withAuth(drizzle({ client: pool }), options());
    // Often enough that the prologue and the query are prepared.
    for (let n = 0; n < 7; n += 1) await expectOwnRows((token) => db.$withAuth(token), `pg ${n}`);
    await db.$withAuth(alice).transaction(async (tx) => {
      await tx.insert(todos).values({ title: 'in a transaction' });
    });
    const owner = drizzle(database.ownerUrl);
    await owner.execute(revoke({ subject: 'bob' }, { authSchema }));
    await expect(Promise.resolve(db.$withAuth(bob).select().from(todos))).rejects.toThrow();
    const removed = await runCommand(['revoke', '--subject', 'bob', '--remove', '--url', database.ownerUrl], {
      cwd: project.folder,
    });
    expect([removed.code, removed.stderr]).toEqual([0, '']);
    await db.$withAuth(bob).select().from(todos);
    await owner.$client.end();
    process.env['AUTHORIZE_SCHEMA'] = authSchema;
    const { authSchema: _, ...rest } = options();
    const other = withAuth(drizzle({ client: pool }), rest);
    delete process.env['AUTHORIZE_SCHEMA'];
    await expectOwnRows((token) => other.$withAuth(token), 'by the environment');
    await pool.end();
  });

  it('over postgres.js', async () => {
    const client = postgres(database.authenticatedUrl);
    const db = withPostgresJs(drizzlePostgresJs({ client }), options());
    for (let n = 0; n < 7; n += 1) await expectOwnRows((token) => db.$withAuth(token), `postgres.js ${n}`);
    await client.end();
  });

  it('over neon-http', async () => {
    const { hostname, port } = new URL(database.ownerUrl);
    const endpoint: NeonEndpoint = await startNeonEndpoint({ host: hostname, port: Number(port) });
    serveHost('adopt-direct', endpoint.url);
    const client = neon(atHost('adopt-direct', database.authenticatedUrl));
    const db = withNeonHttp(drizzleOverHttp({ client }), options());
    await expectOwnRows((token) => db.$withAuth(token), 'neon-http');
    expect(JSON.stringify(endpoint.takeRequests())).toContain('select authorize.check(');
    await endpoint.close();
  });

  it('over neon-serverless', async () => {
    const { hostname, port } = new URL(database.ownerUrl);
    const proxy: NeonWebSocket = await startNeonWebSocket({ host: hostname, port: Number(port) });
    const pool = new NeonPool({ connectionString: proxy.through(database.authenticatedUrl) });
    const db = withNeonServerless(drizzleServerless({ client: pool }), options());
    await expectOwnRows((token) => db.$withAuth(token), 'neon-serverless');
    await pool.end();
    await proxy.close();
  });

  it('over PGlite', async () => {
    const client = await PGlite.create();
    const statements = [
      'CREATE SCHEMA auth',
      `CREATE FUNCTION auth.user_id() RETURNS text LANGUAGE sql AS $$ SELECT 'somebody' $$`,
      ...preludeStatements(['authenticated', 'anonymous'], { authSchema }),
      'CREATE TABLE todos (id bigserial PRIMARY KEY, user_id text DEFAULT authorize.user_id(), title text)',
      'ALTER TABLE todos ENABLE ROW LEVEL SECURITY',
      'CREATE POLICY own ON todos TO authenticated USING ((SELECT authorize.user_id()) = user_id)',
      'GRANT SELECT, INSERT ON todos TO authenticated',
      'GRANT USAGE ON SEQUENCE todos_id_seq TO authenticated',
    ];
    for (const statement of statements) await client.query(statement);
    const key = await setUpLite(client, { authSchema });
    const db = withLite(drizzleLite({ client }), { ...options(), key });
    await expectOwnRows((token) => db.$withAuth(token), 'pglite');
    await client.close();
  });
});

describe('the gateway asks the auth schema by its name', () => {
  let gateway: Gateway;

  beforeAll(async () => {
    gateway = await startGateway({ database, issuer }, { authSchema });
    serveHost('adopt-gateway', `${gateway.url}/sql`);
  });

  afterAll(() => gateway.close());

  it('over HTTP', async () => {
    const connectionString = atHost('adopt-gateway', database.authenticatedUrl, { password: false });
    const db = withNeonHttp(drizzleOverHttp({ client: neon(connectionString) }), {
      mode: 'gateway',
      connectionString,
    });
    await expectOwnRows((token) => db.$withAuth(token), 'gateway over HTTP');
  });

  const sessions = [
    ['WebSocket', () => neonPool(alice)],
    ['TCP', () => new pg.Pool({ ...wireOf(), password: alice })],
  ] as const;

  const wireOf = () => ({
    host: '127.0.0.1',
    port: gateway.tcp?.port ?? 0,
    user: 'authenticated',
    database: database.name,
  });

  function neonPool(token: string): NeonPool {
    const pool = new NeonPool({ ...wireOf(), port: gateway.port, password: token });
    pool.on('error', () => {});
    return pool;
  }

  it.each(sessions)('over %s', async (way, open) => {
    neonConfig.wsProxy = (host, port) => `${host}:${port}/v2`;
    neonConfig.useSecureWebSocket = false;
    neonConfig.pipelineConnect = false;
    const pool = open() as pg.Pool;
    // The gateway ends sessions when it is closed, perhaps before the pool has.
    pool.on('error', () => {});
    await pool.query('begin');
    await pool.query('insert into todos (title) values ($1)', [`gateway over ${way}`]);
    await pool.query('commit');
    const { rows } = await pool.query(
      'select title, authorize.user_id() as who from todos where title = $1',
      [`gateway over ${way}`],
    );
    expect(rows).toEqual([{ title: `gateway over ${way}`, who: 'alice' }]);
    await expect(pool.query('select auth.user_id()')).rejects.toThrow('permission denied');
    await pool.end();
  });
});

describe('a first migration refuses, before it has touched anything', () => {
  it('a schema that is somebody else’s, and says how to name another', async () => {
    const plain = await createProject();
    await plain.schema(`export const notes = pgTable('notes', { id: integer() });`);
    await plain.generate('--name=notes');
    const untouched = await foreignState(foreign.url, ours);
    // drizzle-kit 0.31 does not say what PostgreSQL has said.
    expect((await plain.kit(['migrate'], { DATABASE_URL: foreign.url })).code).toBe(1);
    await expect(
      runAsOwner(foreign.url, preludeStatements(['authenticated', 'anonymous'])),
    ).rejects.toMatchObject({
      message: expect.stringContaining('ERR_SCHEMA_TAKEN'),
      hint: expect.stringContaining(`createAuth({ schema: 'authorize' })`),
    });
    expect(await foreignState(foreign.url, ours)).toEqual(untouched);
    await plain.remove();
  });

  it('a role that is in use by somebody else, unless it is taken over by name', async () => {
    const other = await createDatabase('adopt_roles');
    await runAsOwner(other.url, [`CREATE ROLE editor_${suffix} LOGIN`]);
    const roles = ['authenticated', 'anonymous', `editor_${suffix}`];
    const attempt = (statements: readonly string[]) =>
      withClient(other.url, (client) => client.query(statements.join(';\n')));
    await expect(attempt(preludeStatements(roles))).rejects.toMatchObject({
      message: expect.stringContaining(`the role 'editor_${suffix}' (ERR_ROLE_TAKEN)`),
      hint: expect.stringContaining(`takeOverRoles: ['editor_${suffix}']`),
    });
    expect(await rowsOf(other.url, `SELECT FROM pg_namespace WHERE nspname = 'auth'`)).toEqual([]);
    await attempt(preludeStatements(roles, { takeOverRoles: [`editor_${suffix}`] }));
    await other.drop();
    await withClient(foreign.url, (client) => client.query(`DROP ROLE IF EXISTS editor_${suffix}`)).catch(
      () => {},
    );
  });
});

describe('generate refuses', () => {
  it('a helper of another auth schema than withAuthorize() says', async () => {
    const mixed = await createProject('', `{ authSchema: '${authSchema}' }`);
    await mixed.schema(`export const notes = pgTable('notes', { by: text() }, (t) => [
      selectPolicy('own', { to: authenticatedRole, using: authUid(t.by) }),
    ]);`);
    const policy = await mixed.kit(['generate']);
    expect([policy.code, policy.stderr]).toEqual([
      1,
      expect.stringMatching(/the policy "own" .*createAuth.*ERR_AUTH_SCHEMA/),
    ]);
    await mixed.schema(`export const notes = pgTable('notes', { by: text().default(auth.userId()) });`);
    expect((await mixed.kit(['generate'])).stderr).toMatch(
      /the default of public.notes.by .*ERR_AUTH_SCHEMA/,
    );
    expect(await mixed.migrations().catch(() => [])).toEqual([]);
    await mixed.remove();
  });

  it('another auth schema than the migrations have made', async () => {
    const copy = await project.copy();
    await copy.addMigrations(await project.files());
    await copy.configure(`{ authSchema: 'another' }`);
    await copy.schema(declared.replace("schema: 'authorize'", "schema: 'another'"));
    expect((await copy.kit(['generate'])).stderr).toMatch(
      /have made the auth schema authorize, and withAuthorize\(\) says another.*ERR_AUTH_SCHEMA/,
    );
    await copy.remove();
  });
});
