import { lstatSync, readdirSync } from 'node:fs';
import { join, relative, resolve, sep } from 'node:path';

import { createJiti } from 'jiti';

import { reasonOf } from '../config/evaluate-file.ts';
import { AuthorizeError } from '../errors.ts';
import { compileGlob, literalPrefix } from './glob.ts';

const sourceFile = /\.[cm]?[jt]sx?$/;

/**
 * The files that `schema` in drizzle.config.ts means: paths, folders (the files directly in them) and globs.
 *
 * @throws AuthorizeError `ERR_SCHEMA_UNREADABLE` when there are none
 */
export function findSchemaFiles(schema: string | readonly string[], directory: string): readonly string[] {
  const files = new Set([schema].flat().flatMap((pattern) => matches(pattern, directory).flatMap(filesIn)));
  if (files.size === 0) {
    throw new AuthorizeError(
      'ERR_SCHEMA_UNREADABLE',
      `no schema file matches ${[schema]
        .flat()
        .map((pattern) => `'${pattern}'`)
        .join(', ')}`,
      { hint: 'Correct `schema` in drizzle.config.ts.' },
    );
  }
  return [...files];
}

/**
 * Everything that the files export, evaluated in this process.
 *
 * @throws AuthorizeError `ERR_SCHEMA_UNREADABLE` with the reason when a file cannot be evaluated
 */
export function loadSchemaFiles(files: readonly string[]): readonly unknown[] {
  // One instance, so that a table that two files import is one object; nothing is left on disk. The base is where
  // drizzle-kit looks for tsconfig.json, too, whose `paths` it follows.
  const load = createJiti(join(process.cwd(), 'drizzle.config.ts'), { fsCache: false, tsconfigPaths: true });
  return files.flatMap((file) => {
    try {
      const exported: unknown = load(file);
      return typeof exported === 'object' && exported !== null ? Object.values(exported) : [];
    } catch (cause) {
      throw new AuthorizeError(
        'ERR_SCHEMA_UNREADABLE',
        `the schema file ${relative(process.cwd(), file)} could not be loaded: ${reasonOf(cause)}`,
        { cause },
      );
    }
  });
}

function matches(pattern: string, directory: string): readonly string[] {
  const absolute = resolve(directory, pattern).split(sep).join('/');
  const start = literalPrefix(absolute);
  if (start === absolute) return exists(absolute) ? [absolute] : [];
  const glob = compileGlob(absolute);
  return walk(start).filter((path) => glob.test(path.split(sep).join('/')));
}

function walk(path: string): readonly string[] {
  if (!exists(path)) return [];
  if (!lstatSync(path).isDirectory()) return [path];
  const inside = readdirSync(path)
    .filter((name) => name !== 'node_modules')
    .toSorted();
  return [path, ...inside.flatMap((name) => walk(join(path, name)))];
}

function filesIn(path: string): readonly string[] {
  const found = lstatSync(path).isDirectory() ? readdirSync(path).map((name) => join(path, name)) : [path];
  return found
    .filter((file) => sourceFile.test(file) && !lstatSync(file).isDirectory())
    .map((file) => resolve(file));
}

function exists(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false }) !== undefined;
}
