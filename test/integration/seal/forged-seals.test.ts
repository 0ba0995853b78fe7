import { createHash, createHmac } from 'node:crypto';

import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { generateAuthorizeKey, createSealKey, parseAuthorizeKey } from '../../../src/session/seal-key.ts';
import { seal, sealContext, type SealOptions } from '../../../src/session/seal.ts';
import {
  createSealedDatabase,
  runAsOwner,
  withClient,
  type SealedDatabase,
} from '../../support/sealed-database.ts';

// Every attack is sent in plain SQL on a connection that is logged in as the identity role, as injected SQL would be.

let database: SealedDatabase;

beforeAll(async () => {
  database = await createSealedDatabase('seals', [
    `CREATE TABLE notes (owner text NOT NULL, body text NOT NULL)`,
    `ALTER TABLE notes ENABLE ROW LEVEL SECURITY`,
    `CREATE POLICY own ON notes TO authenticated USING ((SELECT auth.user_id()) = owner)`,
    `CREATE POLICY not_suspended ON notes AS RESTRICTIVE TO authenticated
      USING ((SELECT auth.claim('suspended')) IS DISTINCT FROM 'true')`,
    `GRANT SELECT ON notes TO authenticated`,
    `CREATE TABLE news (body text NOT NULL)`,
    `ALTER TABLE news ENABLE ROW LEVEL SECURITY`,
    `CREATE POLICY everything ON news TO authenticated, anonymous USING (true)`,
    `GRANT SELECT ON news TO authenticated, anonymous`,
    `INSERT INTO notes VALUES ('alice', 'of alice'), ('bob', 'of bob')`,
    `INSERT INTO news VALUES ('for all')`,
  ]);
});

afterAll(async () => {
  await database.drop();
});

const setting = 'authorize.seal';

async function asAuthenticated<T>(work: (client: pg.Client) => Promise<T>): Promise<T> {
  return withClient(database.authenticatedUrl, async (client) => {
    const { rows } = await client.query<{ who: string; privileged: boolean }>(
      'SELECT session_user AS who, rolsuper OR rolbypassrls AS privileged FROM pg_roles WHERE rolname = session_user',
    );
    expect(rows).toEqual([{ who: 'authenticated', privileged: false }]);
    return work(client);
  });
}

async function sealFor(
  client: pg.Client,
  claims: Record<string, unknown>,
  changes: Partial<SealOptions> & { readonly role?: string; readonly expiresAt?: number } = {},
): Promise<string> {
  const { role = 'authenticated', expiresAt, ...options } = changes;
  return seal({ role, claims, ...(expiresAt !== undefined && { expiresAt }) }, database.sealKey, {
    database: database.name,
    backendPid: pidOf(client),
    nowSeconds: Date.now() / 1000,
    ...options,
  });
}

function pidOf(client: pg.Client): number {
  return Number(Reflect.get(client, 'processID'));
}

/** Makes a seal in the format with any content, signed with the real key: what a mistake of ours could look like. */
function signedWith(
  pads: { inner: Uint8Array; outer: Uint8Array },
  signed: string,
  context = sealContext,
): string {
  const inner = createHash('sha256')
    .update(pads.inner)
    .update([context, database.name, 'authenticated', signed].join('\0'))
    .digest();
  return `${createHash('sha256').update(pads.outer).update(inner).digest('hex')}.${signed}`;
}

async function refusal(work: Promise<unknown>): Promise<{ code: string | undefined; message: string }> {
  try {
    await work;
  } catch (error) {
    if (error instanceof pg.DatabaseError) return { code: error.code, message: error.message };
    throw error;
  }
  throw new Error('it was let through');
}

function read(client: pg.Client, text: string): Promise<pg.QueryResult> {
  return client.query(`SELECT set_config('${setting}', $1, false), auth.user_id()`, [text]);
}

