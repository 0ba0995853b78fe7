import { mkdir, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';

import { writePrelude, type GenerateOptions } from '../migration/generate.ts';
import { readMigrationsFolder } from '../migration/migrations-folder.ts';
import { AuthorizeError } from '../errors.ts';
import { parseOptions, type Command, type ExitCode } from './command.ts';
import { confirm } from './confirm.ts';
import { lookAtDatabase } from './look-at-database.ts';
import { planInit, type FileStep, type InitPlan } from './init-plan.ts';
import { print, printDone, printWarning } from './terminal.ts';

const options = {
  url: { type: 'string' },
  harden: { type: 'boolean' },
  yes: { type: 'boolean' },
  'dry-run': { type: 'boolean' },
  json: { type: 'boolean' },
} as const;

const help = `drizzle-authorize init: prepares the project in this folder

Writes what is missing, and touches nothing that is there, but for two files: it wraps the export
of a drizzle.config.ts in withAuthorize() if that is plainly defineConfig({ … }), and adds .env to
.gitignore. Running it again changes nothing.

  a schema file       a table with policies to start from, where there is none
  drizzle.config.ts   wrapped, so that drizzle-kit generate is complete
  authorize.config.ts what drizzle-authorize gateway serves
  .gitignore          with .env, where setup puts secrets
  the first migration the auth schema and the identity roles

Usage: drizzle-authorize init [options]

  --url URL   for a database that has been there before: looks at it, says what it found and what
              becomes of it, and asks before it writes a file. It changes nothing there
  --harden    with --url: let the first migration take back what the owner gives away by default
              of tables that are yet to be made; without it that stays
  --yes       with --url: do not ask
  --dry-run   change nothing: say what would be done
  --json      print one JSON object: written, changed, kept, byHand, next; with --url database, too

Exit code 1 when something is left to do by hand.`;

export const init: Command = {
  summary: 'prepare a project: its configs, its first migration',
  help,
  async run(args): Promise<ExitCode> {
    const values = parseOptions(args, options);
    const dryRun = values['dry-run'] === true;
    const adoption =
      values.url === undefined ? undefined : await lookAtDatabase(values.url, values.harden === true);
    if (adoption === undefined && (values.harden === true || values.yes === true)) {
      throw new AuthorizeError(
        'ERR_USAGE',
        '--harden and --yes are for a database that is there: give its --url',
      );
    }
    const plan = await planInit(adoption);
    if (adoption !== undefined) {
      if (values.json !== true) for (const line of adoption.words) printWarning(line);
      const idle = plan.prelude === undefined && !plan.files.some(writes);
      const asks = !idle && !dryRun && values.yes !== true;
      if (asks && !(await confirm(`Prepare this project for the database '${adoption.database}'?`, '--yes')))
        return 1;
    }
    let prelude = plan.prelude && newPrelude;
    if (!dryRun) {
      for (const step of plan.files) await carryOut(step);
      if (plan.prelude !== undefined) prelude = preparePrelude(plan.prelude);
    }
    if (values.json === true)
      print(JSON.stringify({ ...summaryOf(plan, prelude), ...(adoption && { database: adoption }) }));
    else printPlan(plan, prelude, dryRun);
    return plan.files.some(({ action }) => action === 'by hand') ? 1 : 0;
  },
};

// What is not written yet has no number.
const newPrelude = 'the first migration (authorize_prelude)';

function writes(step: FileStep): step is Extract<FileStep, { readonly text: string }> {
  return step.action === 'write' || step.action === 'change';
}

async function carryOut(step: FileStep): Promise<void> {
  if (!writes(step)) return;
  await mkdir(dirname(step.path), { recursive: true });
  // What has come into being since we looked is not ours to overwrite.
  await writeFile(step.path, step.text, { flag: step.action === 'write' ? 'wx' : 'w' });
}

function preparePrelude(generate: GenerateOptions): string {
  writePrelude(generate);
  const { migrations } = readMigrationsFolder(generate.out, generate.line);
  return migrations.find(({ state }) => state !== undefined)?.path ?? generate.out;
}

function summaryOf(plan: InitPlan, prelude: string | undefined): object {
  const pathsOf = (action: FileStep['action']): readonly string[] =>
    plan.files.filter((step) => step.action === action).map(({ path }) => path);
  return {
    written: [...pathsOf('write'), ...(prelude === undefined ? [] : [prelude])],
    changed: pathsOf('change'),
    kept: pathsOf('keep'),
    byHand: pathsOf('by hand').map((file) => ({ file, lines: wrapByHand(plan) })),
    next: nextCommands(plan).map(({ command }) => command),
  };
}

function wrapByHand({ withAuthorizeOptions }: InitPlan): readonly string[] {
  const second = withAuthorizeOptions === '' ? '' : `, ${withAuthorizeOptions}`;
  return [
    `import { withAuthorize } from 'drizzle-authorize/kit';`,
    `export default withAuthorize(…${second}); // around what the file exports now`,
  ];
}

function printPlan(plan: InitPlan, prelude: string | undefined, dryRun: boolean): void {
  const would = dryRun ? 'would be ' : '';
  for (const step of plan.files) {
    if (step.action === 'write') printDone(`${step.path} ${would}written`);
    else if (step.action === 'change') printDone(`${step.path} ${would}changed: ${step.how}`);
    else if (step.action === 'by hand') {
      printWarning(`${step.path} is written in a way of its own; change it by hand:`);
      for (const line of wrapByHand(plan)) print(`    ${line}`);
    }
  }
  if (prelude !== undefined) printDone(`${prelude} ${would}written`);
  const nothing = prelude === undefined && plan.files.every(({ action }) => action === 'keep');
  if (nothing) printDone('nothing to do: everything is there');
  print();
  print('Next:');
  const commands = nextCommands(plan);
  const width = Math.max(...commands.map(({ command }) => command.length));
  for (const { command, why } of commands) print(`  ${command.padEnd(width)}   ${why}`.trimEnd());
}

interface NextCommand {
  readonly command: string;
  readonly why: string;
}

function nextCommands({ missingPackages, needsGenerate }: InitPlan): readonly NextCommand[] {
  const kit = needsGenerate ? 'npx drizzle-authorize generate' : 'npx drizzle-kit generate';
  return [
    ...(missingPackages.length > 0
      ? [{ command: `npm install ${missingPackages.join(' ')}`, why: 'is not here yet' }]
      : []),
    { command: kit, why: 'writes tables, policies and grants' },
    { command: 'npx drizzle-kit migrate', why: 'with DATABASE_URL, of the role that shall own the tables' },
    { command: 'npx drizzle-authorize setup --write-env .env', why: 'makes keys and logins' },
    { command: 'npx drizzle-authorize gateway --read-env .env', why: 'serves the Neon driver' },
    { command: 'npx drizzle-authorize dev', why: 'or all of it on this machine' },
  ];
}
