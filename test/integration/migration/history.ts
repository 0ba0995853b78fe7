import { randomUUID } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';

import pg from 'pg';
import { expect } from 'vitest';

import { createSealKey, generateAuthorizeKey, parseAuthorizeKey } from '../../../src/session/seal-key.ts';
import { clusterUrl, createDatabase, type TestDatabase } from '../../support/cluster.ts';
import { withClient } from '../../support/sealed-database.ts';
import { applyMigrations, expectCatalogsEqualSchema, loadAccessModel } from './catalog-equals-schema.ts';
import { query } from './catalog.ts';
import { createExposureMeter, opened, type Exposure } from './exposure.ts';
import { writePrelude } from './prelude.ts';
import { createProject, type Project } from './project.ts';
import { seedRows } from './seed-rows.ts';
import type { Answer } from './terminal.ts';

/** How a schema changes, with what else happens to the database meanwhile. */
export interface History {
  /** The body of schema.ts that drizzle-kit alone has migrated, before drizzle-authorize came. */
  readonly before?: string;
  /** Bodies of schema.ts, in order. */
  readonly versions: readonly string[];
  /** Questions of drizzle-kit that are answered with "renamed": `old › new`. All others mean something new. */
  readonly renamed?: readonly string[];
  /** Answers drizzle-kit's questions in place of that. */
  readonly answer?: () => Answer;
  /** What a database needs before the first migration, run as the owner. */
  readonly setup?: readonly string[];
  /** What an administrator does once the version of this index has been migrated. */
  readonly byHand?: Readonly<Record<number, readonly string[]>>;
  /** A migration that people write after the one for the version of this index. */
  readonly custom?: Readonly<Record<number, string>>;
  /** Privileges that `custom` or `byHand` give, and that stay. */
  readonly given?: readonly string[];
  /** Views that may show what policies hide, as long as a version has them. */
  readonly ownerViews?: readonly string[];
  /** Roles that no schema names, and that must not see more than they may, either. */
  readonly bystanders?: readonly string[];
}

/**
 * Takes databases through a history with the real drizzle-kit, and asserts that they end up enforcing what the last
 * version declares:
 * - one that is migrated at each version, as one transaction,
 * - one that is migrated at each version, statement by statement, where nobody may read or hold at any moment what
 *   neither the version before nor the version after allows,
 * - one that is migrated at the end, through all versions at once.
 *
 * All of them are in one cluster, and so share their roles; each belongs to an owner of its own.
 */
export async function expectHistoryToHold(history: History): Promise<void> {
  const { versions, setup = [], given = [], byHand = {}, custom = {} } = history;
  const project = await createProject();
  const databases: TestDatabase[] = [];
  const database = async (name: string): Promise<TestDatabase> => {
    const made = await createDatabase(name, { owner: 'ordinary' });
    databases.push(made);
    for (const statement of setup) await query(made.url, statement);
    return made;
  };
  const questions = answering(history);
  try {
    const whole = await database('whole');
    const stepwise = await database('stepwise');
    if (history.before === undefined) await writePrelude(project);
    else await writeWithoutUs(project, history.before, [whole, stepwise]);
    const stepper = createStepper(project, stepwise, history.before === undefined ? 0 : 1);
    const roles = new Set(history.bystanders);
    const [created, needed] = [new Set<string>(), new Set<string>()];

    for (const [index, version] of versions.entries()) {
      await project.schema(version);
      const ownerViews = (history.ownerViews ?? []).filter((view) => isOwnerView(version, view));
      await project.configure(JSON.stringify({ ownerViews }));
      const model = await loadAccessModel(project);
      needed.clear();
      for (const role of [...model.declaredRoles, ...model.identityRoles, ...namedRoles(model)]) {
        roles.add(role);
        needed.add(role);
      }
      await project.generateInTerminal(questions.answer);
      for (const [, role] of (await project.newest()).matchAll(/^ *CREATE ROLE "(.*?)"(?! NOLOGIN)/gm)) {
        if (role !== undefined) created.add(role);
      }
      await applyMigrations(project, whole.url);
      await stepper.apply([...roles]);
      for (const { name } of [whole, stepwise]) {
        // The owner of a table may be bound by its policies.
        await seedRows(await asSuperuser(name));
        for (const statement of byHand[index] ?? []) await query(await asSuperuser(name), statement);
      }
      const sql = custom[index];
      if (sql !== undefined) await writeCustomMigration(project, sql);
    }

    await applyMigrations(project, whole.url);
    await stepper.apply([...roles]);
    expect(questions.unasked()).toEqual([]);
    const files = await project.files();
    await project.generate();
    expect(await project.files()).toEqual(files);

    const late = await database('late');
    await applyMigrations(project, late.url);
    await expectCatalogsEqualSchema(project, [whole, stepwise, late], { setup, given });
    await expectNothingLeftFor([...created].filter((role) => !needed.has(role)));
  } finally {
    for (const made of databases) await made.drop();
    await project.remove();
  }
}