describe('a genuine seal', () => {
  it('is the identity in the transaction that it was set for, and gone after it', async () => {
    await asAuthenticated(async (client) => {
      const genuine = await sealFor(client, { sub: 'alice', org_id: 'acme', nested: { a: [1, 'x.y z'] } });
      await client.query('BEGIN');
      await client.query(`SELECT auth.check(set_config('${setting}', $1, true))`, [genuine]);
      const { rows } = await client.query(
        `SELECT auth.user_id(), auth.uid(), auth.claim('org_id') AS org, auth.session(), auth.jwt() = auth.session() AS same`,
      );
      expect(rows).toEqual([
        {
          user_id: 'alice',
          uid: null,
          org: 'acme',
          session: { sub: 'alice', org_id: 'acme', nested: { a: [1, 'x.y z'] } },
          same: true,
        },
      ]);
      expect((await client.query('SELECT body FROM notes')).rows).toEqual([{ body: 'of alice' }]);
      await client.query('COMMIT');
      expect(await refusal(client.query('SELECT body FROM notes'))).toMatchObject({ code: '28000' });
    });
  });

  it('gives a uuid where the subject is one', async () => {
    await asAuthenticated(async (client) => {
      const id = '7b0e3c1a-0000-4000-8000-00000000000F';
      const genuine = await sealFor(client, { sub: id });
      const { rows } = await client.query(
        `SELECT auth.check(set_config('${setting}', $1, false)), auth.uid()`,
        [genuine],
      );
      expect(rows).toEqual([{ check: true, uid: id.toLowerCase() }]);
    });
  });

  it('keeps a long transaction whose seal has expired meanwhile', async () => {
    await asAuthenticated(async (client) => {
      await client.query('BEGIN');
      const { rows } = await client.query<{ now: string }>('SELECT extract(epoch FROM now())::text AS now');
      // Expires within the next second by the clock, and is judged by the start of the transaction.
      const genuine = await sealFor(client, { sub: 'alice' }, { nowSeconds: Number(rows[0]?.now) - 59 });
      await client.query(`SELECT auth.check(set_config('${setting}', $1, true))`, [genuine]);
      await client.query('SELECT pg_sleep(1.1)');
      expect((await client.query('SELECT auth.user_id()')).rows).toEqual([{ user_id: 'alice' }]);
    });
  });
});

