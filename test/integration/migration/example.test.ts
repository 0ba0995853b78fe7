import { readFile } from 'node:fs/promises';
import { join } from 'node:path';

import { expect, it } from 'vitest';

import { createProject } from './project.ts';

it('the migrations in drizzle/ are what generate writes for examples/todos', async () => {
  const repository = join(import.meta.dirname, '..', '..', '..');
  const copy = await createProject();
  try {
    await copy.write('schema.ts', await readFile(join(repository, 'examples/todos/schema.ts'), 'utf8'));
    await copy.generate('--name=todos');
    for (const name of await copy.migrations()) {
      const generated = await readFile(join(copy.folder, 'drizzle', name), 'utf8');
      expect(await readFile(join(repository, 'drizzle', name), 'utf8')).toBe(generated);
    }
  } finally {
    await copy.remove();
  }
});
