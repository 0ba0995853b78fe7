import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';

import { describe, expect, it } from 'vitest';

import manifest from '../../package.json' with { type: 'json' };
import { compileExamples } from './examples/compile.ts';
import { docblockExamples, type Example, fencedLanguages, markdownExamples } from './examples/extract.ts';

const { './package.json': _, ...entries } = manifest.exports;

/** The names that each entry point exports at run time, by what importers write. */
async function entryPoints(): Promise<Readonly<Record<string, readonly string[]>>> {
  const names = Object.entries(entries).map(async ([entry, { default: code }]) => {
    const module = (await import(join(process.cwd(), code))) as object;
    return [join(manifest.name, entry), Object.keys(module)] as const;
  });
  return Object.fromEntries(await Promise.all(names));
}

async function filesBelow(folder: string, extension: string): Promise<readonly string[]> {
  const inside = await readdir(folder, { recursive: true }).catch(() => []);
  return inside.filter((name) => name.endsWith(extension)).map((name) => join(folder, name));
}

async function documents(): Promise<readonly string[]> {
  const beside = (await readdir('.')).filter((name) => name.endsWith('.md'));
  return [...beside, ...(await filesBelow('docs', '.md'))];
}

async function extracted(
  files: readonly string[],
  extract: (file: string, text: string) => readonly Example[],
): Promise<readonly Example[]> {
  const examples = files.map(async (file) => extract(file, await readFile(file, 'utf8')));
  return (await Promise.all(examples)).flat();
}

describe('every documented example compiles', () => {
  it('in README.md, its neighbours and docs/', async () => {
    const examples = await extracted(await documents(), markdownExamples);
    expect(examples.map(({ file }) => file)).toContain('README.md');
    expect(await compileExamples(examples, await entryPoints())).toEqual([]);
  });

  it('in the docblocks of src/', async () => {
    const sources = await filesBelow('src', '.ts');
    const examples = await extracted(sources, docblockExamples);
    // None is written in a way that is not found.
    const texts = await Promise.all(sources.map((file) => readFile(file, 'utf8')));
    expect(examples).toHaveLength(texts.join('').split('@example').length - 1);
    expect(examples.length).toBeGreaterThan(10);
    expect(await compileExamples(examples, await entryPoints())).toEqual([]);
  });

  it('and no block of a document escapes by another name than ts', async () => {
    for (const file of await documents()) {
      const languages = fencedLanguages(await readFile(file, 'utf8'));
      expect(['', 'json', 'sh', 'sql', 'ts'], file).toEqual(expect.arrayContaining([...languages]));
    }
  });
});

describe('an example that does not compile', () => {
  it('is named by its line in the document', async () => {
    const markdown = '# Title\n\n```ts\nconst one = 1;\nconst two: string = one;\n```\n';
    const complaints = await compileExamples(markdownExamples('broken.md', markdown), {});
    expect(complaints).toEqual([expect.stringMatching(/^broken\.md:5: error TS2322: /u)]);
  });

  it('is named by its line in the source', async () => {
    const source = '/**\n * Says so.\n *\n * @example\n * authUid(\n *   t.nowhere,\n * )\n * @see it\n */\n';
    const complaints = await compileExamples(docblockExamples('broken.ts', source), {
      'drizzle-authorize': ['authUid'],
    });
    expect(complaints).toEqual([expect.stringMatching(/^broken\.ts:6: error TS2339: /u)]);
  });

  it('may use no name of this package that it does not import, once it imports something', async () => {
    const markdown = "```ts\nimport pg from 'pg';\nnew pg.Pool();\nauthUid(todos.userId);\n```\n";
    const complaints = await compileExamples(markdownExamples('broken.md', markdown), {
      'drizzle-authorize': ['authUid'],
    });
    expect(complaints).toEqual([expect.stringMatching(/^broken\.md:4: error TS2304: .*'authUid'/u)]);
  });
});
