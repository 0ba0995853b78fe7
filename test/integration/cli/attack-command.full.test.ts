import { tmpdir } from 'node:os';

import { afterAll, beforeAll, expect, it } from 'vitest';

import { attacks } from '../../../src/attacks/attacks.ts';
import { generateAuthorizeKey } from '../../../src/session/seal-key.ts';
import { runCommand, type CommandResult } from '../../support/command.ts';
import { createSealedDatabase, withClient, type SealedDatabase } from '../../support/sealed-database.ts';

let database: SealedDatabase;
let env: Record<string, string>;

beforeAll(async () => {
  database = await createSealedDatabase('attack_command');
  env = {
    DATABASE_URL: database.ownerUrl,
    DATABASE_AUTHENTICATED_URL: database.authenticatedUrl,
    AUTHORIZE_KEY: database.authorizeKey,
  };
});

afterAll(async () => {
  await database.drop();
});

const attack = (
  args: readonly string[],
  more: Readonly<Record<string, string>> = {},
): Promise<CommandResult> => runCommand(['attack', ...args], { cwd: tmpdir(), env: { ...env, ...more } });

interface Outcome {
  readonly id: string;
  readonly tier: string;
  readonly outcome: string;
  readonly fix?: string;
}

const outcomes = ({ stdout }: CommandResult): readonly Outcome[] =>
  (JSON.parse(stdout) as { readonly attacks: readonly Outcome[] }).attacks;

const leftOver = `SELECT count(*)::int AS count FROM pg_class WHERE relname LIKE 'attacked\\_%'`;

it('refuses to make what it attacks without permission, and makes nothing', async () => {
  const refused = await attack([]);
  expect(refused).toMatchObject({ code: 2, stdout: '' });
  expect(refused.stderr).toContain('--allow-changes');
  await withClient(database.ownerUrl, async (client) => {
    expect((await client.query(leftOver)).rows).toEqual([{ count: 0 }]);
  });
});

it('does not touch tables of somebody else that have such names', async () => {
  await withClient(database.ownerUrl, async (client) => {
    await client.query('CREATE TABLE attacked_notes AS SELECT 1 AS mine');
    const refused = await attack(['--allow-changes']);
    expect(refused).toMatchObject({ code: 2, stdout: '' });
    expect(refused.stderr).toContain('of yours');
    expect((await client.query('SELECT mine FROM attacked_notes')).rows).toEqual([{ mine: 1 }]);
    await client.query('DROP TABLE attacked_notes');
  });
});

it('finds through $withAuth what its tiers leave open, and leaves nothing behind', async () => {
  const found = await attack(['--allow-changes', '--json']);
  expect({ code: found.code, stderr: found.stderr }).toEqual({ code: 1, stderr: '' });
  const tried = outcomes(found);
  expect(tried.map(({ id }) => id)).toEqual(attacks.map(({ id }) => id));
  const skipped = tried.filter(({ outcome }) => outcome === 'not applicable').map(({ id }) => id);
  expect(skipped).toEqual(['S06', 'R09', 'O13', 'O16']);
  const open = attacks
    .filter(({ id, tier }) => tier !== 'stopped' && !skipped.includes(id))
    .map(({ id }) => id);
  expect(tried.filter(({ outcome }) => outcome === 'succeeded').map(({ id }) => id)).toEqual(open);
  expect(tried.find(({ id }) => id === 'R01')).toMatchObject({
    outcome: 'succeeded',
    fix: expect.stringContaining('--harden'),
  });
  await withClient(database.ownerUrl, async (client) => {
    expect((await client.query(leftOver)).rows).toEqual([{ count: 0 }]);
  });
});

it('does not take an error of its own for an attack that was stopped', async () => {
  const other = await attack(['--allow-changes'], { AUTHORIZE_KEY: generateAuthorizeKey() });
  expect(other.code).toBe(1);
  expect(other.stderr).toContain('ERR_KEY_NOT_INSTALLED');
  const noRole = await attack(['--allow-changes', '--role', 'anonymous']);
  expect(noRole.code).toBe(1);
  expect(noRole.stderr).toContain('ERR_LOGIN_ROLE');
});
