import { resolve } from 'node:path';
import { gzipSync } from 'node:zlib';

import { build } from 'esbuild';

export interface BundleSize {
  readonly minifiedBytes: number;
  readonly gzippedBytes: number;
  /** The modules of drizzle-orm that it imports. */
  readonly imports: readonly string[];
}

/**
 * What an entry point of the built package weighs in a bundle: everything that it exports, minified as one ES module.
 * drizzle-orm is left out, because who declares a schema has it in the bundle anyway.
 *
 * @param entryPoint by its name, such as `drizzle-authorize/jwt`
 */
export async function bundleSize(entryPoint: string): Promise<BundleSize> {
  const { outputFiles, metafile } = await build({
    stdin: { contents: `export * from '${entryPoint}';`, resolveDir: resolve(import.meta.dirname, '..') },
    bundle: true,
    minify: true,
    write: false,
    metafile: true,
    format: 'esm',
    platform: 'neutral',
    external: ['drizzle-orm', 'drizzle-orm/*'],
  });
  const [file] = outputFiles;
  if (file === undefined) throw new Error('esbuild wrote nothing');
  const imports = Object.values(metafile.outputs).flatMap((output) => output.imports.map(({ path }) => path));
  return {
    minifiedBytes: file.contents.length,
    gzippedBytes: gzipSync(file.contents).length,
    imports: [...new Set(imports)].toSorted(),
  };
}
