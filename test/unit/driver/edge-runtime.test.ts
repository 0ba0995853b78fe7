import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';

const source = new URL('../../../src/', import.meta.url);

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
      else if (from.startsWith('#')) rest.push(withoutNode(from));
      else packages.add(from);
    }
  }
  return { files, packages };
}

/** The source of what the package's own import leads to where there is no Node. */
function withoutNode(name: string): URL {
  const manifest = JSON.parse(readFileSync(new URL('../package.json', source), 'utf8')) as {
    readonly imports: Readonly<Record<string, { readonly default: string }>>;
  };
  const built = manifest.imports[name]?.default ?? '';
  return new URL(built.replace('./dist/', '').replace(/js$/u, 'ts'), source);
}

// Of the folder that knows pg, what only holds SQL, judges rows, and speaks to clients by their shape.
const judging = [
  'first-keyword.ts',
  'login.ts',
  'migrations-missing.ts',
  'prelude-version.ts',
  'reads-leave-traces.ts',
  'server-version.ts',
];
const pooling = [
  'backend.ts',
  'one-flush.ts',
  'pg-client.ts',
  'pooled-reset.ts',
  'quote-literal.ts',
  'reset.ts',
  'sealed-pool.ts',
  'statement-memory.ts',
];

it.each([
  ['neon-http', ['@neondatabase/serverless', 'jose'], judging],
  ['neon-serverless', ['jose'], [...judging, ...pooling, 'no-judge.ts']],
  ['pglite', ['jose'], [...judging, 'quote-identifier.ts', 'reset.ts']],
])(
  'drizzle-authorize/%s loads where there is no node: and no pg',
  (entry, expectedPackages, expectedDatabase) => {
    const { files, packages } = importsOf(new URL(`driver/${entry}.ts`, source));
    expect([...packages].toSorted()).toEqual(expectedPackages);
    const database = new Set([...files].filter((file) => file.includes('/src/database/')));
    expect(database).toEqual(
      new Set(expectedDatabase.map((name) => new URL(`database/${name}`, source).href)),
    );
    for (const file of files) {
      const text = readFileSync(new URL(file), 'utf8').replaceAll(/\/\*[\s\S]*?\*\/|\/\/.*/gu, '');
      expect(text, file).not.toMatch(
        /\bBuffer\b|\brequire\(|import\(|(?<!globalThis\.|host\.)\bprocess\b\./u,
      );
    }
  },
);

it('drizzle-authorize/postgres-js loads where there is no pg, nor any other driver', () => {
  const { packages } = importsOf(new URL('driver/postgres-js.ts', source));
  expect([...packages].toSorted()).toEqual(['jose', 'libpg-query', 'node:net']);
});
