import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseEnv } from 'node:util';

import { sql } from 'drizzle-orm';
import { drizzle } from 'drizzle-orm/node-postgres';
import { migrate } from 'drizzle-orm/node-postgres/migrator';
import pg from 'pg';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';

import { startEmbeddedCluster, type EmbeddedCluster } from '../../../src/embedded/cluster.ts';
import { withAuth } from '../../../src/driver/node-postgres.ts';
import { generateAuthorizeKey } from '../../../src/session/seal-key.ts';
import { runCommand, type CommandResult } from '../../support/command.ts';
import { runAsOwner, withClient } from '../../support/sealed-database.ts';

// Roles belong to a cluster, and these tests need ones that nobody has set up: a cluster of their own.
let cluster: EmbeddedCluster;
let folder: string;
let url: string;
let databases = 0;

beforeAll(async () => {
  cluster = await startEmbeddedCluster();
  // As a host gives to its customers: no superuser, its own database, and the right to make roles.
  await runAsOwner(cluster.ownerUrl, [`CREATE ROLE customer LOGIN CREATEROLE PASSWORD 'customer-secret'`]);
});

afterAll(async () => {
  await cluster.stop();
});

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'setup-'));
  url = await createMigrated();
});

afterEach(async () => {
  await rm(folder, { recursive: true });
  const { rows } = await withClient(cluster.ownerUrl, (client) =>
    client.query<{ datname: string }>(`SELECT datname FROM pg_database WHERE datname LIKE 'db\\_%'`),
  );
  await runAsOwner(cluster.ownerUrl, [
    ...rows.map(({ datname }) => `DROP DATABASE ${datname} WITH (FORCE)`),
    'DROP ROLE IF EXISTS authenticated, anonymous',
  ]);
});

async function createMigrated(): Promise<string> {
  databases += 1;
  const name = `db_${databases}`;
  await runAsOwner(cluster.ownerUrl, [`CREATE DATABASE ${name} OWNER customer`]);
  const ownerUrl = new URL(cluster.ownerUrl);
  ownerUrl.username = 'customer';
  ownerUrl.password = 'customer-secret';
  ownerUrl.pathname = `/${name}`;
  await withClient(ownerUrl.href, (client) => migrate(drizzle({ client }), { migrationsFolder: 'drizzle' }));
  return ownerUrl.href;
}

