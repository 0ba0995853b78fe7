import type pg from 'pg';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';

import { preludeStatements } from '../../../src/database/prelude.ts';
import { seal } from '../../../src/session/seal.ts';
import { clusterUrl, createDatabase } from '../../support/cluster.ts';
import {
  createSealedDatabase,
  runAsOwner,
  withClient,
  type SealedDatabase,
} from '../../support/sealed-database.ts';

let database: SealedDatabase;

beforeAll(async () => {
  database = await createSealedDatabase('revoked', [
    `CREATE TABLE notes (owner text NOT NULL, body text NOT NULL)`,
    `ALTER TABLE notes ENABLE ROW LEVEL SECURITY`,
    `CREATE POLICY own ON notes TO authenticated USING ((SELECT auth.user_id()) = owner)`,
    `GRANT SELECT ON notes TO authenticated`,
    `INSERT INTO notes VALUES ('alice', 'of alice'), ('bob', 'of bob')`,
  ]);
});

afterAll(() => database.drop());

afterEach(() => runAsOwner(database.ownerUrl, ['DELETE FROM auth.revocations']));

const now = Math.floor(Date.now() / 1000);
const session = { sub: 'alice', iss: 'https://id.example', sid: 's1', jti: 't1', iat: now - 100 };

/** What the person sees, or the code and message of the refusal. */
async function seen(claims: Record<string, unknown>): Promise<unknown> {
  return withClient(database.authenticatedUrl, async (client) => {
    const sealed = await seal({ role: 'authenticated', claims }, database.sealKey, {
      database: database.name,
      backendPid: 0,
      nowSeconds: Date.now() / 1000,
    });
    await client.query(`SELECT set_config('authorize.seal', $1, false)`, [sealed]);
    const ask = async (text: string): Promise<unknown> => {
      try {
        return (await client.query(text)).rows;
      } catch (error) {
        const { code, message } = error as { readonly code?: string; readonly message: string };
        return { code, message };
      }
    };
    const [rows, checked] = [
      await ask('SELECT body FROM notes'),
      await ask(`SELECT auth.check(current_setting('authorize.seal'))`),
    ];
    if (!Array.isArray(rows)) expect(checked).toEqual(rows);
    return rows;
  });
}

const hers = [{ body: 'of alice' }];
const refused = { code: '28000', message: 'no identity: the token has been revoked' };

async function revoke(values: string): Promise<void> {
  await runAsOwner(database.ownerUrl, [
    `INSERT INTO auth.revocations (claim, value, issuer, issued_before, until) VALUES ${values}`,
  ]);
}

it.each([
  ['a person', `('sub', 'alice', '', NULL, NULL)`],
  ['a session', `('sid', 's1', '', NULL, NULL)`],
  ['a token', `('jti', 't1', '', NULL, NULL)`],
  ['a person of one issuer', `('sub', 'alice', 'https://id.example', NULL, NULL)`],
  ['until later', `('sub', 'alice', '', NULL, now() + interval '1 minute')`],
  ['tokens issued before a time', `('sub', 'alice', '', now(), NULL)`],
])('refuses %s, and nobody else', async (_, values) => {
  expect(await seen(session)).toEqual(hers);
  await revoke(values);
  expect(await seen(session)).toEqual(refused);
  expect(await seen({ ...session, sub: 'bob', sid: 's2', jti: 't2' })).toEqual([{ body: 'of bob' }]);
});

it.each([
  [
    'another person, session and token',
    `('sub', 'al', '', NULL, NULL), ('sid', 'alice', '', NULL, NULL), ('jti', 's1', '', NULL, NULL)`,
  ],
  ['a person of another issuer', `('sub', 'alice', 'https://other.example', NULL, NULL)`],
  ['until a time that is over', `('sub', 'alice', '', NULL, now())`],
  ['tokens issued before this one', `('sub', 'alice', '', now() - interval '200 seconds', NULL)`],
])('lets through when what is revoked is %s', async (_, values) => {
  await revoke(values);
  expect(await seen(session)).toEqual(hers);
});

describe('a token that does not say when it was issued', () => {
  it.each([[undefined], ['100'], [null], [[now]]])('(%j) counts as old', async (iat) => {
    await revoke(`('sub', 'alice', '', now() - interval '1 year', NULL)`);
    expect(await seen({ ...session, iat })).toEqual(refused);
  });
});

it('a value is compared as text, and claims of another type are none', async () => {
  await revoke(`('sid', '1', '', NULL, NULL), ('jti', '{"a": 1}', '', NULL, NULL)`);
  expect(await seen({ ...session, sid: 1 })).toEqual(refused);
  expect(await seen({ sub: 'alice', sid: null, jti: ['1'] })).toEqual(hers);
});

it('people neither see nor change what is revoked', async () => {
  await withClient(database.authenticatedUrl, async (client) => {
    for (const text of [
      'TABLE auth.revocations',
      'DELETE FROM auth.revocations',
      `INSERT INTO auth.revocations (claim, value) VALUES ('sub', 'bob')`,
    ]) {
      await expect(client.query(text)).rejects.toThrow('permission denied for table revocations');
    }
  });
});

it('an owner from whom hardening has taken pg_notify() revokes all the same', async () => {
  const hardened = await createDatabase('revoked_hard', { owner: 'ordinary' });
  try {
    await runAsOwner(hardened.url, preludeStatements(['authenticated', 'anonymous']));
    const superuser = new URL(await clusterUrl());
    superuser.pathname = `/${hardened.name}`;
    await runAsOwner(superuser.href, [
      'REVOKE EXECUTE ON FUNCTION pg_catalog.pg_notify(text, text) FROM PUBLIC',
    ]);
    await withClient(hardened.url, async (client) => {
      const heard = new Promise<pg.Notification>((resolve) => client.once('notification', resolve));
      await client.query('LISTEN authorize_revocations');
      await client.query(`INSERT INTO auth.revocations (claim, value) VALUES ('sub', 'alice')`);
      // Not a word of whom.
      expect(await heard).toMatchObject({ channel: 'authorize_revocations', payload: '' });
    });
  } finally {
    await hardened.drop();
  }
});