describe('a seal that is not genuine raises 28000', () => {
  const forgeries: Record<string, (genuine: string, client: pg.Client) => string | Promise<string>> = {
    empty: () => '',
    'a single space': () => ' ',
    'dots alone': () => '......',
    'other text': () => 'alice',
    'the claims alone': () => '{"sub":"bob"}',
    'with a claim altered': (genuine) => genuine.replace('alice', 'bob'),
    'with white space added to the claims': (genuine) => genuine.replace('{"sub"', '{ "sub"'),
    'with its first digit altered': (genuine) => (genuine.startsWith('0') ? '1' : '0') + genuine.slice(1),
    'with its MAC in capitals': (genuine) => genuine.slice(0, 64).toUpperCase() + genuine.slice(64),
    'without the MAC': (genuine) => genuine.slice(64),
    'with half of the MAC': (genuine) => genuine.slice(32),
    'cut at its end': (genuine) => genuine.slice(0, -1),
    'with something appended': (genuine) => `${genuine} `,
    'with a later expiry': (genuine) =>
      genuine.replace(/\.(\d{10})\.(\d{10})\./u, (_, a, b) => `.${a}.${Number(b) + 60}.`),
    'under another key id': (genuine) => genuine.replace(/\.1\.[0-9a-f]{16}\./u, '.1.0000000000000000.'),
    'of another version': (genuine) => genuine.replace('.1.', '.2.'),
    'made with another key': async (_, client) => {
      const [secret] = parseAuthorizeKey(generateAuthorizeKey());
      return seal({ role: 'authenticated', claims: { sub: 'bob' } }, await createSealKey(secret), {
        database: database.name,
        backendPid: pidOf(client),
        nowSeconds: Date.now() / 1000,
      });
    },
    'made with another key under the id of the real one': async (genuine) =>
      `${createHmac('sha256', 'guess').update(genuine.slice(65)).digest('hex')}${genuine.slice(64)}`,
    'signed for another purpose': (genuine) =>
      signedWith(database.sealKey.pads(), genuine.slice(65), 'drizzle-authorize something 1'),
    'signed, and of a version that does not exist': (genuine) =>
      signedWith(database.sealKey.pads(), genuine.slice(65).replace('1.', '9.')),
    'for another database': (_, client) => sealFor(client, { sub: 'bob' }, { database: 'postgres' }),
    'for another role': (_, client) => sealFor(client, { sub: 'bob' }, { role: 'anonymous' }),
    'for another backend': (_, client) => sealFor(client, { sub: 'bob' }, { backendPid: pidOf(client) + 1 }),
    'that has expired': (_, client) =>
      sealFor(client, { sub: 'bob' }, { nowSeconds: Date.now() / 1000 - 61 }),
    'of the future': (_, client) => sealFor(client, { sub: 'bob' }, { nowSeconds: Date.now() / 1000 + 30 }),
    'signed for longer than a minute': (genuine) =>
      signedWith(
        database.sealKey.pads(),
        genuine.slice(65).replace(/\.(\d{10})\.(\d{10})\./u, (_, a, b) => `.${a}.${Number(b) + 1}.`),
      ),
    'of ten megabytes': (genuine) => genuine + 'x'.repeat(10_000_000),
  };

  it.each(Object.entries(forgeries))('%s', async (_name, forge) => {
    await asAuthenticated(async (client) => {
      const genuine = await sealFor(client, { sub: 'alice' });
      // The neighbour that is permitted.
      expect((await read(client, genuine)).rows[0]).toMatchObject({ user_id: 'alice' });
      const forged = await forge(genuine, client);
      expect(forged).not.toBe(genuine);

      expect(await refusal(read(client, forged))).toMatchObject({ code: '28000' });
      await client.query(`SELECT set_config('${setting}', $1, false)`, [forged]);
      expect(await refusal(client.query('SELECT body FROM notes'))).toMatchObject({ code: '28000' });
      // The prologue refuses as well, so that no policy that asks for nobody is reached.
      expect(
        await refusal(client.query(`SELECT auth.check(set_config('${setting}', $1, false))`, [forged])),
      ).toMatchObject({ code: '28000' });
    });
  });

  it('never set at all', async () => {
    await asAuthenticated(async (client) => {
      expect(await refusal(client.query('SELECT auth.user_id()'))).toMatchObject({ code: '28000' });
      expect(await refusal(client.query('SELECT auth.check(NULL)'))).toMatchObject({ code: '28000' });
    });
    await withClient(database.anonymousUrl, async (client) => {
      expect(await refusal(client.query('SELECT auth.user_id()'))).toMatchObject({ code: '28000' });
    });
  });

  it('says what is wrong in words that hold no claim', async () => {
    await asAuthenticated(async (client) => {
      const forged = await sealFor(client, { sub: 'carol-the-secret' }, { backendPid: 1 });
      const { message } = await refusal(read(client, forged));
      expect(message).toBe('no identity: the seal is for another connection');
    });
  });
});

describe('in the middle of a statement', () => {
  it('clearing the seal is an error, and opens no policy that NULL would open', async () => {
    await asAuthenticated(async (client) => {
      const suspended = await sealFor(client, { sub: 'alice', suspended: 'true' });
      await client.query(`SELECT set_config('${setting}', $1, false)`, [suspended]);
      expect((await client.query('SELECT body FROM notes')).rows).toEqual([]);
      const cleared =
        client.query(`WITH cleared AS MATERIALIZED (SELECT set_config('${setting}', '', true) AS seal)
        SELECT notes.body FROM cleared, LATERAL (SELECT body FROM notes WHERE cleared.seal = '') AS notes`);
      expect(await refusal(cleared)).toMatchObject({ code: '28000' });
    });
  });

  it('swapping it for a forged one is an error', async () => {
    await asAuthenticated(async (client) => {
      const genuine = await sealFor(client, { sub: 'alice' });
      await client.query(`SELECT set_config('${setting}', $1, false)`, [genuine]);
      const swapped = client.query(
        `WITH swapped AS MATERIALIZED (SELECT set_config('${setting}', $1, true) AS seal)
        SELECT notes.body FROM swapped, LATERAL (SELECT body FROM notes WHERE swapped.seal <> '') AS notes`,
        [genuine.replace('alice', 'bob')],
      );
      expect(await refusal(swapped)).toMatchObject({ code: '28000' });
    });
  });

  it('SQL that runs from text is the same caller', async () => {
    await asAuthenticated(async (client) => {
      const genuine = await sealFor(client, { sub: 'alice' });
      await client.query(`SELECT set_config('${setting}', $1, false)`, [genuine]);
      const { rows } = await client.query<{ xml: string }>(
        `SELECT query_to_xml('SELECT body FROM notes', true, true, '')::text AS xml`,
      );
      expect(rows[0]?.xml).toContain('of alice');
      expect(rows[0]?.xml).not.toContain('of bob');
      const forged = client.query(
        `SELECT set_config('${setting}', $1, true), query_to_xml('SELECT body FROM notes', true, true, '')`,
        [genuine.replace('alice', 'bob')],
      );
      expect(await refusal(forged)).toMatchObject({ code: '28000' });
    });
  });
});

