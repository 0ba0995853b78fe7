import { spawn } from 'node:child_process';
import { cp, readdir, readFile, rm } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { createInterface } from 'node:readline';

import { afterEach, beforeEach, expect, it } from 'vitest';

import { expectCatalogsEqualSchema } from '../integration/migration/catalog-equals-schema.ts';
import { readCatalog } from '../integration/migration/catalog.ts';
import { createProject, type Project } from '../integration/migration/project.ts';
import { createDatabase, type TestDatabase } from '../support/cluster.ts';
import { run, type RunResult } from '../support/npm.ts';

// What drizzle-kit 1.0 has and does otherwise; what it has in common with 0.31, the tests of that say of both.

let project: Project;
let database: TestDatabase;

beforeEach(async () => {
  project = await createProject();
  database = await createDatabase('second_line', { owner: 'ordinary' });
});

afterEach(async () => {
  await database?.drop();
  await project?.remove();
});

function table(name: string, policy = 'view', using = 'authUid(t.userId)'): string {
  return `export const ${name} = pgTable('${name}', { userId: text() }, (t) => [
    selectPolicy('${policy}', { to: authenticatedRole, using: ${using} })]);\n`;
}

/** The command line out of the tarball, on drizzle-orm 1.0. */
function command(...args: readonly string[]): Promise<RunResult> {
  return project.authorize(args);
}

it('migrations of two branches are refused until one of them is made anew on top of the other', async () => {
  await project.schema(table('base'));
  await project.generate('--name=base');
  await project.schema(table('base', 'view', 'sql`false`'));
  await project.generate('--name=ours');
  const ours = await project.files();
  await rm(join(project.folder, dirname(await project.migration('ours'))), { recursive: true });
  await project.schema(table('base') + table('other'));
  await project.generate('--name=theirs');
  await project.addMigrations(ours);
  await project.schema(table('base', 'view', 'sql`false`') + table('other'));

  const [before, after] = [await project.migration('ours'), await project.migration('theirs')];
  for (const refused of [
    await project.kit(['generate']),
    await project.kit(['migrate'], { DATABASE_URL: database.url }),
  ]) {
    expect(refused.code).toBe(1);
    expect(refused.stderr).toBe(
      `[✗] drizzle-authorize: ${after} was not made on top of ${before}. After a merge, delete the folder of the one ` +
        'that no database has yet, and run `npx drizzle-kit generate`. (ERR_KIT_UNSUPPORTED)\n',
    );
  }

  await rm(join(project.folder, dirname(after)), { recursive: true });
  await project.generate('--name=both');
  await project.migrate(database.url);
  await expectCatalogsEqualSchema(project, [database]);
});

it('migrations of drizzle-kit 0.31 go on after `drizzle-kit up`, also in a database that has them', async () => {
  await cp('drizzle', join(project.folder, 'drizzle'), { recursive: true });
  await project.write('schema.ts', await readFile('examples/todos/schema.ts', 'utf8'));
  const first = resolve('node_modules/.bin/drizzle-kit');
  const { code, stderr } = await run(first, ['migrate'], project.folder, { DATABASE_URL: database.url });
  expect([code, stderr]).toEqual([0, '']);

  const old = await project.files();
  for (const refused of [['generate'], ['migrate']]) {
    expect((await project.kit(refused)).stderr).toBe(
      '[✗] drizzle-authorize: drizzle holds migrations of drizzle-kit 0.31. ' +
        'Run `npx drizzle-kit up`, which makes them ones of drizzle-kit 1.0. (ERR_KIT_UNSUPPORTED)\n',
    );
  }
  expect(await project.files()).toEqual(old);

  expect((await project.kit(['up'])).code).toBe(0);
  await project.generate();
  expect(await project.names()).toEqual(['authorize_prelude', 'todos']);
  const schema = await readFile('examples/todos/schema.ts', 'utf8');
  await project.write('schema.ts', `${schema}\nexport const more = pgTable('more', { title: text() });`);
  await project.generate('--name=more');
  await project.migrate(database.url);
  await expectCatalogsEqualSchema(project, [database]);
});

