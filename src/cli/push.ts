import { findKit } from '../migration/drizzle-kit.ts';
import { schemaOptions } from '../migration/generate-options.ts';
import { loadSound } from '../migration/generate.ts';
import { kitLine } from '../migration/kit-line.ts';
import { push as pushSchema, type PushPlan } from '../migration/push.ts';
import { parseOptions, type Command, type ExitCode } from './command.ts';
import { confirm } from './confirm.ts';
import { credentialsUrl } from './credentials-url.ts';
import { readDrizzleConfig } from './drizzle-config.ts';
import { ownerUrlOf } from './owner-url.ts';
import { keepStdoutForResults, print, printDone, printProgress, printWarning } from './terminal.ts';

const options = {
  url: { type: 'string' },
  config: { type: 'string' },
  force: { type: 'boolean' },
  'dry-run': { type: 'boolean' },
  json: { type: 'boolean' },
} as const;

const help = `drizzle-authorize push: makes a database what the schema says, without migrations

For development, in place of drizzle-kit push, which creates policies without their expressions and
grants nothing. Tables, columns and the like as drizzle-kit would; policies, grants and functions in
full; all in one transaction, which is undone unless the result is what the schema declares.

Usage: drizzle-authorize push [options]

  --url URL       the owner's connection; default: dbCredentials of the config, else DATABASE_URL
  --force         do not ask before rows are lost
  --dry-run       change nothing: say what would be done
  --config FILE   default: drizzle.config.ts, .js or .json in this folder
  --json          print {"applied","auth","structure":[],"access":[],"warnings":[]}

schemaFilter, tablesFilter, extensionsFilters and entities of the config count. A database that
migrations have been applied to is refused without --force: the next migration would not fit it.`;

export const push: Command = {
  summary: 'make a database what the schema says, without migrations',
  help,
  async run(args): Promise<ExitCode> {
    const values = parseOptions(args, options);
    const json = values.json === true;
    // drizzle-kit draws while it looks at the database, and asks its questions.
    keepStdoutForResults(process.stderr.isTTY && !json ? 'stderr' : 'nowhere');
    const { config } = await readDrizzleConfig(values.config);
    const { exported, model } = loadSound(schemaOptions(config));
    const line = kitLine(findKit(process.cwd()).version);
    const ownerUrl = ownerUrlOf(values.url ?? credentialsUrl(config.dbCredentials), process.env);
    if (!json) printProgress('comparing the database with the schema');

    let asked = true;
    const { plan, applied } = await pushSchema({ ownerUrl, exported, model, line, config }, async (found) => {
      if (!json) printPlan(found);
      if (values['dry-run'] === true) return false;
      if (found.warnings.length === 0 || values.force === true) return true;
      asked = await confirm('Go on?', '--force');
      return asked;
    });
    if (json) print(JSON.stringify({ applied, ...plan }));
    else if (applied) printDone('the database is what the schema declares');
    else if (!asked || values['dry-run'] === true) print('nothing was changed');
    else printDone('the database is what the schema declares; nothing to do');
    return asked ? 0 : 1;
  },
};

function printPlan({ auth, structure, access, warnings }: PushPlan): void {
  if (auth !== 'kept') printDone(`the auth schema will be ${auth}`);
  for (const statement of structure) print(statement);
  let last: string | undefined;
  for (const { place, what } of access) {
    if (place !== last) print(place);
    print(`  ${what}`);
    last = place;
  }
  for (const warning of warnings) printWarning(warning);
}
