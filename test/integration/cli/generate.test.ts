import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';

import { afterEach, describe, expect, it } from 'vitest';

import { createDatabase } from '../../support/cluster.ts';
import { commandPath, runCommand, type CommandResult } from '../../support/command.ts';
import { createLinkedFolder } from '../../support/linked-folder.ts';
import { readCatalog } from '../migration/catalog.ts';
import { createProject, type Project } from '../migration/project.ts';

const projects: Project[] = [];

afterEach(async () => {
  await Promise.all(projects.splice(0).map((project) => project.remove()));
});

async function wrapped(config = ''): Promise<Project> {
  const project = await createProject(config);
  projects.push(project);
  return project;
}

/** The same project, with the config as it was before drizzle-authorize. */
async function unwrapped(config = ''): Promise<Project> {
  const project = await wrapped(config);
  const text = await readFile(join(project.folder, 'drizzle.config.ts'), 'utf8');
  await project.write(
    'drizzle.config.ts',
    text
      .replace(/^import \{ withAuthorize.*\n/u, '')
      .replace('withAuthorize(', '')
      .replace('}), {});', '});'),
  );
  return project;
}

function generate(project: Project, ...args: readonly string[]): Promise<CommandResult> {
  return runCommand(['generate', ...args], { cwd: project.folder });
}

async function sqlOf(project: Project): Promise<Readonly<Record<string, string>>> {
  const files = Object.entries(await project.files()).filter(([file]) => file.endsWith('.sql'));
  return Object.fromEntries(files.map(([file, text]) => [basename(file), text]));
}

const table = (using: string, more = '', columns = 't.userId'): string =>
  `export const todos = pgTable('todos', { id: bigserial({ mode: 'number' }).primaryKey(), userId: text(), ${more} }, (t) => [
    pgPolicy('mine', { to: authenticatedRole, for: 'select', using: ${using} }),
    updatePolicy('edit', { to: authenticatedRole, using: authUid(t.userId), columns: [${columns}] }),
  ]);`;

// Each another case: the first migration, changes that drizzle-kit sees, and grants, which it does not see.
const isDone = `isDone: boolean('is_done').notNull().default(false),`;
const mine = 'sql`${t.userId} = auth.user_id()`';
const history = [
  table('eq(t.userId, sql`auth.user_id()`)'),
  table(mine, isDone),
  table(mine, isDone, 't.isDone'),
];

describe('generate', () => {
  it('writes without the hook what the hook writes, to the byte', async () => {
    const [hooked, plain] = [await wrapped(), await unwrapped()];
    expect(await readFile(join(plain.folder, 'drizzle.config.ts'), 'utf8')).not.toContain('Authorize');
    for (const [index, schema] of history.entries()) {
      await hooked.schema(schema);
      await plain.schema(schema);
      const [{ code, stderr }] = await Promise.all([
        generate(plain, `--name=step_${index}`),
        hooked.generate(`--name=step_${index}`),
      ]);
      expect([code, stderr]).toEqual([0, '']);
      expect(await sqlOf(plain)).toEqual(await sqlOf(hooked));
    }
    expect(Object.keys(await sqlOf(plain))).toEqual([
      '0000_authorize_prelude.sql',
      '0001_step_0.sql',
      '0002_step_1.sql',
      '0003_authorize.sql',
    ]);

    const before = await plain.files();
    expect((await generate(plain)).code).toBe(0);
    expect(await plain.files()).toEqual(before);

    const database = await createDatabase('generate', { owner: 'ordinary' });
    await plain.migrate(database.url);
    expect((await readCatalog(database.url)).grants).toEqual({
      'public.todos': { authenticated: 'SELECT, UPDATE(is_done)' },
    });
    await database.drop();
  });

  it('works once where the config is wrapped already', async () => {
    const [hooked, both] = [await wrapped(), await wrapped()];
    for (const schema of history.slice(0, 2)) {
      await hooked.schema(schema);
      await both.schema(schema);
      const [{ code, stdout }] = await Promise.all([
        generate(both, '--name=same'),
        hooked.generate('--name=same'),
      ]);
      expect(code).toBe(0);
      expect(stdout.match(/written into drizzle\/\d+_same\.sql/gu)).toHaveLength(1);
    }
    expect(await sqlOf(both)).toEqual(await sqlOf(hooked));
    const before = await both.files();
    expect((await both.kit(['generate'])).code).toBe(0);
    expect(await both.files()).toEqual(before);
  });

  it('passes options on, and finds another config', async () => {
    const project = await unwrapped(`out: './sql',`);
    await project.schema(table('sql`true`'));
    const text = await readFile(join(project.folder, 'drizzle.config.ts'), 'utf8');
    await rm(join(project.folder, 'drizzle.config.ts'));
    await project.write('other.config.ts', text);
    const { code, stderr } = await generate(
      project,
      '--config',
      'other.config.ts',
      '--prefix=unix',
      '--name',
      'first',
    );
    expect([code, stderr]).toEqual([0, '']);
    const files = (await readdir(join(project.folder, 'sql'))).toSorted();
    expect(files).toEqual([
      expect.stringMatching(/^\d{10}_authorize_prelude\.sql$/u),
      expect.stringMatching(/^\d{10}_first\.sql$/u),
      'meta',
    ]);
    expect(await readFile(join(project.folder, 'sql', files[1] ?? ''), 'utf8')).toContain('GRANT SELECT');
  });

  it('takes all of it from the command line, as drizzle-kit does', async () => {
    const project = await unwrapped();
    await project.schema(table('sql`true`'));
    await rm(join(project.folder, 'drizzle.config.ts'));
    const args = [
      '--dialect',
      'postgresql',
      '--schema=./schema.ts',
      '--out',
      'sql',
      '--casing=snake_case',
      '--breakpoints',
    ];
    const { code, stderr } = await generate(project, ...args, '--name=first');
    expect([code, stderr]).toEqual([0, '']);
    const [, first = ''] = (await readdir(join(project.folder, 'sql'))).toSorted();
    expect(await readFile(join(project.folder, 'sql', first), 'utf8')).toContain('"user_id" text');
  });

  it('reads .env before the config, as drizzle-kit does', async () => {
    const project = await unwrapped(`schema: process.env['SCHEMA'],`);
    await project.schema(table('sql`true`'));
    await project.write('.env', 'SCHEMA=./schema.ts\n');
    expect((await generate(project)).code).toBe(0);
    expect(Object.keys(await sqlOf(project))).toHaveLength(2);
  });

  it('leaves a migration of your own to drizzle-kit', async () => {
    const project = await unwrapped();
    await project.schema(table('sql`true`'));
    const { code, stdout } = await generate(project, '--custom', '--name=mine');
    expect(code).toBe(0);
    expect(stdout).not.toContain('written into');
    expect(Object.keys(await sqlOf(project))).toEqual(['0000_mine.sql']);
  });

  it('lets drizzle-kit ask its questions in the terminal', async () => {
    const project = await unwrapped();
    await project.schema(table('sql`true`', 'title: text(),'));
    await generate(project);
    await project.schema(table('sql`true`', 'label: text(),'));
    // The terminal is that of `script`, which util-linux brings along.
    const line = `'${process.execPath}' '${commandPath}' generate --name=renamed`;
    const child = spawn('script', ['--quiet', '--return', '--command', line, '/dev/null'], {
      cwd: project.folder,
      stdio: ['pipe', 'pipe', 'inherit'],
      timeout: 60_000,
    });
    let [shown, answered] = ['', false];
    child.stdout.on('data', (chunk: Buffer) => {
      shown += chunk.toString();
      if (answered || !shown.includes('rename column')) return;
      answered = true;
      child.stdin.write('\u001B[B\r'); // one down: renamed, not created
    });
    const [code] = (await once(child, 'close')) as [number | null];
    expect(code).toBe(0);
    expect((await sqlOf(project))['0002_renamed.sql']).toContain('RENAME COLUMN "title" TO "label"');
  });
});

describe('generate refuses, and writes nothing,', () => {
  const sentence = (result: CommandResult): string => {
    expect(result.stdout).toBe('');
    return result.stderr.split('\n')[0] ?? '';
  };

  it('a config without breakpoints', async () => {
    const project = await unwrapped('breakpoints: false,');
    await project.schema(table('sql`true`'));
    const result = await generate(project);
    expect(result.code).toBe(1);
    expect(sentence(result)).toBe(
      'error: without breakpoints a migration cannot be taken apart (ERR_KIT_UNSUPPORTED)',
    );
    expect(await readdir(project.folder)).not.toContain('drizzle');
  });

  it.each([
    [
      'another database',
      `dialect: 'mysql',`,
      'row level security needs PostgreSQL, not mysql (ERR_KIT_UNSUPPORTED)',
    ],
    ['a schema that is no path', `schema: 5,`, 'drizzle.config.ts cannot be used (ERR_CONFIG_INVALID)'],
    [
      'a schema that is not there',
      `schema: './missing.ts',`,
      "no schema file matches './missing.ts' (ERR_SCHEMA_UNREADABLE)",
    ],
    [
      'a config that throws',
      `out: missing(),`,
      'drizzle.config.ts could not be loaded: missing is not defined (ERR_CONFIG_INVALID)',
    ],
    [
      'names without a history',
      `migrations: { prefix: 'none' },`,
      "migrations.prefix 'none' leaves drizzle-kit without a history (ERR_KIT_UNSUPPORTED)",
    ],
  ])('%s', async (_, config, message) => {
    const project = await unwrapped(config);
    await project.schema(table('sql`true`'));
    const result = await generate(project);
    expect(result.code).toBe(1);
    expect(sentence(result)).toBe(`error: ${message}`);
    expect(await readdir(project.folder)).not.toContain('drizzle');
  });

  it('a policy that Postgres would not take', async () => {
    const project = await unwrapped();
    await project.schema(`export const a = pgTable('a', { id: text() }, () => [pgPolicy('p')]);`);
    const result = await generate(project);
    expect(result.code).toBe(1);
    expect(sentence(result)).toContain('(ERR_POLICY_INVALID)');
    expect(await readdir(project.folder)).not.toContain('drizzle');
  });

  it('a folder without a config, and one without drizzle-kit', async () => {
    const bare = await createLinkedFolder('bare', []);
    const without = await runCommand(['generate'], { cwd: bare.path });
    expect(without.code).toBe(1);
    expect(sentence(without)).toBe(
      'error: drizzle-kit is not installed in this project (ERR_KIT_UNSUPPORTED)',
    );
    await bare.remove();

    const project = await unwrapped();
    await rm(join(project.folder, 'drizzle.config.ts'));
    expect(sentence(await generate(project))).toBe(
      'error: there is no drizzle.config.ts in this folder (ERR_CONFIG_MISSING)',
    );
  });

  it('a config file and options that say the same', async () => {
    const project = await unwrapped();
    const result = await generate(project, '--config=drizzle.config.ts', '--out=elsewhere');
    expect(result.code).toBe(2);
    expect(sentence(result)).toBe('error: --out cannot stand beside --config (ERR_USAGE)');
  });

  it('to go on when drizzle-kit fails', async () => {
    const project = await unwrapped();
    await project.schema(table('sql`true`'));
    await generate(project, '--name=first');
    const before = await project.files();
    expect((await generate(project, '--nonsense')).code).toBe(1);
    expect(await project.files()).toEqual(before);

    // Two snapshots with one parent, as a merge leaves them behind: drizzle-kit complains and exits with 0.
    const snapshot = await readFile(join(project.folder, 'drizzle/meta/0001_snapshot.json'), 'utf8');
    await writeFile(join(project.folder, 'drizzle/meta/0002_snapshot.json'), snapshot);
    await project.schema(`export const other = pgTable('other', { id: text() });`);
    const sql = await sqlOf(project);
    const { code, stderr } = await generate(project);
    expect(code).toBe(1);
    expect(stderr).toContain(
      'drizzle-kit stopped before it had written its migration (ERR_MIGRATION_INCOMPLETE)',
    );
    expect(await sqlOf(project)).toEqual(sql);
  });
});
