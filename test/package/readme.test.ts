import { readFile } from 'node:fs/promises';

import { expect, it } from 'vitest';

import { errorCodes } from '../../src/errors.ts';

it('the table of error codes in README.md is that of errors.ts', async () => {
  const readme = await readFile('README.md', 'utf8');
  const [, table = ''] = /<!-- errors -->\n\n([\s\S]*)\n\n<!-- \/errors -->/u.exec(readme) ?? [];
  const cells = table.split('\n').map((row) => row.split('|').map((cell) => cell.trim()));
  const rows = Object.entries(errorCodes).map(([code, meaning]) => ['', `\`${code}\``, meaning, '']);
  expect(cells.slice(2)).toEqual(rows);
});
