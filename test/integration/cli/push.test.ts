import { expect, it } from 'vitest';

import { createDatabase } from '../../support/cluster.ts';
import { runCommand } from '../../support/command.ts';
import { expectCatalogsEqualSchema } from '../migration/catalog-equals-schema.ts';
import { createProject } from '../migration/project.ts';

// More of it, on both lines of drizzle-kit: test/integration/migration/push.full.test.ts.
it('pushes tables, policies and grants into an empty database, and then has nothing to do', async () => {
  const project = await createProject();
  const database = await createDatabase('push', { owner: 'ordinary' });
  try {
    await project.schema(
      `export const todos = pgTable('todos', { id: serial().primaryKey(), userId: text('user_id') }, (t) => [
        crudPolicy({ role: authenticatedRole, read: authUid(t.userId), modify: authUid(t.userId) }),
      ]);`,
    );
    const push = () => runCommand(['push', '--url', database.url], { cwd: project.folder });
    const { code, stdout } = await push();
    expect([code, stdout.split('\n').at(-2)]).toEqual([0, '✓ the database is what the schema declares']);
    expect((await push()).stdout).toBe('✓ the database is what the schema declares; nothing to do\n');
    await expectCatalogsEqualSchema(project, [database]);
  } finally {
    await database.drop();
    await project.remove();
  }
}, 120_000); // drizzle-kit and its comparisons run several times, on a machine that may have other things to do
