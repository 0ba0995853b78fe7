import { readFile } from 'node:fs/promises';

import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { createDatabase, type TestDatabase } from '../../support/cluster.ts';
import { applyMigrations } from './catalog-equals-schema.ts';
import { query, readCatalog, type Catalog } from './catalog.ts';
import { createProject, type Project, type RunResult } from './project.ts';

const schema = `
export const todos = pgTable('todos', {
  id: bigserial({ mode: 'number' }).primaryKey(),
  userId: text('user_id').notNull().default(auth.userId()),
  title: text().notNull(),
  done: boolean().notNull().default(false),
}, (t) => [
  index().on(t.userId),
  pgPolicy('view todos', { for: 'select', to: 'authenticated', using: sql\`(select auth.user_id() = user_id)\` }),
  insertPolicy('add todos', { to: authenticatedRole, withCheck: authUid(t.userId), columns: [t.title] }),
  updatePolicy('tick off', { to: authenticatedRole, using: authUid(t.userId), columns: [t.done] }),
  pgPolicy('hold back', { as: 'restrictive', for: 'delete', to: anonymousRole, using: sql\`false\` }),
]);
export const posts = pgTable('posts', { id: serial().primaryKey(), state: text(), authorId: text() }, (t) => [
  pgPolicy('published', { for: 'select', using: eq(t.state, "it's out") }),
  crudPolicy({ role: authenticatedRole, read: authUid(t.authorId), modify: authUid(t.authorId) }),
  selectPolicy('everybody', { to: 'public', using: sql\`\${t.state} = 'open'\` }),
]);
const app = pgSchema('app');
export { app };
export const reports = app.table('reports', { id: integer().primaryKey() }, () => [
  selectPolicy('reporting', { to: 'test_reporter', using: sql\`true\` }),
  allPolicy('owner only', { to: anonymousRole, using: sql\`false\` }),
]);
export const secrets = pgTable('secrets', { id: serial().primaryKey() });
export const locked = pgTable('locked', { id: integer() }).enableRLS();
export const reporter = pgRole('test_reporter');
`;

let project: Project;
let first: RunResult;
let database: TestDatabase;
let catalog: Catalog;

beforeAll(async () => {
  project = await createProject();
  await project.schema(schema);
  first = await project.generate('--name=start');
  database = await createDatabase('create', { owner: 'ordinary' });
  await project.migrate(database.url);
  catalog = await readCatalog(database.url);
});

afterAll(async () => {
  await database?.drop();
  await project?.remove();
});