describe('parallel workers, which have another pid', () => {
  it('neither break a genuine seal nor let a forged one pass', async () => {
    await asAuthenticated(async (client) => {
      await client.query('SET debug_parallel_query = on');
      await client.query('SET parallel_setup_cost = 0');
      await client.query('SET parallel_tuple_cost = 0');
      await client.query('SET min_parallel_table_scan_size = 0');
      const genuine = await sealFor(client, { sub: 'alice' });
      await client.query(`SELECT set_config('${setting}', $1, false)`, [genuine]);
      expect((await client.query('SELECT body, auth.user_id() FROM notes')).rows).toEqual([
        { body: 'of alice', user_id: 'alice' },
      ]);
      await client.query(`SELECT set_config('${setting}', $1, false)`, [genuine.replace('alice', 'bob')]);
      expect(await refusal(client.query('SELECT body FROM notes'))).toMatchObject({ code: '28000' });
      await client.query(`SELECT set_config('${setting}', '', false)`);
      expect(await refusal(client.query('SELECT body FROM notes'))).toMatchObject({ code: '28000' });
    });
  });
});

describe('the caller cannot bend the reader', () => {
  it('by TimeZone, DateStyle, bytea_output or IntervalStyle', async () => {
    await asAuthenticated(async (client) => {
      const expired = await sealFor(client, { sub: 'alice' }, { nowSeconds: Date.now() / 1000 - 61 });
      for (const change of [
        `SET TimeZone = 'Pacific/Kiritimati'`,
        `SET DateStyle = 'SQL, DMY'`,
        `SET bytea_output = 'escape'`,
        `SET IntervalStyle = 'sql_standard'`,
        `SET extra_float_digits = -15`,
      ]) {
        await client.query(change);
        expect(await refusal(read(client, expired)), change).toMatchObject({ code: '28000' });
        const genuine = await sealFor(client, { sub: 'alice' });
        expect((await read(client, genuine)).rows[0], change).toMatchObject({ user_id: 'alice' });
      }
    });
  });

  it('by how string constants are read, when the connection reads with it for the first time', async () => {
    await asAuthenticated(async (client) => {
      await client.query('SET standard_conforming_strings = off');
      const genuine = await sealFor(client, { sub: 'alice' });
      expect((await read(client, genuine)).rows[0]).toMatchObject({ user_id: 'alice' });
      expect(await refusal(read(client, genuine.replace('alice', 'bob')))).toMatchObject({ code: '28000' });
    });
  });

  it('by functions and operators of its own in front of those of PostgreSQL', async () => {
    await runAsOwner(database.ownerUrl, [
      'CREATE SCHEMA attacker',
      'GRANT CREATE, USAGE ON SCHEMA attacker TO authenticated',
    ]);
    await asAuthenticated(async (client) => {
      await client.query(
        `CREATE FUNCTION attacker.fake(jsonb, text) RETURNS text LANGUAGE sql AS $$ SELECT 'bob' $$`,
      );
      await client.query(
        `CREATE OPERATOR attacker.->> (LEFTARG = jsonb, RIGHTARG = text, FUNCTION = attacker.fake)`,
      );
      await client.query(
        `CREATE FUNCTION attacker.sha256(bytea) RETURNS bytea LANGUAGE sql AS $$ SELECT '\\x00'::bytea $$`,
      );
      await client.query(
        `CREATE FUNCTION attacker.pg_backend_pid() RETURNS int LANGUAGE sql AS $$ SELECT 1 $$`,
      );
      await client.query(`CREATE TEMP TABLE identity_roles (name text)`);
      await client.query(`CREATE TEMP TABLE seal_keys (id text, inner_pad bytea, outer_pad bytea)`);
      await client.query('SET search_path = attacker, pg_temp, pg_catalog, auth, public');
      const genuine = await sealFor(client, { sub: 'alice' });
      expect((await read(client, genuine)).rows[0]).toMatchObject({ user_id: 'alice' });
      expect((await client.query('SELECT body FROM notes')).rows).toEqual([{ body: 'of alice' }]);
      expect(await refusal(read(client, genuine.replace('alice', 'bob')))).toMatchObject({ code: '28000' });
      expect(await refusal(read(client, ''))).toMatchObject({ code: '28000' });
    });
    await runAsOwner(database.ownerUrl, ['DROP SCHEMA attacker CASCADE']);
  });
});

