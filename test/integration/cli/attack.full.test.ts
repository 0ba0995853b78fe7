import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { tmpdir } from 'node:os';

import { afterAll, beforeAll, expect, it } from 'vitest';

import { attacks } from '../../../src/attacks/attacks.ts';
import { preludeStatements } from '../../../src/database/prelude.ts';
import { setup } from '../../../src/database/setup.ts';
import { generateAuthorizeKey } from '../../../src/session/seal-key.ts';
import { commandPath, runCommand } from '../../support/command.ts';
import { startPostgres15 } from '../../support/postgres-15.ts';
import {
  createSealedDatabase,
  runAsOwner,
  withClient,
  type SealedDatabase,
} from '../../support/sealed-database.ts';

let database: SealedDatabase;

beforeAll(async () => {
  database = await createSealedDatabase('attack_by_hand');
});

afterAll(async () => {
  await database.drop();
});

it('finds what the owner as a login opens, and says what to do', async () => {
  const found = await runCommand(['attack', '--allow-changes', '--url', database.ownerUrl], {
    cwd: tmpdir(),
    env: { DATABASE_URL: database.ownerUrl },
  });
  expect(found.code).toBe(1);
  expect(found.stdout).toContain('through the pattern written by hand');
  expect(found.stdout).toMatch(
    /A05 succeeded: RESET ROLE, then select\n\s+log in as the identity role itself/u,
  );
  expect(found.stdout).toMatch(/\d+ of 76 succeeded, \d+ were stopped, \d+ not applicable\n$/u);
});

it('removes what it has made when it is interrupted', async () => {
  const attacking = spawn(
    process.execPath,
    [commandPath, 'attack', '--allow-changes', '--url', database.ownerUrl],
    { cwd: tmpdir(), env: { PATH: process.env['PATH'], DATABASE_URL: database.ownerUrl }, stdio: 'ignore' },
  );
  await withClient(database.ownerUrl, async (client) => {
    const count = async (): Promise<unknown> => {
      const { rows } = await client.query(`SELECT FROM pg_class WHERE relname = 'attacked_notes'`);
      return rows.length;
    };
    await expect.poll(count, { timeout: 20_000 }).toBe(1);
    attacking.kill('SIGTERM');
    const [code] = (await once(attacking, 'exit')) as [number | null];
    expect(code).toBe(1);
    expect(await count()).toBe(0);
  });
});

it('finds the same on PostgreSQL 15, but for what came later', async () => {
  const server = await startPostgres15();
  try {
    await runAsOwner(server.url, preludeStatements(['authenticated', 'anonymous']));
    const key = generateAuthorizeKey();
    const { roles } = await setup({ ownerUrl: server.url, key });
    const found = await runCommand(['attack', '--allow-changes', '--json'], {
      cwd: tmpdir(),
      env: {
        DATABASE_URL: server.url,
        DATABASE_AUTHENTICATED_URL: roles.find(({ role }) => role === 'authenticated')?.url ?? '',
        AUTHORIZE_KEY: key,
      },
    });
    expect(found.stderr).toBe('');
    const { attacks: tried } = JSON.parse(found.stdout) as {
      readonly attacks: readonly { readonly id: string; readonly outcome: string }[];
    };
    const idsThat = (wanted: string): readonly string[] =>
      tried.filter(({ outcome }) => outcome === wanted).map(({ id }) => id);
    const skipped = idsThat('not applicable');
    expect(skipped).toEqual(['S06', 'S12', 'R09', 'O13', 'O16']);
    expect(idsThat('succeeded')).toEqual(
      attacks.filter(({ id, tier }) => tier !== 'stopped' && !skipped.includes(id)).map(({ id }) => id),
    );
  } finally {
    await server.stop();
  }
});
