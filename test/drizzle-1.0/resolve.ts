import { dirname, join, resolve, sep } from 'node:path';

import type { Plugin } from 'vitest/config';

import manifest from '../../package.json' with { type: 'json' };

const here = resolve('test/drizzle-1.0');
const tests = resolve('test') + sep;

/** What tests import from src/ that a user imports from the package, by file. */
const entryPoints = new Map(
  Object.entries(manifest.exports).flatMap(([entry, target]) =>
    typeof target === 'string'
      ? []
      : [[resolve(target.default.replace(/^\.\/dist\/(.*)\.js$/u, 'src/$1.ts')), join(manifest.name, entry)]],
  ),
);

/** What is written differently on this line. */
const otherWords = new Map([[resolve('test/support/drizzle-line.ts'), join(here, 'drizzle-line.ts')]]);

/**
 * Lets the tests of the first line run on the second: `drizzle-orm` is the one of this folder, each entry point of the
 * package the one of the tarball, and `test/support/drizzle-line.ts` the file of that name in this folder.
 */
export function secondLine(): Plugin {
  return {
    name: 'drizzle-1.0',
    enforce: 'pre',
    async resolveId(source, importer, options) {
      const found = (request: string): ReturnType<typeof this.resolve> =>
        this.resolve(request, join(here, 'package.json'), { ...options, skipSelf: true });
      if (/^drizzle-(?:authorize|orm)(?:\/|$)/u.test(source)) return found(source);
      if (!source.startsWith('.') || importer?.startsWith(tests) !== true) return null;
      const file = resolve(dirname(importer), source);
      const entryPoint = entryPoints.get(file);
      return entryPoint === undefined ? (otherWords.get(file) ?? null) : found(entryPoint);
    },
  };
}
