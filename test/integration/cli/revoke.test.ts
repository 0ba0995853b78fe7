import { tmpdir } from 'node:os';

import { drizzle } from 'drizzle-orm/node-postgres';
import pg from 'pg';
import { afterAll, beforeAll, expect, it } from 'vitest';

import { reinstate, revoke } from '../../../src/revocations.ts';
import { runCommand, type CommandResult } from '../../support/command.ts';
import {
  createSealedDatabase,
  runAsOwner,
  withClient,
  type SealedDatabase,
} from '../../support/sealed-database.ts';

let database: SealedDatabase;

beforeAll(async () => {
  database = await createSealedDatabase('revoke');
});

afterAll(() => database.drop());

const command = (...args: readonly string[]): Promise<CommandResult> =>
  runCommand(['revoke', ...args], { cwd: tmpdir(), env: { DATABASE_URL: database.ownerUrl } });

const listed = async (): Promise<readonly unknown[]> =>
  JSON.parse((await command('--list', '--json')).stdout).revocations;

it('writes, lists, replaces and removes', async () => {
  expect(await command('--list')).toMatchObject({ code: 0, stdout: '✓ nothing is revoked\n' });
  expect(await command('--subject', "O'Brien", '--until', '2999-01-01T00:00Z')).toEqual({
    code: 0,
    stdout: '✓ revoked: the next statement is refused\n',
    stderr: '',
  });
  await command('--session', 's1', '--issuer', 'https://id.example', '--issued-before', 'now');
  expect(await listed()).toEqual([
    expect.objectContaining({
      claim: 'sid',
      value: 's1',
      issuer: 'https://id.example',
      issuedBefore: expect.any(String),
      until: null,
    }),
    expect.objectContaining({
      claim: 'sub',
      value: "O'Brien",
      issuer: '',
      issuedBefore: null,
      until: '2999-01-01T00:00:00.000Z',
    }),
  ]);
  await command('--subject', "O'Brien");
  expect(await listed()).toContainEqual(expect.objectContaining({ value: "O'Brien", until: null }));
  expect((await command('--session', 's1', '--remove')).code).toBe(1);
  expect((await command('--session', 's1', '--issuer', 'https://id.example', '--remove')).code).toBe(0);
  expect(JSON.parse((await command('--subject', "O'Brien", '--remove', '--json')).stdout)).toEqual({
    changed: 1,
  });
  expect(await listed()).toEqual([]);
});

it('forgets what is over', async () => {
  await runAsOwner(database.ownerUrl, [
    `INSERT INTO auth.revocations (claim, value, until) VALUES ('jti', 'old', now() - interval '1 second')`,
  ]);
  expect(await listed()).toEqual([]);
  await command('--token-id', 't1');
  const pool = new pg.Pool({ connectionString: database.ownerUrl, max: 1 });
  const owner = drizzle({ client: pool });
  expect((await owner.execute('SELECT value FROM auth.revocations')).rows).toEqual([{ value: 't1' }]);
  // The same from an application.
  await owner.execute(revoke({ tokenId: "t'2", until: new Date(Date.now() + 60_000) }));
  await owner.execute(reinstate({ tokenId: 't1' }));
  expect((await owner.execute('SELECT value FROM auth.revocations')).rows).toEqual([{ value: "t'2" }]);
  await pool.end();
});

it('has seals compared with the list only while something is in it', async () => {
  const revoking = async (): Promise<unknown> =>
    withClient(
      database.ownerUrl,
      async (client) => (await client.query('SELECT revoking FROM auth.seal_keys')).rows,
    );
  await runAsOwner(database.ownerUrl, ['DELETE FROM auth.revocations']);
  await command('--list');
  expect(await revoking()).toEqual([{ revoking: false }]);
  await runAsOwner(database.ownerUrl, [`INSERT INTO auth.revocations (claim, value) VALUES ('sub', 'x')`]);
  expect(await revoking()).toEqual([{ revoking: true }]);
  await command('--subject', 'x', '--remove');
  expect(await revoking()).toEqual([{ revoking: false }]);
});

it.each([
  [[], 'name one of --subject, --session and --token-id'],
  [['--subject', 'a', '--session', 'b'], 'name one of --subject, --session and --token-id'],
  [['--subject', ''], 'name one of --subject, --session and --token-id'],
  [['--subject', 'a', '--until', 'tomorrow'], "--until 'tomorrow' is not a time with its zone"],
  [['--subject', 'a', '--until', '2026-12-01'], "--until '2026-12-01' is not a time with its zone"],
])('%j is refused', async (args, message) => {
  const refused = await command(...args);
  expect(refused).toMatchObject({ code: 2, stdout: '' });
  expect(refused.stderr).toContain(message);
});

it('says how to get there where the auth schema is older', async () => {
  await runAsOwner(database.ownerUrl, ['ALTER TABLE auth.revocations RENAME TO later']);
  const refused = await command('--subject', 'a');
  await runAsOwner(database.ownerUrl, ['ALTER TABLE auth.later RENAME TO revocations']);
  expect(refused.stderr).toContain('has no auth.revocations yet (ERR_MIGRATIONS_MISSING)');
});
