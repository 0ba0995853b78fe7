import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { tmpdir } from 'node:os';

import { afterAll, beforeAll, expect, it } from 'vitest';

import { commandPath, runCommand } from '../../support/command.ts';
import { createSealedDatabase, withClient, type SealedDatabase } from '../../support/sealed-database.ts';

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
