import { readFile } from 'node:fs/promises';

import { expect, it } from 'vitest';

import type { Tier } from '../../../src/attacks/attack.ts';
import { attacks } from '../../../src/attacks/attacks.ts';

const headings: Readonly<Record<Exclude<Tier, 'stopped'>, string>> = {
  'any-host': 'On any host',
  harden: 'Closed by `setup --harden` as the owner',
  superuser: 'Closed by `setup --harden` as a superuser',
  gateway: 'Closed by the gateway only',
};

it.each(Object.entries(headings))('SECURITY.md names each attack of the tier %s', async (tier, heading) => {
  const security = await readFile('SECURITY.md', 'utf8');
  const [, table = ''] = security.split(`| ${heading} `);
  const named = table
    .split('\n')
    .slice(2)
    .map((line) => line.split('|').map((cell) => cell.trim()));
  const rows = named.slice(
    0,
    named.findIndex((cells) => cells.length < 4),
  );
  expect(rows.map((cells) => cells.slice(1, 4))).toEqual(
    attacks.filter((attack) => attack.tier === tier).map(({ id, name, fix }) => [id, name, fix]),
  );
});

it('no two attacks have one id', () => {
  expect(new Set(attacks.map(({ id }) => id)).size).toBe(attacks.length);
});
