import { afterAll, beforeAll, expect, it } from 'vitest';

import { runCommand, type CommandResult } from '../../support/command.ts';
import { createProject, type Project } from '../migration/project.ts';

const schema = (policies: string): string =>
  `export const todos = pgTable('d_todos', { userId: text('user_id'), title: text(), done: boolean() }, (t) => [${policies}]);`;
const view = `selectPolicy('view', { to: authenticatedRole, using: authUid(t.userId) })`;
const edit = (columns: string): string =>
  `updatePolicy('edit', { to: authenticatedRole, using: authUid(t.userId), columns: [${columns}] })`;

let project: Project;

beforeAll(async () => {
  project = await createProject();
  await project.schema(schema(view));
  await project.generate('--name=view');
  await project.schema(schema(`${view}, ${edit('t.title, t.done')}`));
  await project.generate('--name=edit');
  await project.schema(schema(`${view}, ${edit('t.title')}`));
});

afterAll(() => project.remove());

function diff(...args: readonly string[]): Promise<CommandResult> {
  return runCommand(['diff', ...args], { cwd: project.folder });
}

it('says what the next migration changes, and writes nothing', async () => {
  const before = await project.migrations();
  const narrowed = 'authenticated: UPDATE on public.d_todos narrowed: title instead of done, title';
  expect(await diff()).toEqual({ code: 0, stdout: `${narrowed}\n`, stderr: '' });
  expect(await project.migrations()).toEqual(before);
  const { stdout } = await diff('--json');
  expect(JSON.parse(stdout)).toEqual({ since: '0002_edit', changes: [narrowed] });
});

it('says what has changed since a migration that is named', async () => {
  expect((await diff('--since', '0001')).stdout).toBe(
    'authenticated: UPDATE (title) on public.d_todos granted by "edit"\n',
  );
  expect((await diff('--since=0000_authorize_prelude')).stdout.split('\n')).toContain(
    'authenticated: SELECT on public.d_todos granted by "view"',
  );
  expect(await diff('--since', '0007')).toMatchObject({
    code: 2,
    stderr: expect.stringContaining(
      'there is no migration 0007 (ERR_USAGE)\n       the newest is 0002_edit',
    ) as string,
  });
});

it('refuses a schema that generate would refuse, as check does', async () => {
  const narrowed = schema(`${view}, ${edit('t.title')}`);
  const unusable = `pgPolicy('edit', { for: 'update', to: authenticatedRole, withCheck: authUid(t.userId) })`;
  await project.schema(schema(unusable));
  try {
    const refusal = {
      code: 1,
      stdout: '',
      stderr: expect.stringContaining('lets nobody update a row') as string,
    };
    expect(await diff()).toMatchObject(refusal);
    expect(await runCommand(['check'], { cwd: project.folder })).toMatchObject(refusal);
  } finally {
    await project.schema(narrowed);
  }
});
