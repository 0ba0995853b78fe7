import { readFile } from 'node:fs/promises';
import { join } from 'node:path';

import { drizzle } from 'drizzle-orm/node-postgres';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { preludeStatements } from '../../../src/database/prelude.ts';
import { upgradeStatements } from '../../../src/database/prelude-upgrade.ts';
import { preludeVersion } from '../../../src/database/prelude-version.ts';
import { setup } from '../../../src/database/setup.ts';
import { withAuth } from '../../../src/driver/node-postgres.ts';
import { splitStatements } from '../../../src/migration/statements.ts';
import { generateAuthorizeKey } from '../../../src/session/seal-key.ts';
import { createDatabase, type TestDatabase } from '../../support/cluster.ts';
import { createIssuer } from '../../support/issuer.ts';
import { runAsOwner, setUpDatabase, withClient } from '../../support/sealed-database.ts';

/** What the release of a version has written, to the byte. */
const preludeOf = (version: number): Promise<string> =>
  readFile(join(import.meta.dirname, '../../support/fixtures', `prelude-${version}.sql`), 'utf8');
const before = await preludeOf(preludeVersion - 1);
const olderVersions = Array.from({ length: preludeVersion - 1 }, (_, index) => index + 1);
const roles = ['authenticated', 'anonymous'];
const notes = [
  'CREATE TABLE notes (owner text NOT NULL, body text)',
  'ALTER TABLE notes ENABLE ROW LEVEL SECURITY',
  'CREATE POLICY own ON notes TO authenticated USING ((SELECT auth.user_id()) = owner)',
  'GRANT SELECT ON notes TO authenticated',
  `INSERT INTO notes VALUES ('alice', 'of alice'), ('bob', 'of bob')`,
];

const databases: TestDatabase[] = [];

afterAll(() => Promise.all(databases.map((database) => database.drop())));

async function databaseWith(statements: readonly string[]): Promise<TestDatabase> {
  const database = await createDatabase('versions');
  databases.push(database);
  await runAsOwner(database.url, statements);
  return database;
}

/** Every function of the auth schema, its definition and who may call it, and every column of its tables. */
async function interfaceOf(url: string): Promise<readonly string[]> {
  return withClient(url, async (client) => {
    const { rows } = await client.query<{ line: string }>(`
      SELECT format('%s returns %s', oid::regprocedure, prorettype::regtype) AS line
      FROM pg_proc WHERE pronamespace = 'auth'::regnamespace
      UNION ALL SELECT format('%s.%s %s', attrelid::regclass, attname, format_type(atttypid, atttypmod))
      FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid
      WHERE relnamespace = 'auth'::regnamespace AND relkind = 'r' AND attnum > 0 ORDER BY 1`);
    return rows.map(({ line }) => line);
  });
}

async function definitionsOf(url: string): Promise<readonly unknown[]> {
  return withClient(url, async (client) => {
    const { rows } = await client.query(`
      SELECT pg_get_functiondef(oid) AS what, replace(proacl::text, current_user, 'owner') AS acl, obj_description(oid, 'pg_proc') AS comment
      FROM pg_proc WHERE pronamespace = 'auth'::regnamespace
      UNION ALL SELECT relname || (SELECT jsonb_agg(pg_get_constraintdef(oid) ORDER BY conname) FROM pg_constraint WHERE conrelid = c.oid),
        replace(relacl::text, current_user, 'owner'), obj_description(c.oid, 'pg_class')
      FROM pg_class c WHERE relnamespace = 'auth'::regnamespace AND relkind = 'r'
      UNION ALL SELECT 'schema', replace(nspacl::text, current_user, 'owner'), obj_description(oid, 'pg_namespace') FROM pg_namespace WHERE nspname = 'auth'
      ORDER BY 1`);
    return rows;
  });
}

