import { AuthorizeError } from '../errors.ts';
import { findKit, parseArguments, runGenerate } from '../migration/drizzle-kit.ts';
import { generateOptions } from '../migration/generate-options.ts';
import { afterKit, beforeKit } from '../migration/generate.ts';
import type { Command, ExitCode } from './command.ts';
import { readDrizzleConfig, type DrizzleConfig } from './drizzle-config.ts';
import { printDone, printProgress } from './terminal.ts';

const help = `drizzle-authorize generate: drizzle-kit generate, completed

For projects whose drizzle.config.ts is not wrapped in withAuthorize(). Runs drizzle-kit generate
with the options that it is given, and writes the same migrations as the wrapped config: before it
the auth schema, once; after it the policies as declared, and their grants. With a wrapped config
it does the same as drizzle-kit generate. Running it again changes nothing.

Usage: drizzle-authorize generate [drizzle-kit's options]

  --config FILE   default: drizzle.config.ts, .js or .json in this folder
  --name NAME     of the migration
  --custom        an empty migration for your own SQL: drizzle-kit alone
  --explain       what would be written, with drizzle-kit 1.0: drizzle-kit alone
  and whatever else drizzle-kit generate takes; npx drizzle-kit generate --help says what

Always use it in place of drizzle-kit generate then, which alone would write policies without
grants.`;

export const generate: Command = {
  summary: 'drizzle-kit generate, completed, for a config that is not wrapped',
  help,
  async run(args): Promise<ExitCode> {
    const kit = { ...findKit(process.cwd()), ...parseArguments(['generate', ...args]) };
    if (kit.custom || kit.explain) return (await runGenerate(kit, args)) === 0 ? 0 : 1;
    const say = kit.json ? printProgress : printDone;

    const config = await readConfig(optionsOf(kit.options));
    if (config.breakpoints === false) {
      throw new AuthorizeError(
        'ERR_KIT_UNSUPPORTED',
        'without breakpoints a migration cannot be taken apart',
        {
          hint: 'remove `breakpoints` from the config, or --breakpoints from the command',
        },
      );
    }
    const options = generateOptions(config, kit);
    const { declared, report } = beforeKit(options);
    for (const line of report) say(line);
    if ((await runGenerate(kit, args)) !== 0) return 1;
    for (const line of afterKit(options, declared)) say(line);
    return 0;
  },
};

function optionsOf(options: readonly string[]): ReadonlyMap<string, string> {
  return new Map(
    options.map((option) => {
      const equals = option.indexOf('=');
      return [option.slice(2, equals), option.slice(equals + 1)];
    }),
  );
}

/** From the file, or without one from the options alone, as drizzle-kit has it. */
async function readConfig(options: ReadonlyMap<string, string>): Promise<DrizzleConfig> {
  const first = [...options.keys()].find((name) => name !== 'config' && name !== 'prefix');
  if (first === undefined) return (await readDrizzleConfig(options.get('config'))).config;
  if (options.has('config')) {
    throw new AuthorizeError('ERR_USAGE', `--${first} cannot stand beside --config`, {
      hint: 'drizzle-kit takes either a config file or all of its options on the command line',
    });
  }
  const [dialect, schema, out, casing] = ['dialect', 'schema', 'out', 'casing'].map((name) =>
    options.get(name),
  );
  return {
    // drizzle-kit has a list of what it takes, and refuses all else.
    dialect: dialect as DrizzleConfig['dialect'],
    ...(schema !== undefined && { schema }),
    ...(out !== undefined && { out }),
    ...(casing !== undefined && { casing: casing as NonNullable<DrizzleConfig['casing']> }),
    breakpoints: !['false', '0'].includes(options.get('breakpoints')?.toLowerCase() ?? ''),
  };
}
