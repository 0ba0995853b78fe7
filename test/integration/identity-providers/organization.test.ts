import { sql } from 'drizzle-orm';
import {
  type AnyPgColumn,
  getTableConfig,
  PgDialect,
  type PgTable,
  pgTable,
  text,
} from 'drizzle-orm/pg-core';
import { exportJWK, generateKeyPair, type JWTPayload, SignJWT } from 'jose';
import pg from 'pg';
import { drizzle } from 'drizzle-orm/node-postgres';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { withAuth } from '../../../src/driver/node-postgres.ts';
import {
  authenticatedRole,
  claimEquals,
  claimIncludes,
  deletePolicy,
  hasRole,
  inOrganization,
  selectPolicy,
} from '../../../src/index.ts';
import { auth0, clerk } from '../../../src/jwt/index.ts';
import {
  createSealedDatabase,
  runAsOwner,
  type SealedDatabase,
  withClient,
} from '../../support/sealed-database.ts';
import { startSignInServer, type SignInServer } from './sign-in-server.ts';

// One policy for the tokens of two providers, which say in different places in which organisation somebody acts.
const documents = pgTable('documents', { id: text().primaryKey(), org: text() }, (t) => [
  selectPolicy('of my organisation', { to: authenticatedRole, using: inOrganization(t.org) }),
  deletePolicy('admins delete', {
    to: authenticatedRole,
    using: sql`${inOrganization(t.org)} and ${hasRole('admin')}`,
  }),
]);
// And by the providers' own names.
const clerkDocuments = pgTable('clerk_documents', { id: text().primaryKey(), org: text() }, (t) => [
  selectPolicy('by the name of Clerk', { to: authenticatedRole, using: claimEquals(t.org, ['o', 'id']) }),
]);
const auth0Documents = pgTable('auth0_documents', { id: text().primaryKey(), org: text() }, (t) => [
  selectPolicy('by the name of Auth0', {
    to: authenticatedRole,
    using: sql`${claimEquals(t.org, 'org_id')} and ${claimIncludes('permissions', 'read:notes')}`,
  }),
]);

let database: SealedDatabase;
let keys: SignInServer;
let pool: pg.Pool;
let sign: (claims: JWTPayload) => Promise<string>;
let see: (token: string, table?: PgTable & { readonly id: AnyPgColumn }) => Promise<string>;
let remove: (token: string) => Promise<number | null>;

const fromClerk = (claims: JWTPayload): Promise<string> =>
  sign({ iss: 'https://clerk.example.test', sub: 'user_ann', ...claims });
const fromAuth0 = (claims: JWTPayload): Promise<string> =>
  sign({ iss: 'https://acme.eu.auth0.com/', aud: 'api', sub: 'auth0|ann', ...claims });

beforeAll(async () => {
  database = await createSealedDatabase('organization');
  const dialect = new PgDialect();
  for (const table of [documents, clerkDocuments, auth0Documents]) {
    const { name, policies } = getTableConfig(table);
    await runAsOwner(database.ownerUrl, [
      `create table ${name} (id text primary key, org text)`,
      `create index on ${name} (org)`,
      `insert into ${name} values ('1', 'org_1'), ('2', 'org_2'), ('none', null), ('empty', ''), ('list', '["org_1"]'), ('7', '7'), ('true', 'true'), ('null', 'null')`,
      `alter table ${name} enable row level security`,
      `grant select, delete on ${name} to authenticated`,
      ...policies.map((policy) => {
        const { sql: using, params } = dialect.sqlToQuery(policy.using ?? sql`false`);
        expect(params).toEqual([]);
        return `create policy "${policy.name}" on ${name} for ${policy.for} to authenticated using (${using})`;
      }),
    ]);
  }

  keys = await startSignInServer();
  const { publicKey, privateKey } = await generateKeyPair('RS256');
  const jwk = { ...(await exportJWK(publicKey)), kid: 'key', alg: 'RS256', use: 'sig' };
  keys.serve((_, response) => response.end(JSON.stringify({ keys: [jwk] })));
  sign = (claims) =>
    new SignJWT(claims)
      .setProtectedHeader({ alg: 'RS256', kid: 'key', typ: 'JWT' })
      .setIssuedAt()
      .setExpirationTime('1m')
      .sign(privateKey);

  const jwksUrl = `${keys.origin}/jwks.json`;
  pool = new pg.Pool({ connectionString: database.authenticatedUrl, max: 2 });
  const db = withAuth(drizzle({ client: pool }), {
    key: database.authorizeKey,
    providers: [
      clerk({ domain: 'clerk.example.test', authorizedParties: null, jwksUrl }),
      auth0({ domain: 'acme.eu.auth0.com', audience: 'api', jwksUrl }),
    ],
  });
  see = async (token, table = documents) =>
    (await db.$withAuth(token).select({ id: table.id }).from(table)).map(({ id }) => String(id)).join();
  remove = async (token) => (await db.$withAuth(token).delete(documents)).rowCount;
});

