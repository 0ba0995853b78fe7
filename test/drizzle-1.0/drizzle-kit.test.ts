import { mkdtemp, readdir, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

import { afterEach, beforeEach, expect, it } from 'vitest';

import { run } from '../support/npm.ts';

let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'drizzle-kit-1.0-'));
  await symlink(resolve('test/drizzle-1.0/node_modules'), join(folder, 'node_modules'));
});

afterEach(() => rm(folder, { recursive: true, force: true }));

it('generate of drizzle-kit 1.0 is refused, with what works and what does not', async () => {
  await writeFile(
    join(folder, 'schema.ts'),
    `import { authenticatedRole, authUid, crudPolicy } from 'drizzle-authorize';
    import { pgTable, text } from 'drizzle-orm/pg-core';
    export const todos = pgTable('todos', { userId: text('user_id') }, (t) => [
      crudPolicy({ role: authenticatedRole, read: authUid(t.userId), modify: authUid(t.userId) }),
    ]);`,
  );
  await writeFile(
    join(folder, 'drizzle.config.ts'),
    `import { withAuthorize } from 'drizzle-authorize/kit';
    import { defineConfig } from 'drizzle-kit';
    export default withAuthorize(defineConfig({ dialect: 'postgresql', schema: './schema.ts' }));`,
  );
  const { code, stderr } = await run(join(folder, 'node_modules/.bin/drizzle-kit'), ['generate'], folder);
  expect(code).toBe(1);
  expect(stderr).toBe(
    '[✗] drizzle-authorize: migrations need drizzle-kit 0.31; 1.0.0-rc.5 is not supported. ' +
      'Generate them with drizzle-kit 0.31 and drizzle-orm 0.45; $withAuth runs on drizzle-orm 1.0 as well. ' +
      '(ERR_KIT_UNSUPPORTED)\n',
  );
  expect(await readdir(folder)).not.toContain('drizzle');
});