it('where drizzle-kit has a question and nobody to ask, nothing is written; its hints answer', async () => {
  await project.schema(table('todos', 'old'));
  await project.generate('--name=todos');
  const before = await project.files();
  await project.schema(table('todos', 'new', 'sql`false`'));
  const { code, stdout } = await project.kit(['generate']);
  expect(stdout).toContain('missing_hints: 1 unresolved decisions');
  expect(code).toBe(2);
  expect(await project.files()).toEqual(before);

  const [from, to] = ['old', 'new'].map((name) => ['public', 'todos', name]);
  await project.generate(`--hints=${JSON.stringify([{ type: 'rename', kind: 'policy', from, to }])}`);
  await project.migrate(database.url);
  expect((await readCatalog(database.url)).policies).toEqual({
    'public.todos': ['new: SELECT TO authenticated USING false'],
  });
});

it('--explain writes nothing, and --output json leaves stdout to drizzle-kit', async () => {
  await project.schema(table('todos'));
  const explained = await project.kit(['generate', '--explain']);
  expect(explained.code).toBe(0);
  expect(explained.stdout).not.toContain('drizzle-authorize');
  expect(await project.files()).toEqual({});

  const { code, stdout, stderr } = await project.kit(['generate', '--output', 'json', '--name=todos']);
  expect(code).toBe(0);
  expect(JSON.parse(stdout)).toMatchObject({
    status: 'ok',
    migration_path: await project.migration('todos'),
  });
  expect(stderr).toContain('1 policy and 1 grant written into');
});

it('push is refused, with what to use in its place', async () => {
  await project.schema(table('todos'));
  const { code, stderr } = await project.kit(['push']);
  expect(code).toBe(1);
  expect(stderr).toBe(
    '[✗] drizzle-authorize: drizzle-kit push does not see that the expression of a policy has changed, and grants nothing. ' +
      'Use `npx drizzle-authorize push`. (ERR_KIT_UNSUPPORTED)\n',
  );
});

it('mcp is refused by an answer, and its server goes on', async () => {
  await project.schema(table('todos'));
  const server = spawn(join(project.folder, 'node_modules/.bin/drizzle-kit'), ['mcp'], {
    cwd: project.folder,
  });
  const call = (id: number, method: string, params: object): void => {
    server.stdin.write(`${JSON.stringify({ jsonrpc: '2.0', id, method, params })}\n`);
  };
  const clientInfo = { name: 'test', version: '1' };
  call(1, 'initialize', { protocolVersion: '2025-03-26', capabilities: {}, clientInfo });
  call(2, 'tools/call', { name: 'generate', arguments: {} });
  call(3, 'tools/call', { name: 'push', arguments: {} });
  const answers = new Map<number, string>();
  for await (const line of createInterface(server.stdout)) {
    const { id } = JSON.parse(line) as { readonly id: number };
    answers.set(id, line);
    if (answers.size === 3) break;
  }
  server.kill();
  expect(answers.get(2)).toContain('drizzle-kit mcp would leave access rules out');
  expect(answers.get(3)).toContain('drizzle-kit mcp would leave access rules out');
  expect(await readdir(project.folder)).not.toContain('drizzle');
});

it('a project that init prepares is generated, migrated and checked by our commands, too', async () => {
  await rm(join(project.folder, 'drizzle.config.ts'));
  const init = await command('init');
  expect([init.code, init.stderr]).toEqual([0, '']);
  expect(init.stdout).toContain(`✓ ${await project.migration('authorize_prelude')} written`);
  await project.schema(table('todos'));
  const generated = await command('generate', '--name=todos');
  expect([generated.code, generated.stderr]).toEqual([0, '']);
  expect(generated.stdout).toContain(`1 policy and 1 grant written into ${await project.migration('todos')}`);
  const before = await project.files();
  await project.generate();
  expect(await project.files()).toEqual(before);
  await project.migrate(database.url);
  await expectCatalogsEqualSchema(project, [database]);
  for (const args of [['diff'], ['check'], ['check', '--url', database.url]]) {
    const { code, stdout, stderr } = await command(...args);
    expect(code, stdout + stderr).toBe(0);
  }
});
