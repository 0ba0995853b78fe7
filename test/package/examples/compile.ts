import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';

import type { Example } from './extract.ts';

/** What the code around every example has: a table, a database, providers, and whoever asks. */
const surroundings = `
import { auth } from 'drizzle-authorize';
import type { Provider } from 'drizzle-authorize/jwt';
import type { WithAuth } from 'drizzle-authorize/node-postgres';
import type { NodePgDatabase } from 'drizzle-orm/node-postgres';
import { boolean, pgTable, text } from 'drizzle-orm/pg-core';
const table = pgTable('todos', {
  userId: text('user_id').notNull().default(auth.userId()),
  title: text().notNull(),
  done: boolean().notNull().default(false),
});
declare global {
  const todos: typeof table;
  const t: typeof table;
  const schema: { todos: typeof table };
  const providers: readonly Provider[];
  const db: WithAuth<NodePgDatabase>;
  const token: string;
  const session: { getToken(): Promise<string> };
}`;

/**
 * Compiles examples as a user has them, in a project of its own that finds the built package by its name.
 *
 * An example that imports something has to import all that it uses. One that imports nothing is a fragment, and sees
 * every name that the given entry points export, but for those that two of them do.
 *
 * @param entryPoints the names that each entry point exports, by what importers write
 * @returns the compiler's complaints, as `file:line: message` with the lines of the documentation
 */
export async function compileExamples(
  examples: readonly Example[],
  entryPoints: Readonly<Record<string, readonly string[]>>,
): Promise<readonly string[]> {
  const folder = await mkdtemp(join(tmpdir(), 'examples-'));
  try {
    await linkPackages(folder);
    const isFragment = ({ code }: Example): boolean => !/^import /mu.test(code);
    const [fragments, programs] = [examples.filter(isFragment), examples.filter((it) => !isFragment(it))];
    const complaints = await Promise.all([
      compile(join(folder, 'programs'), programs, surroundings),
      compile(join(folder, 'fragments'), fragments, surroundings + importedNames(entryPoints)),
    ]);
    return complaints.flat();
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

function importedNames(entryPoints: Readonly<Record<string, readonly string[]>>): string {
  const exported = Object.entries(entryPoints).flatMap(([from, names]) =>
    names.map((name) => ({ from, name })),
  );
  const isAmbiguous = (name: string): boolean => exported.filter((it) => it.name === name).length > 1;
  const declared = exported
    .filter(({ name }) => !isAmbiguous(name))
    .map(({ from, name }) => `  const ${name}: typeof import('${from}').${name};`);
  return `\ndeclare global {\n${declared.join('\n')}\n}`;
}

/** The package by its name, and beside it what its users have. */
async function linkPackages(folder: string): Promise<void> {
  const links = {
    'drizzle-authorize': '.',
    ...Object.fromEntries(
      [
        '@neondatabase/serverless',
        '@types/node',
        '@types/pg',
        'drizzle-kit',
        'drizzle-orm',
        'pg',
        'pino',
      ].map((name) => [name, join('node_modules', name)]),
    ),
  };
  for (const [name, target] of Object.entries(links)) {
    const link = join(folder, 'node_modules', name);
    await mkdir(dirname(link), { recursive: true });
    await symlink(resolve(target), link);
  }
}

const compilerOptions = {
  target: 'es2023',
  lib: ['es2023', 'dom', 'dom.iterable'],
  module: 'nodenext',
  types: ['node'],
  strict: true,
  exactOptionalPropertyTypes: true,
  noUncheckedIndexedAccess: true,
  skipLibCheck: true,
  noEmit: true,
};

async function compile(
  folder: string,
  examples: readonly Example[],
  preamble: string,
): Promise<readonly string[]> {
  await mkdir(folder);
  const files = Object.fromEntries(examples.map((example, index) => [`example-${index}.ts`, example]));
  await Promise.all([
    writeFile(join(folder, 'package.json'), '{ "type": "module" }'),
    writeFile(join(folder, 'preamble.ts'), preamble),
    writeFile(
      join(folder, 'tsconfig.json'),
      JSON.stringify({ compilerOptions, files: ['preamble.ts', ...Object.keys(files)] }),
    ),
    // A module of its own: two examples may use one name.
    ...Object.entries(files).map(([name, { code }]) =>
      writeFile(join(folder, name), `${code}\nexport {};\n`),
    ),
  ]);

  const tsc = spawn(process.execPath, [resolve('node_modules/typescript/bin/tsc'), '--pretty', 'false'], {
    cwd: folder,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let output = '';
  tsc.stdout.setEncoding('utf8').on('data', (text: string) => (output += text));
  const [code] = (await once(tsc, 'close')) as [number | null];
  // A complaint goes on in indented lines.
  const complaints = output.split(/\n(?! )/u).filter((complaint) => complaint !== '');
  if ((code === 0) !== (complaints.length === 0)) throw new Error(`tsc ended with ${code}: ${output}`);
  return complaints.map((complaint) => inDocumentation(complaint, files));
}

function inDocumentation(complaint: string, files: Readonly<Record<string, Example>>): string {
  const [, name = '', line, message] = /^(.+?)\((\d+),\d+\): (.*)$/su.exec(complaint) ?? [];
  const example = files[name];
  return example === undefined ? complaint : `${example.file}:${example.line + Number(line) - 1}: ${message}`;
}
