import { changeKeys, listKeys, type KeyChange } from '../database/change-keys.ts';
import { AuthorizeError } from '../errors.ts';
import { createSealKey, generateAuthorizeKey, parseAuthorizeKey } from '../session/seal-key.ts';
import { authSchemaOf } from './auth-schema.ts';
import { parseOptions, type Command, type ExitCode } from './command.ts';
import { prepareEnvFile, readEnvFile, readEnvironment, withEnvironment } from './env-file.ts';
import { ownerUrlOf } from './owner-url.ts';
import { print, printDone, printWarning } from './terminal.ts';

const help = `drizzle-authorize keys: the sealing keys, in AUTHORIZE_KEY and in the database

Usage: drizzle-authorize keys [list] [options]
       drizzle-authorize keys new
       drizzle-authorize keys rotate --write-env FILE [options]
       drizzle-authorize keys retire --write-env FILE [options]

  list      compare AUTHORIZE_KEY with what the database has installed, by ids, which tell
            nothing about the keys; exit 1 when they differ
  new       print a new key
  rotate    put a new key in front of the list in FILE, and install it in the database. Seals of
            the older ones stay good, so that applications can restart one after the other
  retire    keep the newest key alone, in FILE and in the database: when everything has restarted

  --url URL          the owner's connection; default: DATABASE_URL
  --auth-schema NAME default: AUTHORIZE_SCHEMA, or the one that the migrations have made
  --read-env FILE    of list: take variables from there that the environment does not have
  --write-env FILE   where AUTHORIZE_KEY is; the environment's counts only if FILE has none.
                     FILE and database change together, or not at all
  --json             print one JSON object`;

const database = {
  url: { type: 'string' },
  'auth-schema': { type: 'string' },
  json: { type: 'boolean' },
} as const;

const actions: Readonly<Record<string, (args: readonly string[]) => Promise<ExitCode>>> = {
  list,
  new: printNew,
  rotate,
  retire,
};

export const keys: Command = {
  summary: 'compare, change and retire the sealing keys',
  help,
  run(args): Promise<ExitCode> {
    const [first = 'list', ...rest] = args;
    if (first.startsWith('-')) return list(args);
    const action = Object.hasOwn(actions, first) ? actions[first] : undefined;
    if (action !== undefined) return action(rest);
    throw new AuthorizeError('ERR_USAGE', `keys has no action '${first}'`, {
      hint: `the actions are: ${Object.keys(actions).join(', ')}`,
    });
  },
};

async function list(args: readonly string[]): Promise<ExitCode> {
  const values = parseOptions(args, { ...database, 'read-env': { type: 'string' } });
  const environment = await readEnvironment(values['read-env']);
  const ownerUrl = ownerUrlOf(values.url, environment);
  const authSchema = await authSchemaOf(ownerUrl, values['auth-schema'], environment);
  const found = await listKeys({ ownerUrl, authSchema }, environment['AUTHORIZE_KEY']);
  const matches = found.every(({ given, installed }) => given && installed);
  const newest = found.find(({ given }) => given)?.id;
  if (values.json === true) {
    print(JSON.stringify({ matches, keys: found.map((key) => ({ ...key, newest: key.id === newest })) }));
    return matches ? 0 : 1;
  }
  for (const { id, given, installed, installedAt } of found) {
    if (!installed) printWarning(`${id} is in AUTHORIZE_KEY and not in the database`);
    else if (!given) printWarning(`${id} is in the database and not in AUTHORIZE_KEY`);
    else {
      const use = id === newest ? 'makes seals' : 'is older, and its seals are good';
      printDone(`${id} ${use}; installed ${installedAt?.toISOString() ?? ''}`);
    }
  }
  if (!matches) print('  drizzle-authorize setup makes the keys of the database those of AUTHORIZE_KEY');
  return matches ? 0 : 1;
}

async function printNew(args: readonly string[]): Promise<ExitCode> {
  const { json } = parseOptions(args, { json: { type: 'boolean' } });
  const key = generateAuthorizeKey();
  const { id } = await createSealKey(parseAuthorizeKey(key)[0]);
  print(json === true ? JSON.stringify({ key, id }) : key);
  return 0;
}

async function rotate(args: readonly string[]): Promise<ExitCode> {
  const { file, json, ids } = await change(args, (from) => `${generateAuthorizeKey()},${from}`);
  const [newest = '', ...older] = ids;
  if (json) {
    print(JSON.stringify({ newest, older, envFile: file }));
    return 0;
  }
  printDone(`${newest} makes seals from now on; the database takes those of ${older.join(', ')} as well`);
  printDone(`AUTHORIZE_KEY in ${file} has ${ids.length} keys (mode 0600)`);
  print();
  print('Restart everything that reads it, and then run');
  print(`  npx drizzle-authorize keys retire --write-env ${file}`);
  return 0;
}

async function retire(args: readonly string[]): Promise<ExitCode> {
  const { file, json, ids, before } = await change(args, (from) => (from.split(',')[0] ?? '').trim());
  const [newest = ''] = ids;
  const retired = before.filter((id) => id !== newest);
  if (json) print(JSON.stringify({ newest, retired, envFile: file }));
  else if (retired.length === 0) printDone(`${newest} is the only key; nothing to retire`);
  else
    printDone(
      `${newest} is the only key now, in ${file} and in the database; retired: ${retired.join(', ')}`,
    );
  return 0;
}

interface Changed {
  readonly file: string;
  readonly json: boolean;
  /** Ids of the keys, newest first, before and after. */
  readonly before: readonly string[];
  readonly ids: readonly string[];
}

async function change(args: readonly string[], next: (from: string) => string): Promise<Changed> {
  const values = parseOptions(args, { ...database, 'write-env': { type: 'string' } });
  const file = values['write-env'];
  if (file === undefined || file === '') {
    throw new AuthorizeError('ERR_USAGE', '--write-env is missing: in which file is AUTHORIZE_KEY?');
  }
  const environment = withEnvironment(await readEnvFile(file));
  const ownerUrl = ownerUrlOf(values.url, environment);
  const authSchema = await authSchemaOf(ownerUrl, values['auth-schema'], environment);
  let pending: Awaited<ReturnType<typeof prepareEnvFile>> | undefined;
  try {
    const { before, after } = await changeKeys(
      { ownerUrl, authSchema },
      {
        decide: async (): Promise<KeyChange> => {
          // Read again: somebody else may have changed it while we waited.
          const from = (await readEnvFile(file)).AUTHORIZE_KEY || process.env.AUTHORIZE_KEY || '';
          parseAuthorizeKey(from);
          return { from, to: next(from) };
        },
        beforeCommit: async ({ from, to }) => {
          if (to !== from) pending = await prepareEnvFile(file, { AUTHORIZE_KEY: to });
        },
      },
    );
    await pending?.commit();
    return { file, json: values.json === true, before, ids: after };
  } catch (error) {
    await pending?.discard();
    throw error;
  }
}