describe('the first drizzle-kit generate', () => {
  it('writes the prelude and one migration, and says so', async () => {
    expect(await project.names()).toEqual(['authorize_prelude', 'start']);
    const [prelude, start] = [await project.migration('authorize_prelude'), await project.migration('start')];
    expect(first.stdout).toContain(`the auth schema written into ${prelude}`);
    expect(first.stdout).toContain(`12 policies and 14 grants written into ${start}`);
  });

  it('says in words at the top who may do what', async () => {
    const [title, state, ...words] = (await project.newest())
      .split('\n')
      .filter((line) => line.startsWith('-- '));
    expect(title).toMatch(/^-- drizzle-authorize: generated; /);
    expect(state).toMatch(/^-- drizzle-authorize:state \{"version":1,/);
    expect(words).toContain('-- anonymous: SELECT on public.posts granted by "everybody", "published"');
    expect(words).toContain('-- authenticated: INSERT (title) on public.todos granted by "add todos"');
    expect(words).toContain('-- everybody: SELECT on public.posts granted by "everybody", "published"');
  });

  it('writes the same again: nothing, byte for byte', async () => {
    const before = await project.files();
    const second = await project.generate();
    expect(await project.files()).toEqual(before);
    expect(second.stdout).not.toContain('written');
  });

  it('writes one statement a breakpoint, as the extended protocol insists', async () => {
    const fresh = await createDatabase('statements');
    const client = new pg.Client({ connectionString: fresh.url });
    await client.connect();
    try {
      for (const name of await project.migrations()) {
        const sql = await readFile(`${project.folder}/drizzle/${name}`, 'utf8');
        for (const text of sql.split('--> statement-breakpoint')) {
          const extended: pg.QueryConfig & { readonly queryMode: 'extended' } = {
            text,
            queryMode: 'extended',
          };
          await client.query(extended);
        }
      }
    } finally {
      await client.end();
    }
    expect(await readCatalog(fresh.url)).toEqual(catalog);
    await fresh.drop();
  });
});

describe('drizzle-kit migrate, run by an owner that is no superuser', () => {
  it('creates every policy as declared', () => {
    expect(catalog.policies).toEqual({
      'app.reports': [
        'owner only: ALL TO anonymous USING false',
        'reporting: SELECT TO test_reporter USING true',
      ],
      'public.posts': [
        'crud-authenticated-policy-delete: DELETE TO authenticated USING (( SELECT auth.user_id() AS user_id) = "authorId")',
        'crud-authenticated-policy-insert: INSERT TO authenticated WITH CHECK (( SELECT auth.user_id() AS user_id) = "authorId")',
        'crud-authenticated-policy-select: SELECT TO authenticated USING (( SELECT auth.user_id() AS user_id) = "authorId")',
        'crud-authenticated-policy-update: UPDATE TO authenticated USING (( SELECT auth.user_id() AS user_id) = "authorId") WITH CHECK (( SELECT auth.user_id() AS user_id) = "authorId")',
        "everybody: SELECT TO public USING (state = 'open'::text)",
        "published: SELECT TO public USING (state = 'it''s out'::text)",
      ],
      'public.todos': [
        'add todos: INSERT TO authenticated WITH CHECK (( SELECT auth.user_id() AS user_id) = user_id)',
        'hold back: RESTRICTIVE DELETE TO anonymous USING false',
        'tick off: UPDATE TO authenticated USING (( SELECT auth.user_id() AS user_id) = user_id)',
        'view todos: SELECT TO authenticated USING ( SELECT (auth.user_id() = todos.user_id))',
      ],
    });
  });

  it('turns row level security on for tables with a policy or with enableRLS, and for no others', () => {
    expect(catalog.rowSecurity).toEqual(['app.reports', 'public.locked', 'public.posts', 'public.todos']);
  });

  it('grants what the policies presuppose, by column where declared, and nothing else', () => {
    expect(catalog.grants).toEqual({
      'app.reports': { anonymous: 'DELETE, INSERT, SELECT, UPDATE', test_reporter: 'SELECT' },
      'public.posts': {
        anonymous: 'SELECT',
        authenticated: 'DELETE, INSERT, SELECT, UPDATE',
        public: 'SELECT',
      },
      'public.todos': { authenticated: 'INSERT(title), SELECT, UPDATE(done)' },
    });
    expect(catalog.sequences).toEqual({
      'public.posts_id_seq': { authenticated: 'USAGE' },
      'public.todos_id_seq': { authenticated: 'USAGE' },
    });
  });

  it('lets the granted roles into a schema of its own', async () => {
    const { rows } = await query(
      database.url,
      `SELECT rolname FROM pg_roles WHERE rolname IN ('anonymous', 'authenticated', 'test_reporter')
       AND has_schema_privilege(oid, 'app', 'USAGE') ORDER BY 1`,
    );
    expect(rows).toEqual([{ rolname: 'anonymous' }, { rolname: 'test_reporter' }]);
  });

  it('stores the caller as the default of a column', async () => {
    const { rows } = await query(
      database.url,
      `SELECT column_default FROM information_schema.columns WHERE table_name = 'todos' AND column_name = 'user_id'`,
    );
    expect(rows).toEqual([{ column_default: 'auth.user_id()' }]);
  });

  it('migrates a second database of the same cluster, whose roles exist already', async () => {
    const second = await createDatabase('second', { owner: 'ordinary' });
    await project.migrate(second.url);
    expect(await readCatalog(second.url)).toEqual(catalog);
    await second.drop();
  });

  it('fails when a table without row level security is open to an identity role', async () => {
    const opened = await createDatabase('opened');
    await query(opened.url, 'CREATE ROLE test_group');
    try {
      await query(opened.url, 'ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO test_group');
      await query(opened.url, 'GRANT test_group TO authenticated');
      await expect(applyMigrations(project, opened.url)).rejects.toHaveProperty(
        'cause.message',
        expect.stringMatching(/^open past row level security: .*secrets to authenticated/),
      );
      expect((await readCatalog(opened.url)).policies).toEqual({});
    } finally {
      await query(opened.url, 'DROP OWNED BY test_group');
      await query(opened.url, 'DROP ROLE test_group');
      await opened.drop();
    }
  });
});