describe('the key', () => {
  it('cannot be read by an identity role', async () => {
    await asAuthenticated(async (client) => {
      expect(await refusal(client.query('SELECT * FROM auth.seal_keys'))).toMatchObject({ code: '42501' });
      expect(await refusal(client.query('DELETE FROM auth.identity_roles'))).toMatchObject({ code: '42501' });
      expect(await refusal(client.query(`SELECT auth.refuse('missing')`))).toMatchObject({ code: '42501' });
    });
  });

  it('is in no plan that the caller can have printed', async () => {
    const { inner, outer } = database.sealKey.pads();
    await asAuthenticated(async (client) => {
      const seen: string[] = [];
      client.on('notice', (notice) => seen.push(JSON.stringify(notice), notice.detail ?? ''));
      for (const name of ['debug_print_plan', 'debug_print_parse', 'debug_print_rewritten'])
        await client.query(`SET ${name} = on`);
      await client.query('SET debug_pretty_print = off');
      await client.query('SET client_min_messages = log');
      await client.query('SET plan_cache_mode = force_custom_plan');
      const genuine = await sealFor(client, { sub: 'alice' });
      await client.query(`SELECT auth.check(set_config('${setting}', $1, false))`, [genuine]);
      await client.query('SELECT auth.user_id(), auth.session(), body FROM notes');
      await client.query(`SELECT auth.claim('sub'), auth.uid(), auth.jwt()`);
      await refusal(read(client, genuine.replace('alice', 'bob')));
      const printed = seen.join('\n');
      expect(printed).toContain('PLANNEDSTMT');
      for (const pad of [inner, outer]) {
        // Plans print a constant byte by byte, as signed decimals; four in a row would not be there by chance.
        const bytes = Array.from(Int8Array.from(pad));
        expect(printed).not.toContain(bytes.slice(0, 4).join(' '));
        expect(printed).not.toContain(bytes.slice(20, 24).join(' '));
        expect(printed.toLowerCase()).not.toContain(Buffer.from(pad).toString('hex').slice(0, 16));
      }
      // The control: a pad that was a parameter would be found.
      seen.length = 0;
      await client.query('SELECT $1::bytea', [Buffer.from(inner)]);
      expect(seen.join('\n')).toContain(Array.from(Int8Array.from(inner)).slice(0, 4).join(' '));
    });
  });
});

describe('a role that is not an identity role', () => {
  it('gets no identity and no error', async () => {
    await withClient(database.ownerUrl, async (client) => {
      const { rows } = await client.query(
        `SELECT auth.user_id(), auth.uid(), auth.claim('sub'), auth.session() = 'null' AS json_null`,
      );
      expect(rows).toEqual([{ user_id: null, uid: null, claim: null, json_null: true }]);
    });
  });

  it('is refused by the prologue all the same', async () => {
    await withClient(database.ownerUrl, async (client) => {
      expect(await refusal(client.query(`SELECT auth.check('')`))).toMatchObject({ code: '28000' });
    });
  });
});
