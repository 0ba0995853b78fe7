import { findExposures } from '../database/exposure.ts';
import { harden } from '../database/harden.ts';
import { setup as setUp, type SetupReport } from '../database/setup.ts';
import { urlVariable } from '../database/url-variable.ts';
import { AuthorizeError } from '../errors.ts';
import { generateAuthorizeKey } from '../session/seal-key.ts';
import { authSchemaOf, authSchemaVariable } from './auth-schema.ts';
import { parseOptions, type Command, type ExitCode } from './command.ts';
import { prepareEnvFile, readEnvFile, withEnvironment, type PendingEnvFile } from './env-file.ts';
import { ownerUrlOf } from './owner-url.ts';
import { print, printDone, printProgress, printWarning } from './terminal.ts';

const options = {
  url: { type: 'string' },
  'auth-schema': { type: 'string' },
  'write-env': { type: 'string' },
  // The same. node, and so npx, takes this name for itself wherever it stands, and ends when there is no such file yet.
  'env-file': { type: 'string' },
  'show-urls': { type: 'boolean' },
  'rotate-passwords': { type: 'boolean' },
  'take-over-roles': { type: 'boolean' },
  harden: { type: 'boolean' },
  check: { type: 'boolean' },
  json: { type: 'boolean' },
} as const;

const help = `drizzle-authorize setup: makes a migrated database ready for identities

Installs the sealing key and lets the identity roles log in with passwords of their own.
Run it as the role that ran the migrations. Running it again changes nothing.

Usage: drizzle-authorize setup --write-env FILE [options]

  --url URL            the owner's connection; default: DATABASE_URL
  --auth-schema NAME   default: AUTHORIZE_SCHEMA, or the one that the migrations have made
  --write-env FILE     write AUTHORIZE_KEY and the connection URLs there, mode 0600, and keep
                       what it already holds and still works; --env-file is the same, but
                       node itself refuses that option while there is no such file
  --show-urls          print them instead: they hold passwords
  --rotate-passwords   give every identity role a new password
  --take-over-roles    take a role that belongs to another database of the cluster
  --harden             revoke what stock PostgreSQL leaves open to everybody
  --check              change nothing: say what is open on this host, exit 1 if anything is
  --json               print one JSON object

AUTHORIZE_KEY is taken from the environment or from FILE, and made when neither has it.`;

type Values = ReturnType<typeof parseOptions<typeof options>>;
type Environment = Readonly<Record<string, string | undefined>>;

export const setup: Command = {
  summary: 'make a migrated database ready for identities: keys, logins, connection URLs',
  help,
  async run(args): Promise<ExitCode> {
    const values = parseOptions(args, options);
    const file = fileOf(values);
    const environment = withEnvironment(file === undefined ? {} : await readEnvFile(file));
    const ownerUrl = ownerUrlOf(values.url, environment);
    return values.check === true
      ? check(ownerUrl, environment, values)
      : install(ownerUrl, environment, values);
  },
};

function fileOf(values: Values): string | undefined {
  return values['write-env'] ?? values['env-file'];
}

async function install(ownerUrl: string, environment: Environment, values: Values): Promise<ExitCode> {
  const file = fileOf(values);
  const showUrls = values['show-urls'] === true;
  const givenKey = environment.AUTHORIZE_KEY;
  const key = givenKey === undefined || givenKey === '' ? generateAuthorizeKey() : givenKey;

  const authSchema = await authSchemaOf(ownerUrl, values['auth-schema'], environment);

  let pending: PendingEnvFile | undefined;
  let report: SetupReport;
  try {
    report = await setUp({
      ownerUrl,
      authSchema,
      key,
      keyIsNew: key !== givenKey,
      knownUrl: (role) => environment[urlVariable(role)],
      rotatePasswords: values['rotate-passwords'] === true,
      takeOverRoles: values['take-over-roles'] === true,
      beforeCommit: async ({ roles }) => {
        // A secret that nobody would ever see is a login that nobody can use: say where it goes, or change nothing.
        const secretsAreNew = key !== givenKey || roles.some(({ password }) => password === 'set');
        if (secretsAreNew && file === undefined && !showUrls) {
          throw new AuthorizeError('ERR_USAGE', 'there are new secrets and no place for them', {
            hint: 'pass --write-env .env, or --show-urls to print them',
          });
        }
        if (file !== undefined) pending = await prepareEnvFile(file, variablesOf({ key, authSchema }, roles));
      },
    });
    await pending?.commit();
  } catch (error) {
    await pending?.discard();
    throw error;
  }
  const hardening =
    values.harden === true ? await harden(ownerUrl, authSchema) : { done: [], notPermitted: [] };

  if (values.json === true) {
    print(
      JSON.stringify({
        database: report.database,
        keys: report.keys,
        roles: report.roles.map(({ role, password }) => ({ role, password })),
        envFile: file ?? null,
        ...(showUrls && { variables: variablesOf({ key, authSchema }, report.roles) }),
        hardening,
      }),
    );
    return 0;
  }
  const variables = variablesOf({ key, authSchema }, report.roles);
  if (showUrls) {
    // Nothing else on this stream, so that it can be appended to a file.
    for (const [name, value] of Object.entries(variables)) print(`${name}=${value}`);
    for (const { what } of hardening.notPermitted) printProgress(`the host does not permit: ${what}`);
    return 0;
  }
  printReport(report);
  for (const what of hardening.done) printDone(what);
  for (const { what, leavesOpen } of hardening.notPermitted) {
    printWarning(`the host does not permit: ${what}; this leaves open: ${leavesOpen}`);
  }
  if (file !== undefined) printDone(`${Object.keys(variables).join(', ')} are in ${file} (mode 0600)`);
  return 0;
}

function printReport({ database, keys, roles }: SetupReport): void {
  const changes = [
    ...(keys.added > 0 ? [`${keys.added} new`] : []),
    ...(keys.removed > 0 ? [`${keys.removed} removed`] : []),
  ];
  const change = changes.length > 0 ? ` (${changes.join(', ')})` : '';
  printDone(
    `${keys.installed} sealing ${keys.installed === 1 ? 'key' : 'keys'} in the database '${database}'${change}`,
  );
  for (const { role, password } of roles) {
    printDone(`${role} can log in (${password === 'set' ? 'new password' : 'password kept'})`);
  }
}

async function check(ownerUrl: string, environment: Environment, values: Values): Promise<ExitCode> {
  if (values.json !== true) printProgress('looking at roles, privileges, keys and settings');
  const key = environment.AUTHORIZE_KEY;
  const authSchema = await authSchemaOf(ownerUrl, values['auth-schema'], environment);
  const exposures = await findExposures(ownerUrl, key === '' ? undefined : key, authSchema);
  if (values.json === true) {
    print(JSON.stringify({ exposures }));
  } else {
    for (const { what, remedy } of exposures) {
      printWarning(what);
      print(`  ${remedy}`);
    }
    if (exposures.length === 0) printDone('nothing is open that could be closed');
  }
  return exposures.length === 0 ? 0 : 1;
}

function variablesOf(
  { key, authSchema }: { readonly key: string; readonly authSchema: string },
  roles: SetupReport['roles'],
): Record<string, string> {
  return {
    AUTHORIZE_KEY: key,
    ...authSchemaVariable(authSchema),
    ...Object.fromEntries(roles.map(({ role, url }) => [urlVariable(role), url])),
  };
}
