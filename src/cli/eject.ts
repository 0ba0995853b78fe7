import { mkdir, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';

import { plainSetting } from '../database/eject.ts';
import { findKit } from '../migration/drizzle-kit.ts';
import { generateOptions } from '../migration/generate-options.ts';
import { assertEjectable, writeEjection } from '../migration/eject.ts';
import { parseOptions, type Command, type ExitCode } from './command.ts';
import { confirm } from './confirm.ts';
import { readDrizzleConfig } from './drizzle-config.ts';
import { planEject } from './eject-plan.ts';
import { print, printDone, printWarning } from './terminal.ts';

const options = {
  config: { type: 'string' },
  yes: { type: 'boolean' },
  'dry-run': { type: 'boolean' },
  json: { type: 'boolean' },
} as const;

const help = `drizzle-authorize eject: leaves this package, and keeps policies that work

Writes a last migration, after which the database has policies, grants, roles and functions of its
own and nothing else of ours; unwraps drizzle.config.ts; and copies the helpers that the schema
files use into the folder authorize/, so that plain drizzle-kit goes on from there.

Seals go. From then on auth.user_id() and the like read the setting ${plainSetting}, which whoever
can send SQL can set: whatever an injection could not do before, it can do then. An application sets
it in each transaction, logged in as the identity role:

  select set_config('${plainSetting}', '{"sub":"alice"}', true)

Usage: drizzle-authorize eject [options]

  --yes           do not ask
  --dry-run       change nothing: say what would be done
  --config FILE   default: drizzle.config.ts, .js or .json in this folder
  --json          print one JSON object: migration, changed, written, byHand

Exit code 1 when something is left to do by hand.`;

export const eject: Command = {
  summary: 'leave this package, and keep plain policies',
  help,
  async run(args): Promise<ExitCode> {
    const values = parseOptions(args, options);
    const dryRun = values['dry-run'] === true;
    const { file, config, wrapped } = await readDrizzleConfig(values.config);
    const kitOptions = values.config === undefined ? [] : [`--config=${values.config}`];
    const kit = {
      ...findKit(process.cwd()),
      command: 'generate',
      custom: true,
      explain: false,
      json: false,
      options: kitOptions,
    };
    const generate = generateOptions(config, kit);
    assertEjectable(generate);
    const plan = await planEject({ file, wrapped }, generate);
    if (!dryRun && values.yes !== true && !(await confirm(question, '--yes'))) return 1;

    let migration = 'the last migration (authorize_eject)';
    if (!dryRun) {
      const write = async (path: string, text: string): Promise<void> => {
        await mkdir(dirname(path), { recursive: true });
        await writeFile(path, text);
      };
      // The config last: until then the command can be run again.
      for (const [path, text] of [...plan.copies, ...plan.changes])
        if (path !== file) await write(path, text);
      migration = writeEjection(generate);
      const unwrapped = plan.changes.get(file);
      if (unwrapped !== undefined) await write(file, unwrapped);
    }

    const code = plan.byHand.length > 0 ? 1 : 0;
    if (values.json === true) {
      const [changed, written] = [[...plan.changes.keys()], [...plan.copies.keys()]];
      print(JSON.stringify({ migration, changed, written, byHand: plan.byHand }));
      return code;
    }
    const would = dryRun ? 'would be ' : '';
    printDone(`${migration} ${would}written`);
    printDone(`the helpers of the schema files ${would}copied to ${[...plan.copies.keys()][0] ?? ''}`);
    for (const path of plan.changes.keys()) printDone(`${path} ${would}changed`);
    for (const line of plan.byHand) printWarning(line);
    print();
    print('Next:');
    print('  npx drizzle-kit migrate   once no application uses $withAuth or the gateway any more');
    print(`  set ${plainSetting} in each transaction, and let nobody else send SQL`);
    print('  remove the package, authorize.config.ts and AUTHORIZE_KEY once nothing asks for them');
    return code;
  },
};

const question = 'Policies will believe a setting that whoever can send SQL can set. Go on?';
