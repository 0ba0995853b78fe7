import { spawn } from 'node:child_process';
import { mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join, relative } from 'node:path';

import { installed, migrationFile } from '../../support/drizzle-line.ts';
import { runInTerminal, type Answer } from './terminal.ts';

const repository = join(import.meta.dirname, '..', '..', '..');

export interface RunResult {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** A project as a user has it: a schema, drizzle.config.ts and the real drizzle-kit. */
export interface Project {
  readonly folder: string;
  /** A project of the same schema and config that has generated nothing yet. */
  copy(): Promise<Project>;
  write(file: string, text: string): Promise<void>;
  /** Replaces the second argument of withAuthorize(). */
  configure(options: string): Promise<void>;
  /** Replaces the body of schema.ts; everything that a schema needs is imported already. */
  schema(body: string): Promise<void>;
  kit(command: readonly string[], env?: NodeJS.ProcessEnv): Promise<RunResult>;
  /** `drizzle-authorize` as it is installed there, with its own line of drizzle-orm and drizzle-kit. */
  authorize(command: readonly string[], env?: NodeJS.ProcessEnv): Promise<RunResult>;
  /** The file of `drizzle-authorize`, for node. */
  readonly authorizePath: string;
  /** `drizzle-kit generate`, which has to succeed. */
  generate(...options: readonly string[]): Promise<RunResult>;
  /** The same in a terminal, where drizzle-kit asks what has a new name and what is new. */
  generateInTerminal(answer: Answer): Promise<RunResult>;
  /** `drizzle-kit migrate`, which has to succeed. */
  migrate(url: string): Promise<RunResult>;
  /** Paths of the migrations within their folder, in order. */
  migrations(): Promise<readonly string[]>;
  /** Their names, as they were given. */
  names(): Promise<readonly string[]>;
  /** The path of a migration by the name that it was given, such as `drizzle/0001_start.sql` for `start`. */
  migration(name: string): Promise<string>;
  /** The SQL of the newest migration. */
  newest(): Promise<string>;
  /** Every file of the migrations folder with its text, by its path in the project. */
  files(): Promise<Readonly<Record<string, string>>>;
  /** Puts migrations of another project into this one: what `files` returned there. */
  addMigrations(files: Readonly<Record<string, string>>): Promise<void>;
  remove(): Promise<void>;
}

const imports = `
import { eq, sql } from 'drizzle-orm';
import * as orm from 'drizzle-orm';
import * as pg from 'drizzle-orm/pg-core';
import { bigserial, boolean, index, integer, pgEnum, pgPolicy, pgRole, pgSchema, pgTable, serial, text } from 'drizzle-orm/pg-core';
import {
  allPolicy, anonymousRole, auth, authUid, authenticatedRole, createAuth, crudPolicy, deletePolicy, forceRLS, identityRole,
  insertPolicy, memberOf, selectPolicy, updatePolicy,
} from 'drizzle-authorize';
`;

/**
 * @param config more fields of drizzle.config.ts
 * @param authorizeOptions the second argument of withAuthorize()
 */
export async function createProject(config = '', authorizeOptions = '{}'): Promise<Project> {
  const folder = await mkdtemp(join(tmpdir(), 'authorize-project-'));
  const modules = join(folder, 'node_modules');
  await mkdir(modules);
  await symlink(join(repository, installed.package), join(modules, 'drizzle-authorize'));
  for (const name of ['drizzle-kit', 'drizzle-orm', '.bin']) {
    await symlink(join(repository, installed.modules, name), join(modules, name));
  }
  await symlink(join(repository, 'node_modules', 'pg'), join(modules, 'pg'));

  const write = (file: string, text: string): Promise<void> => writeFile(join(folder, file), text);
  await write('package.json', '{ "name": "project", "private": true }');
  let configured = authorizeOptions;
  const configure = (given: string): Promise<void> => {
    configured = given;
    return write(
      'drizzle.config.ts',
      `import { withAuthorize } from 'drizzle-authorize/kit';
import { defineConfig } from 'drizzle-kit';
export default withAuthorize(defineConfig({
  dialect: 'postgresql', schema: './schema.ts', dbCredentials: { url: process.env['DATABASE_URL'] ?? '' }, ${config}
}), ${given});`,
    );
  };
  await configure(authorizeOptions);

  const start = (program: string, args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<RunResult> =>
    new Promise((resolve, reject) => {
      const child = spawn(program, args, {
        cwd: folder,
        env: { ...process.env, ...env },
        stdio: ['ignore', 'pipe', 'pipe'],
      });
      let [stdout, stderr] = ['', ''];
      child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
      child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
      child.on('error', reject).on('close', (code) => resolve({ code, stdout, stderr }));
    });
  const kit: Project['kit'] = (command, env) => start(join(modules, '.bin', 'drizzle-kit'), command, env);
  const authorizePath = join(modules, 'drizzle-authorize', 'dist', 'cli', 'main.js');
  const successful = (command: readonly string[], result: RunResult): RunResult => {
    if (result.code === 0 && result.stderr === '') return result;
    throw new Error(`drizzle-kit ${command.join(' ')}: ${result.code}\n${result.stdout}\n${result.stderr}`);
  };
  const succeed = async (command: readonly string[], env?: NodeJS.ProcessEnv): Promise<RunResult> =>
    successful(command, await kit(command, env));
  const migrations = async (): Promise<readonly string[]> =>
    (await readdir(join(folder, 'drizzle'), { recursive: true }))
      .filter((name) => migrationFile.test(name))
      .toSorted();

  return {
    folder,
    copy: async () => {
      const copy = await createProject(config, configured);
      await copy.write('schema.ts', await readFile(join(folder, 'schema.ts'), 'utf8'));
      return copy;
    },
    write,
    configure,
    schema: (body) => write('schema.ts', imports + body),
    kit,
    authorize: (command, env) => start(process.execPath, [authorizePath, ...command], env),
    authorizePath,
    generate: (...options) => succeed(['generate', ...options]),
    generateInTerminal: async (answer) => {
      const command = [join(modules, '.bin', 'drizzle-kit'), 'generate'];
      return successful(
        ['generate'],
        await runInTerminal(command, { cwd: folder, env: process.env, answer }),
      );
    },
    migrate: (url) => succeed(['migrate'], { DATABASE_URL: url }),
    migrations,
    names: async () => (await migrations()).map((file) => migrationFile.exec(file)?.[1] ?? file),
    migration: async (name) => {
      const found = (await migrations()).find((file) => migrationFile.exec(file)?.[1] === name);
      if (found === undefined) throw new Error(`there is no migration "${name}"`);
      return `drizzle/${found}`;
    },
    newest: async () => readFile(join(folder, 'drizzle', (await migrations()).at(-1) ?? ''), 'utf8'),
    files: async () => {
      const names = await readdir(join(folder, 'drizzle'), { recursive: true, withFileTypes: true });
      const files = names
        .filter((entry) => entry.isFile())
        .map((entry) => relative(folder, join(entry.parentPath, entry.name)));
      return Object.fromEntries(
        await Promise.all(
          files.toSorted().map(async (file) => [file, await readFile(join(folder, file), 'utf8')] as const),
        ),
      );
    },
    addMigrations: async (files) => {
      for (const [file, text] of Object.entries(files)) {
        await mkdir(dirname(join(folder, file)), { recursive: true });
        await write(file, text);
      }
    },
    remove: () => rm(folder, { recursive: true, force: true }),
  };
}
