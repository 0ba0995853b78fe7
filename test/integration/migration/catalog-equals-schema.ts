import { randomUUID } from 'node:crypto';
import { copyFile } from 'node:fs/promises';
import { join } from 'node:path';

import { drizzle } from 'drizzle-orm/node-postgres';
import { migrate } from 'drizzle-orm/node-postgres/migrator';
import pg from 'pg';
import { expect } from 'vitest';

import { readAccessModel, type AccessModel } from '../../../src/migration/access-model.ts';
import { compareWithDatabase } from '../../../src/migration/comparison/compare.ts';
import type { Difference } from '../../../src/migration/comparison/differences.ts';
import { loadSchemaFiles } from '../../../src/migration/schema-files.ts';
import { createDatabase, type TestDatabase } from '../../support/cluster.ts';
import { readAccessCatalog, type AccessCatalog } from './access-catalog.ts';
import { query } from './catalog.ts';
import { declaredAccess } from './declared-access.ts';
import { writePrelude } from './prelude.ts';
import type { Project } from './project.ts';

export interface ComparisonOptions {
  /** What a database needs before the first migration: tables of somebody else. Run as the owner. */
  readonly setup?: readonly string[];
  /** Lines of privileges that people have given on purpose, beside what the schema declares. */
  readonly given?: readonly string[];
}

/**
 * Asserts that databases with a history enforce what the schema declares today: neither less nor more.
 *
 * Another database gets the schema from scratch. What it enforces has to be what the access model says, by name,
 * command, roles, columns, row level security and FORCE; and the databases with a history have to enforce the same, down
 * to the expressions. Row level security alone may be on for more tables: it stays on when the last policy goes.
 */
export async function expectCatalogsEqualSchema(
  project: Project,
  databases: readonly TestDatabase[],
  { setup = [], given = [] }: ComparisonOptions = {},
): Promise<void> {
  const model = await loadAccessModel(project);
  const declared = declaredAccess(model);
  const fresh = await readFromScratch(project, setup);

  expect(Object.fromEntries(fresh.policies.map(({ place, terms }) => [place, terms]))).toEqual(
    declared.policies,
  );
  expect(fresh.rowSecurity).toEqual(declared.rowSecurity);
  expect(fresh.forced).toEqual(declared.forced);
  expect(fresh.functions.map((text) => /auth\.(\w+)/.exec(text)?.[1])).toEqual(declared.functions);
  expect(fresh.privileges).toEqual(declared.privileges);
  expect(fresh.identityRoles).toEqual(declared.identityRoles);

  for (const { name, url } of databases) {
    // What `drizzle-authorize check` says; what people have given on purpose is all that may differ.
    const differences = await compareWithDatabase(model, url);
    const isGiven = ({ kind }: Difference): boolean => given.length > 0 && kind === 'privilege unknown';
    expect(
      differences.filter((difference) => !isGiven(difference)),
      name,
    ).toEqual([]);
    const { rowSecurity, ...enforced } = await readAccessCatalog(url);
    expect(enforced, name).toEqual({
      policies: fresh.policies,
      forced: fresh.forced,
      functions: fresh.functions,
      privileges: [...new Set([...fresh.privileges, ...given])].toSorted(),
      identityRoles: fresh.identityRoles,
    });
    const kept = rowSecurity.filter((table) => !fresh.rowSecurity.includes(table));
    expect(rowSecurity, name).toEqual([...fresh.rowSecurity, ...kept].toSorted());
  }
}

/** What the project's schema declares, read in this process. */
export async function loadAccessModel(project: Project): Promise<AccessModel> {
  // By a new name each time, for a module that has been loaded is not read again.
  const file = join(project.folder, `schema-${randomUUID()}.ts`);
  await copyFile(join(project.folder, 'schema.ts'), file);
  return readAccessModel(loadSchemaFiles([file]));
}

/** Applies what the project has generated, with drizzle-orm's own migrator, which drizzle-kit has built in. */
export async function applyMigrations(project: Project, url: string): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    await migrate(drizzle({ client }), { migrationsFolder: join(project.folder, 'drizzle') });
  } finally {
    await client.end();
  }
}

async function readFromScratch(project: Project, setup: readonly string[]): Promise<AccessCatalog> {
  const copy = await project.copy();
  const database = await createDatabase('scratch', { owner: 'ordinary' });
  try {
    await writePrelude(copy);
    await copy.generate();
    for (const statement of setup) await query(database.url, statement);
    await applyMigrations(copy, database.url);
    return await readAccessCatalog(database.url);
  } finally {
    await database.drop();
    await copy.remove();
  }
}
