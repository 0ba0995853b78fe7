import { createProject, type Project } from './project.ts';

// The first migration is the same everywhere: made once, it saves each project two runs of drizzle-kit.
let prelude: Promise<Readonly<Record<string, string>>> | undefined;

/** Puts the first migration, that of the auth schema, into a project that has none. */
export async function writePrelude(project: Project): Promise<void> {
  prelude ??= generatePrelude();
  await project.addMigrations(await prelude);
}

async function generatePrelude(): Promise<Readonly<Record<string, string>>> {
  const project = await createProject();
  try {
    await project.schema('');
    await project.generate();
    return await project.files();
  } finally {
    await project.remove();
  }
}
