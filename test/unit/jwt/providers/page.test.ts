import { readFile } from 'node:fs/promises';
import { expect, it } from 'vitest';
import { providersPage } from '../../../../docs/providers-page.ts';
import * as jwt from '../../../../src/jwt/index.ts';

it('docs/providers.md says what the presets do; `npm run docs` writes it', async () => {
  expect(await readFile('docs/providers.md', 'utf8')).toBe(await providersPage());
});

it('docs/providers.md has every function that makes a provider', async () => {
  const page = await providersPage();
  const others = new Set(['KeySetError', 'TokenError', 'createVerifier']);
  for (const name of Object.keys(jwt).filter((each) => !others.has(each))) {
    expect(page).toContain(`${name}({`);
  }
});