function setup(args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<CommandResult> {
  return runCommand(['setup', ...args], { cwd: folder, env: { DATABASE_URL: url, ...env } });
}

async function variables(file = '.env'): Promise<Record<string, string>> {
  return parseEnv(await readFile(join(folder, file), 'utf8')) as Record<string, string>;
}

async function canLogIn(connection: string | undefined): Promise<boolean> {
  try {
    return await withClient(connection ?? '', async () => true);
  } catch {
    return false;
  }
}

async function whoIs(connection: string | undefined, key: string | undefined): Promise<unknown> {
  const pool = new pg.Pool({ connectionString: connection ?? '' });
  try {
    const db = withAuth(drizzle({ client: pool }), { ...(key !== undefined && { key }) });
    const handle = db.$withIdentity({ role: 'authenticated', claims: { sub: 'alice' } });
    return (await handle.execute(sql`select auth.user_id() as who`)).rows[0]?.['who'];
  } catch (error) {
    const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
    return cause instanceof Error && 'code' in cause ? cause.code : cause;
  } finally {
    await pool.end();
  }
}

describe('setup', () => {
  it('makes a key and logins that work, in a file for its owner alone', async () => {
    await writeFile(join(folder, '.env'), 'KEEP=this\nexport AUTHORIZE_KEY=\n', { mode: 0o644 });
    const { code, stdout, stderr } = await setup(['--write-env', '.env']);
    expect([code, stderr]).toEqual([0, '']);
    expect(stdout).toContain('authenticated can log in (new password)');
    expect((await stat(join(folder, '.env'))).mode & 0o777).toBe(0o600);

    const env = await variables();
    expect(Object.keys(env).toSorted()).toEqual([
      'AUTHORIZE_KEY',
      'DATABASE_ANONYMOUS_URL',
      'DATABASE_AUTHENTICATED_URL',
      'KEEP',
    ]);
    expect(await whoIs(env['DATABASE_AUTHENTICATED_URL'], env['AUTHORIZE_KEY'])).toBe('alice');
    expect(await canLogIn(env['DATABASE_ANONYMOUS_URL'])).toBe(true);
    for (const secret of [env['AUTHORIZE_KEY'], new URL(env['DATABASE_AUTHENTICATED_URL'] ?? '').password]) {
      expect(secret?.length).toBeGreaterThan(30);
      expect(stdout).not.toContain(secret);
    }
  });

  it('changes nothing when it runs again', async () => {
    await setup(['--write-env', '.env']);
    const before = await readFile(join(folder, '.env'), 'utf8');
    const { code, stdout } = await setup(['--write-env', '.env', '--json']);
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({
      keys: { installed: 1, added: 0, removed: 0 },
      roles: [
        { role: 'anonymous', password: 'kept' },
        { role: 'authenticated', password: 'kept' },
      ],
      envFile: '.env',
    });
    expect(await readFile(join(folder, '.env'), 'utf8')).toBe(before);
    // Without a file too, since there is nothing new to keep.
    expect((await setup([], await variables())).code).toBe(0);
  });

  it('takes --env-file as well, once node lets it', async () => {
    await writeFile(join(folder, '.env'), '');
    expect((await setup(['--env-file', '.env'])).code).toBe(0);
    expect(Object.keys(await variables())).toContain('AUTHORIZE_KEY');
  });

  it('prints what is secret only when asked to', async () => {
    const { code, stdout } = await setup(['--show-urls']);
    expect(code).toBe(0);
    const env = parseEnv(stdout) as Record<string, string>;
    expect(await whoIs(env['DATABASE_AUTHENTICATED_URL'], env['AUTHORIZE_KEY'])).toBe('alice');
  });

  it('changes nothing when new secrets have no place to go', async () => {
    const { code, stderr } = await setup([]);
    expect(code).toBe(2);
    expect(stderr).toContain('no place for them (ERR_USAGE)');
    expect((await setup(['--write-env', 'no/such/folder/.env'])).code).toBe(2);
    const { rows } = await withClient(url, (client) =>
      client.query(`SELECT (SELECT count(*)::int FROM auth.seal_keys) AS keys,
        (SELECT count(*)::int FROM pg_roles WHERE rolname IN ('authenticated', 'anonymous') AND rolcanlogin) AS logins`),
    );
    expect(rows).toEqual([{ keys: 0, logins: 0 }]);
  });

  it('gives new passwords when asked to, and the old ones are dead', async () => {
    await setup(['--write-env', '.env']);
    const before = await variables();
    expect((await setup(['--write-env', '.env', '--rotate-passwords'])).code).toBe(0);
    const after = await variables();
    expect(after['AUTHORIZE_KEY']).toBe(before['AUTHORIZE_KEY']);
    expect(await canLogIn(before['DATABASE_AUTHENTICATED_URL'])).toBe(false);
    expect(await whoIs(after['DATABASE_AUTHENTICATED_URL'], after['AUTHORIZE_KEY'])).toBe('alice');
  });

  it('changes the key while both are in use', async () => {
    await setup(['--write-env', '.env']);
    const { AUTHORIZE_KEY: old = '', DATABASE_AUTHENTICATED_URL: login } = await variables();
    const fresh = generateAuthorizeKey();
    expect((await setup(['--write-env', '.env'], { AUTHORIZE_KEY: `${fresh},${old}` })).code).toBe(0);
    expect(await whoIs(login, old)).toBe('alice');
    expect(await whoIs(login, `${fresh},${old}`)).toBe('alice');
    expect((await setup(['--write-env', '.env'], { AUTHORIZE_KEY: fresh })).code).toBe(0);
    expect(await whoIs(login, fresh)).toBe('alice');
    expect(await whoIs(login, old)).toBe('28000');
  });
});

describe('setup refuses, in one sentence and with nothing half-done', () => {
  const sentence = /^error: [^\n]+ \(ERR_[A-Z_]+\)\n(?: {7}[^\n]+\n)?$/u;

  it('without a database to set up', async () => {
    const { code, stderr } = await runCommand(['setup', '--write-env', '.env'], { cwd: folder });
    expect(code).toBe(2);
    expect(stderr).toMatch(sentence);
    expect(stderr).toContain('DATABASE_URL is not set');
  });

  it.each([
    ['that cannot be reached', () => url.replace(/:\d+\//u, ':1/'), 'ECONNREFUSED'],
    ['with a wrong password', () => url.replace('customer-secret', 'guessed-secret'), '28P01'],
    ['that is no URL', () => 'customer-secret', 'not a postgres:// URL'],
  ])('a database %s', async (_, address, named) => {
    const { code, stderr } = await setup(['--write-env', '.env'], { DATABASE_URL: address() });
    expect(code).toBe(1);
    expect(stderr).toMatch(sentence);
    expect(stderr).toContain('ERR_DATABASE_UNREACHABLE');
    expect(stderr).toContain(named);
    expect(stderr).not.toMatch(/customer-secret|guessed-secret/u);
    await expect(stat(join(folder, '.env'))).rejects.toThrow();
  });

  it('a database without migrations', async () => {
    await runAsOwner(cluster.ownerUrl, ['CREATE DATABASE db_empty OWNER customer']);
    const { code, stderr } = await setup(['--write-env', '.env'], {
      DATABASE_URL: url.replace(/\/db_\d+$/u, '/db_empty'),
    });
    expect(code).toBe(1);
    expect(stderr).toMatch(sentence);
    expect(stderr).toContain('ERR_MIGRATIONS_MISSING');
  });

  it('a malformed key, without showing it', async () => {
    const { code, stderr } = await setup(['--write-env', '.env'], { AUTHORIZE_KEY: 'hunter2-hunter2' });
    expect(code).toBe(1);
    expect(stderr).toMatch(sentence);
    expect(stderr).toContain('ERR_KEY_INVALID');
    expect(stderr).not.toContain('hunter2');
  });

  it('to replace a key that it was not told of', async () => {
    await setup(['--write-env', '.env']);
    const { code, stderr } = await setup(['--write-env', 'other.env']);
    expect(code).toBe(1);
    expect(stderr).toContain('ERR_KEY_MISSING');
    await expect(stat(join(folder, 'other.env'))).rejects.toThrow();
  });

  it('to replace a password that it was not told of', async () => {
    await setup(['--write-env', '.env']);
    const { AUTHORIZE_KEY = '' } = await variables();
    const { code, stderr } = await setup(['--write-env', 'other.env'], { AUTHORIZE_KEY });
    expect(code).toBe(1);
    expect(stderr).toContain('ERR_PASSWORD_UNKNOWN');
  });

  it('to take a role from another database of the cluster, unless told to', async () => {
    await setup(['--write-env', '.env']);
    const first = await variables();
    url = await createMigrated();
    const { code, stderr } = await setup(['--write-env', 'second.env']);
    expect(code).toBe(1);
    expect(stderr).toContain('ERR_ROLE_TAKEN');
    expect(await canLogIn(first['DATABASE_AUTHENTICATED_URL'])).toBe(true);

    expect((await setup(['--write-env', 'second.env', '--take-over-roles'])).code).toBe(0);
    const second = await variables('second.env');
    expect(await whoIs(second['DATABASE_AUTHENTICATED_URL'], second['AUTHORIZE_KEY'])).toBe('alice');
    expect(await canLogIn(first['DATABASE_AUTHENTICATED_URL'])).toBe(false);
  });

  it('a role that no policy would bind', async () => {
    await runAsOwner(cluster.ownerUrl, ['ALTER ROLE authenticated BYPASSRLS']);
    const { code, stderr } = await setup(['--write-env', '.env']);
    expect(code).toBe(1);
    expect(stderr).toContain('ERR_SETUP_REFUSED');
  });

  it('an option that it does not have', async () => {
    const { code, stderr } = await setup(['--enviroment', '.env']);
    expect(code).toBe(2);
    expect(stderr).toMatch(sentence);
    expect(stderr).toContain('--enviroment');
    const json = await setup(['--enviroment', '.env', '--json']);
    expect(JSON.parse(json.stderr)).toMatchObject({ error: { code: 'ERR_USAGE' } });
  });
});

describe('setup --check and --harden', () => {
  it('say what is open, close what the login may close, and name the rest', async () => {
    await setup(['--write-env', '.env']);
    const open = await setup(['--check', '--write-env', '.env', '--json']);
    expect(open.code).toBe(1);
    const exposed = (JSON.parse(open.stdout) as { exposures: { what: string }[] }).exposures.map(
      ({ what }) => what,
    );
    expect(exposed).toContain(
      'the role authenticated may make temporary tables, which can stand in front of real ones',
    );
    expect(exposed).toContain(
      'the role authenticated may connect to the database postgres of the same cluster',
    );

    const hardened = await setup(['--write-env', '.env', '--harden']);
    expect(hardened.code).toBe(0);
    expect(hardened.stdout).toContain('✓ TEMP and CREATE on the database revoked from PUBLIC');
    expect(hardened.stdout).toMatch(
      /! the host does not permit: EXECUTE on .*large objects.*; this leaves open: /u,
    );
    const after = await setup(['--check', '--write-env', '.env']);
    expect(after.code).toBe(1);
    expect(after.stdout).not.toContain('temporary tables');
    expect(after.stdout).toContain('run drizzle-authorize setup --harden as a superuser');

    // What the prologue and the reset need is still allowed.
    const env = await variables();
    expect(await whoIs(env['DATABASE_AUTHENTICATED_URL'], env['AUTHORIZE_KEY'])).toBe('alice');
    await runAsOwner(url, [
      'CREATE TABLE forgotten (id int)',
      'GRANT SELECT ON forgotten TO anonymous',
      'CREATE FUNCTION me() RETURNS text IMMUTABLE LANGUAGE sql AS $$ SELECT auth.user_id() $$',
      'CREATE FUNCTION org() RETURNS text IMMUTABLE LANGUAGE sql RETURN auth.claim($$org$$)',
      'CREATE FUNCTION slug(title text) RETURNS text IMMUTABLE LANGUAGE sql RETURN lower(title)',
    ]);
    const { stdout } = await setup(['--check', '--write-env', '.env']);
    expect(stdout).toContain('anonymous may use the table forgotten, whose row level security is off');
    for (const name of ['me()', 'org()']) expect(stdout).toContain(`the function ${name} is IMMUTABLE`);
    expect(stdout).not.toContain('slug');
  });

  it('close everything for a superuser, and identities still work', async () => {
    const superuser = {
      DATABASE_URL: Object.assign(new URL(url), {
        username: 'postgres',
        password: new URL(cluster.ownerUrl).password,
      }).href,
    };
    expect((await setup(['--write-env', '.env', '--harden'], superuser)).stdout).not.toContain(
      'does not permit',
    );
    const env = await variables();
    expect(await whoIs(env['DATABASE_AUTHENTICATED_URL'], env['AUTHORIZE_KEY'])).toBe('alice');
    const { stdout } = await setup(['--check', '--write-env', '.env'], superuser);
    expect(stdout).not.toContain('functions of PostgreSQL');
    await withClient(env['DATABASE_AUTHENTICATED_URL'] ?? '', async (client) => {
      await expect(client.query('TABLE pg_prepared_statements')).rejects.toMatchObject({ code: '42501' });
      await expect(client.query('TABLE pg_stat_activity')).rejects.toMatchObject({ code: '42501' });
    });
  });
});