describe(`a database of version ${preludeVersion - 1}`, () => {
  let database: TestDatabase;

  beforeAll(async () => {
    database = await databaseWith([...splitStatements(before), ...notes]);
  });

  it('is set up and served by this release', async () => {
    const { authenticatedUrl, authorizeKey: key } = await setUpDatabase(database.url);
    const issuer = await createIssuer();
    const pool = new pg.Pool({ connectionString: authenticatedUrl, max: 1 });
    try {
      const db = withAuth(drizzle({ client: pool }), { providers: [issuer.provider], key });
      const body = async (sub: string): Promise<unknown> =>
        (await db.$withAuth(await issuer.token(sub)).execute('SELECT body FROM notes')).rows;
      expect(await body('alice')).toEqual([{ body: 'of alice' }]);
      expect(await body('bob')).toEqual([{ body: 'of bob' }]);

      // Then it is upgraded, under connections that are open.
      const keys = await withClient(database.url, (client) => client.query('TABLE auth.seal_keys'));
      await runAsOwner(database.url, upgradeStatements(preludeVersion - 1, roles));
      expect(await body('alice')).toEqual([{ body: 'of alice' }]);
      expect((await withClient(database.url, (client) => client.query('TABLE auth.seal_keys'))).rows).toEqual(
        keys.rows.map((row: object) => ({ ...row, revoking: false })),
      );
    } finally {
      await pool.end();
    }
  });
});

it.each(olderVersions)(
  'a database of version %i is, once upgraded, what a new one is, however often it is upgraded',
  async (version) => {
    const [old, fresh] = await Promise.all([
      databaseWith(splitStatements(await preludeOf(version))),
      databaseWith(preludeStatements(roles)),
    ]);
    await runAsOwner(old.url, upgradeStatements(version, roles));
    await runAsOwner(old.url, upgradeStatements(version, roles));
    expect(await definitionsOf(old.url)).toEqual(await definitionsOf(fresh.url));
  },
);

it('a database of this version has everything that the release before asks for', async () => {
  const [old, fresh] = await Promise.all([
    databaseWith(splitStatements(before)),
    databaseWith(preludeStatements(roles)),
  ]);
  expect(await interfaceOf(fresh.url)).toEqual(expect.arrayContaining([...(await interfaceOf(old.url))]));
});

describe('an upgrade', () => {
  it('touches no schema that does not say that it is ours', async () => {
    const { url } = await databaseWith([
      ...splitStatements(before),
      `COMMENT ON SCHEMA auth IS 'of somebody else'`,
    ]);
    const was = await definitionsOf(url);
    await expect(runAsOwner(url, upgradeStatements(preludeVersion - 1, roles))).rejects.toThrow(
      'the schema auth does not say that drizzle-authorize made it',
    );
    expect(await definitionsOf(url)).toEqual(was);
  });

  it('fails where people may look into the auth schema', async () => {
    const { url } = await databaseWith([
      ...splitStatements(before),
      'CREATE VIEW auth.peek AS TABLE auth.seal_keys',
      'GRANT SELECT (id) ON auth.peek TO anonymous',
    ]);
    await expect(runAsOwner(url, upgradeStatements(preludeVersion - 1, roles))).rejects.toThrow(
      'the auth schema is open: auth.peek to anonymous',
    );
  });

  it.each([
    [preludeVersion + 2, 'install a newer drizzle-authorize'],
    [
      preludeVersion - 2,
      'run npx drizzle-kit generate and npx drizzle-kit migrate, which take it to this version',
    ],
  ])('is asked for where the database is of version %i', async (version, hint) => {
    const { url } = await databaseWith([
      ...splitStatements(before),
      `COMMENT ON SCHEMA auth IS 'drizzle-authorize prelude ${version}'`,
    ]);
    await expect(setup({ ownerUrl: url, key: generateAuthorizeKey() })).rejects.toMatchObject({
      code: 'ERR_PRELUDE_VERSION',
      hint,
    });
  });
});
