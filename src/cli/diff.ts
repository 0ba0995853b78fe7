import { upgradeWords } from '../database/prelude-upgrade.ts';
import { AuthorizeError } from '../errors.ts';
import { changeWords } from '../migration/change-words.ts';
import { findKit } from '../migration/drizzle-kit.ts';
import { schemaOptions } from '../migration/generate-options.ts';
import { readSoundSchema } from '../migration/generate.ts';
import { kitLine } from '../migration/kit-line.ts';
import { emptyState, stateOf, type MigrationState } from '../migration/migration-state.ts';
import { readMigrationsFolder, type MigrationsFolder } from '../migration/migrations-folder.ts';
import { emptySnapshot, type Snapshot } from '../migration/snapshot.ts';
import { parseOptions, type Command, type ExitCode } from './command.ts';
import { readDrizzleConfig } from './drizzle-config.ts';
import { print } from './terminal.ts';

const options = {
  config: { type: 'string' },
  since: { type: 'string' },
  json: { type: 'boolean' },
} as const;

const help = `drizzle-authorize diff: what the schema changes about access, in words

By role, table and command: granted, widened, narrowed, revoked or rewritten, and by which
policies and columns. The same lines stand at the top of each migration that is generated.

Usage: drizzle-authorize diff [options]

  --since NAME    since this migration, such as 0003 or 0003_add_notes; default: the newest one,
                  so that it says what drizzle-kit generate would write
  --config FILE   default: drizzle.config.ts, .js or .json in this folder
  --json          print {"since","changes":[]}`;

export const diff: Command = {
  summary: 'what the schema changes about access, in words',
  help,
  async run(args): Promise<ExitCode> {
    const values = parseOptions(args, options);
    const { config } = await readDrizzleConfig(values.config);
    const model = readSoundSchema(schemaOptions(config));
    const { version } = findKit(process.cwd());
    const folder = readMigrationsFolder(config.out ?? 'drizzle', kitLine(version));
    const { name, state, tables } = since(folder, values.since);
    const changes = [
      ...(state.prelude > 0 ? upgradeWords(state.prelude) : []),
      ...changeWords(state, stateOf(model, state), tables),
    ];
    if (values.json === true) print(JSON.stringify({ since: name, changes }));
    else for (const line of changes) print(line);
    return 0;
  },
};

interface Since {
  readonly name: string | null;
  readonly state: MigrationState;
  readonly tables: Snapshot['tables'];
}

/** What the migrations up to one of them, and with it, have put into the database. */
function since({ migrations, state }: MigrationsFolder, name: string | undefined): Since {
  if (name === undefined) {
    const newest = migrations.at(-1);
    return { name: newest?.tag ?? null, state, tables: (newest?.snapshot ?? emptySnapshot).tables };
  }
  const index = migrations.findIndex(({ tag }) => tag === name || tag.startsWith(`${name}_`));
  const found = migrations[index];
  if (found === undefined) {
    throw new AuthorizeError('ERR_USAGE', `there is no migration ${name}`, {
      hint: `the newest is ${migrations.at(-1)?.tag ?? 'still to be generated'}`,
    });
  }
  const last = migrations.slice(0, index + 1).findLast((migration) => migration.state);
  return { name: found.tag, state: last?.state ?? emptyState, tables: found.snapshot.tables };
}