/** Several histories with nothing in common as one: faster, when each has tables and roles of its own. */
export function together(histories: readonly History[]): History {
  const length = Math.max(...histories.map(({ versions }) => versions.length));
  const indexes = Array.from({ length }, (_, index) => index);
  return {
    versions: indexes.map((index) =>
      histories.map(({ versions }) => versions[index] ?? versions.at(-1)).join('\n'),
    ),
    renamed: histories.flatMap(({ renamed = [] }) => renamed),
    setup: histories.flatMap(({ setup = [] }) => setup),
    byHand: Object.fromEntries(
      indexes.map((index) => [index, histories.flatMap(({ byHand }) => byHand?.[index] ?? [])]),
    ),
    custom: Object.fromEntries(
      indexes.flatMap((index) => {
        const written = histories.flatMap(({ custom }) => custom?.[index] ?? []);
        return written.length > 0 ? [[index, written.join('\n--> statement-breakpoint\n')]] : [];
      }),
    ),
    given: histories.flatMap(({ given = [] }) => given),
    ownerViews: histories.flatMap(({ ownerViews = [] }) => ownerViews),
    bystanders: histories.flatMap(({ bystanders = [] }) => bystanders),
  };
}

function isOwnerView(version: string, view: string): boolean {
  return new RegExp(`View\\(['"]${view}['"]\\)(?!\\.with)`).test(version);
}

interface Questions {
  readonly answer: Answer;
  /** What should have been asked, and was not. */
  unasked(): readonly string[];
}

function answering({ renamed = [], answer }: History): Questions {
  if (answer) return { answer: answer(), unasked: () => [] };
  const asked = new Set<string>();
  return {
    answer: ({ options }) => {
      const index = options.findIndex((option) => renamed.some((pair) => offers(option, pair)));
      const pair = renamed.find((candidate) => offers(options[index] ?? '', candidate));
      if (pair !== undefined) asked.add(pair);
      return Math.max(0, index);
    },
    unasked: () => renamed.filter((pair) => !asked.has(pair)),
  };
}

// drizzle-kit 1.0 says of what table a column is.
function offers(option: string, pair: string): boolean {
  const words = /^(.*) › (.*?) rename/.exec(option)?.slice(1);
  const names = pair.split(' › ');
  return words?.every((word, index) => word === names[index] || word.endsWith(`.${names[index]}`)) === true;
}

// The wrapper of drizzle.config.ts keeps still in processes that it has started itself.
async function writeWithoutUs(
  project: Project,
  schema: string,
  databases: readonly TestDatabase[],
): Promise<void> {
  await project.schema(schema);
  const { code, stdout, stderr } = await project.kit(['generate', '--name=before'], {
    DRIZZLE_AUTHORIZE_CHILD: '1',
  });
  expect(code, stdout + stderr).toBe(0);
  for (const { url } of databases) {
    await applyMigrations(project, url);
    await seedRows(url);
  }
}

async function writeCustomMigration(project: Project, sql: string): Promise<void> {
  await project.generate('--custom', `--name=mine_${randomUUID().slice(0, 8)}`);
  await project.write(`drizzle/${(await project.migrations()).at(-1)}`, sql);
}

interface Stepper {
  /** Applies what has been generated since, one statement at a time, each in a transaction of its own. */
  apply(roles: readonly string[]): Promise<void>;
}

function createStepper(project: Project, database: TestDatabase, alreadyApplied: number): Stepper {
  let applied = alreadyApplied;
  return {
    apply: async (roles) => {
      const names = await project.migrations();
      for (const name of names.slice(applied)) {
        const sql = await readFile(join(project.folder, 'drizzle', name), 'utf8');
        if (name.includes('_authorize_prelude')) await run(database.url, sql);
        else await expectNothingOpened(database, sql, roles, name);
      }
      applied = names.length;
    },
  };
}

async function run(url: string, sql: string): Promise<void> {
  for (const statement of sql.split('--> statement-breakpoint')) await query(url, statement);
}

async function expectNothingOpened(
  { name, url }: TestDatabase,
  sql: string,
  roles: readonly string[],
  file: string,
): Promise<void> {
  const key = await createSealKey(parseAuthorizeKey(generateAuthorizeKey())[0]);
  await withClient(url, async (client) => {
    const { inner, outer } = key.pads();
    await client.query('INSERT INTO auth.seal_keys (id, inner_pad, outer_pad) VALUES ($1, $2, $3)', [
      key.id,
      inner,
      outer,
    ]);
    const meter = await createExposureMeter(name, key);
    try {
      const before = await meter.measure(roles);
      const moments: { readonly statement: string; readonly exposure: Exposure }[] = [];
      for (const statement of sql.split('--> statement-breakpoint')) {
        try {
          await client.query(statement);
        } catch (cause) {
          throw new Error(`${file}: ${statement}`, { cause });
        }
        moments.push({ statement, exposure: await meter.measure(roles) });
      }
      const after = moments.at(-1)?.exposure ?? before;
      for (const { statement, exposure } of moments) {
        expect(opened(exposure, before, after), `after ${statement} of ${file}`).toEqual([]);
      }
    } finally {
      await meter.close();
    }
  });
}

function namedRoles(model: Awaited<ReturnType<typeof loadAccessModel>>): readonly string[] {
  return model.tables.flatMap((table) => table.policies.flatMap((policy) => policy.to));
}

// A role that another owner has made stays, and holds nothing: or DROP ROLE would fail.
async function expectNothingLeftFor(roles: readonly string[]): Promise<void> {
  const url = await clusterUrl();
  for (const role of roles) await query(url, `DROP ROLE IF EXISTS ${pg.escapeIdentifier(role)}`);
}

async function asSuperuser(database: string): Promise<string> {
  const url = new URL(await clusterUrl());
  url.pathname = `/${database}`;
  return url.href;
}