afterAll(async () => {
  await pool.end();
  await keys.close();
  await database.drop();
});

describe('a policy for the organisation', () => {
  it('serves the tokens of Clerk and of Auth0', async () => {
    expect(await see(await fromClerk({ o: { id: 'org_1' } }))).toBe('1');
    expect(await see(await fromClerk({ org_id: 'org_1' }))).toBe('1');
    expect(await see(await fromAuth0({ org_id: 'org_1' }))).toBe('1');
    expect(await see(await fromClerk({ o: { id: 'org_2' } }))).toBe('2');
    expect(await see(await fromAuth0({ org_id: 'org_2' }))).toBe('2');
  });

  it('serves either by its own names', async () => {
    const [ofClerk, ofAuth0] = [
      await fromClerk({ o: { id: 'org_1' } }),
      await fromAuth0({ org_id: 'org_1', permissions: ['write:notes', 'read:notes'] }),
    ];
    expect(await see(ofClerk, clerkDocuments)).toBe('1');
    expect(await see(ofAuth0, auth0Documents)).toBe('1');
    expect(await see(ofClerk, auth0Documents)).toBe('');
    expect(await see(ofAuth0, clerkDocuments)).toBe('');
    expect(await see(await fromAuth0({ org_id: 'org_1' }), auth0Documents)).toBe('');
  });

  it('shows nothing when the claim is missing or of another type', async () => {
    const wrong: readonly unknown[] = [
      undefined,
      null,
      '',
      7,
      true,
      ['org_1'],
      { text: 'org_1' },
      [['org_1']],
    ];
    for (const value of wrong) {
      const tokens = [
        await fromClerk({ o: { id: value } }),
        await fromClerk({ o: value }),
        await fromAuth0({ org_id: value, permissions: ['read:notes'] }),
        await fromAuth0({ org_id: value, $organization: 'org_1', $roles: ['admin'] }),
      ];
      for (const token of tokens) {
        expect(await see(token), JSON.stringify(value)).toBe('');
        expect(await see(token, clerkDocuments)).toBe('');
        expect(await see(token, auth0Documents)).toBe('');
        expect(await remove(token)).toBe(0);
      }
    }
    for (const permissions of [undefined, 'read:notes', { 'read:notes': true }, [['read:notes']], [7]]) {
      expect(await see(await fromAuth0({ org_id: 'org_1', permissions }), auth0Documents)).toBe('');
    }
  });

  it('lets those delete who have the role, and only there', async () => {
    expect(await remove(await fromClerk({ o: { id: 'org_2', rol: 'member' } }))).toBe(0);
    expect(await remove(await fromAuth0({ org_id: 'org_2' }))).toBe(0);
    expect(await remove(await fromClerk({ o: { id: 'org_2', rol: 'admin' } }))).toBe(1);
    expect(await remove(await fromAuth0({ org_id: 'org_1', permissions: ['admin'] }))).toBe(1);
    const left = await withClient(database.ownerUrl, (client) => client.query('select id from documents'));
    expect(left.rowCount).toBe(6);
  });
});
