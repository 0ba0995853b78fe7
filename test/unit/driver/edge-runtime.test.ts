import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';

const source = new URL('../../../src/', import.meta.url);
const entry = new URL('driver/neon-http.ts', source);

/** What the files of an entry import at run time: its own files, and packages by the file that wants them. */
function importsOf(start: URL): { files: ReadonlySet<string>; packages: ReadonlySet<string> } {
  const files = new Set<string>();
  const packages = new Set<string>();
  const rest = [start];
  for (let file = rest.pop(); file !== undefined; file = rest.pop()) {
    if (files.has(file.href)) continue;
    files.add(file.href);
    const text = readFileSync(file, 'utf8');
    for (const [, from = ''] of text.matchAll(/^(?:import|export)(?! type)[^;]*?from '([^']+)';/gmu)) {
      if (from.startsWith('.')) rest.push(new URL(from, file));
      else packages.add(from);
    }
  }
  return { files, packages };
}

it('drizzle-authorize/neon-http loads where there is no node: and no pg', () => {
  const { files, packages } = importsOf(entry);
  expect([...packages].toSorted()).toEqual(['@neondatabase/serverless', 'jose']);
  // Of the folder that knows pg, what only holds SQL and judges rows.
  const database = new Set([...files].filter((file) => file.includes('/src/database/')));
  const free = ['first-keyword.ts', 'login.ts', 'migrations-missing.ts', 'server-version.ts'];
  expect(database).toEqual(new Set(free.map((name) => new URL(`database/${name}`, source).href)));
  for (const file of files) {
    const text = readFileSync(new URL(file), 'utf8').replaceAll(/\/\*[\s\S]*?\*\/|\/\/.*/gu, '');
    expect(text, file).not.toMatch(/\bBuffer\b|\brequire\(|import\(|(?<!globalThis\.|host\.)\bprocess\b\./u);
  }
});
