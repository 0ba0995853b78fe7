import { attackDatabase, type AttackReport, type AttackResult } from '../attacks/attack-database.ts';
import type { Tier } from '../attacks/attack.ts';
import { attacks } from '../attacks/attacks.ts';
import { defaultAuthSchema } from '../auth-schema.ts';
import { AuthorizeError } from '../errors.ts';
import { authSchemaOf } from './auth-schema.ts';
import { parseOptions, type Command, type ExitCode } from './command.ts';
import { readEnvironment } from './env-file.ts';
import { ownerUrlOf } from './owner-url.ts';
import { progressBar } from './progress-bar.ts';
import { listenForStop } from './stop-signal.ts';
import { print, printDone, printWarning } from './terminal.ts';

const options = {
  url: { type: 'string' },
  'owner-url': { type: 'string' },
  role: { type: 'string', default: 'authenticated' },
  except: { type: 'string' },
  'allow-changes': { type: 'boolean' },
  'read-env': { type: 'string' },
  json: { type: 'boolean' },
} as const;

const help = `drizzle-authorize attack: what injected SQL could do with a database and a login of yours

Tries the ${attacks.length} attacks of docs/attacks.md as SQL of one person against another. Where the login is
the identity role of a database with the schema auth, it goes through $withAuth; else through the
pattern that people write by hand: a transaction with set_config('request.jwt.claims', …) and
SET LOCAL ROLE.

What is attacked are tables, views and functions named attacked_… in the schema public. They are
made first and removed at the end, which takes --allow-changes. An attack that could change more
than these and its own connection runs in a transaction that is rolled back; A15 runs \`echo\` on
the server, where the login may.

Usage: drizzle-authorize attack --allow-changes [options]

  --url URL        the login that serves people; default: DATABASE_AUTHENTICATED_URL
  --owner-url URL  who may make what is attacked; default: DATABASE_URL
  --role ROLE      the role that people have; default: authenticated
  --allow-changes  make what is attacked
  --except TIERS   do not fail because of these, such as any-host,gateway:
                   any-host   only a schema can stop it; PostgreSQL answers so anywhere
                   gateway    only the gateway stops it
                   superuser  setup --harden as a superuser stops it
                   harden     setup --harden stops it
  --read-env FILE  take variables from there that the environment does not have
  --json           print {"login","by","attacks":[{"id","name","tier","outcome","fix"}]}

Exit code: 0 nothing succeeded, but for --except; 1 something did.`;

export const attack: Command = {
  summary: 'try what injected SQL could do with a database and a login of yours',
  help,
  async run(args): Promise<ExitCode> {
    const values = parseOptions(args, options);
    const excepted = parseTiers(values.except);
    const environment = await readEnvironment(values['read-env']);
    const bar = progressBar(attacks.length);
    const stop = listenForStop();
    let report: AttackReport;
    try {
      const ownerUrl = ownerUrlOf(values['owner-url'], environment);
      await assertUsualAuthSchema(ownerUrl, environment);
      report = await attackDatabase({
        url: loginUrlOf(values.url, environment),
        ownerUrl,
        role: values.role,
        key: environment.AUTHORIZE_KEY,
        allowChanges: values['allow-changes'] === true,
        signal: stop.signal,
        onAttack: ({ name }, place) => {
          bar.show(place, name);
        },
      });
    } catch (error) {
      // Interrupted: what was made has been removed.
      if (stop.signal.aborted) return 1;
      throw error;
    } finally {
      stop.dispose();
      bar.clear();
    }
    if (values.json === true) printJson(report);
    else printReport(report);
    return report.results.some(
      ({ outcome, attack: { tier } }) => outcome === 'succeeded' && !excepted.has(tier),
    )
      ? 1
      : 0;
  },
};

// What is attacked has policies and attacks that name it.
async function assertUsualAuthSchema(
  ownerUrl: string,
  environment: Readonly<Record<string, string | undefined>>,
): Promise<void> {
  const authSchema = await authSchemaOf(ownerUrl, undefined, environment);
  if (authSchema === defaultAuthSchema) return;
  throw new AuthorizeError(
    'ERR_AUTH_SCHEMA',
    `attack knows an auth schema of the name ${defaultAuthSchema} alone, and this one is called ${authSchema}`,
  );
}

function loginUrlOf(
  option: string | undefined,
  environment: Readonly<Record<string, string | undefined>>,
): string {
  const url = option ?? environment.DATABASE_AUTHENTICATED_URL;
  if (url !== undefined && url !== '') return url;
  throw new AuthorizeError('ERR_USAGE', 'DATABASE_AUTHENTICATED_URL is not set; it is the login to attack', {
    hint: 'set it, or pass --url',
  });
}

const tiers: ReadonlySet<string> = new Set<Tier>(['any-host', 'gateway', 'superuser', 'harden']);

function parseTiers(list = ''): ReadonlySet<string> {
  const named = list.split(',').filter((name) => name !== '');
  const unknown = named.find((name) => !tiers.has(name));
  if (unknown !== undefined) {
    throw new AuthorizeError('ERR_USAGE', `--except does not know '${unknown}'`, {
      hint: `it takes ${[...tiers].join(', ')}, separated by commas`,
    });
  }
  return new Set(named);
}

function printReport({ by, login, results }: AttackReport): void {
  print(`as ${login}, through ${by === 'hand' ? 'the pattern written by hand' : '$withAuth'}`);
  for (const { attack: tried, outcome, reason } of results) {
    const line = `${tried.id} ${outcome}: ${tried.name}`;
    if (outcome === 'stopped') printDone(line);
    else if (outcome === 'succeeded') {
      printWarning(line);
      print(`      ${tried.fix}`);
    } else print(`- ${line} (${reason ?? ''})`);
  }
  const count = (wanted: AttackResult['outcome']): number =>
    results.filter(({ outcome }) => outcome === wanted).length;
  print();
  print(
    `${count('succeeded')} of ${results.length} succeeded, ${count('stopped')} were stopped, ${count('not applicable')} not applicable`,
  );
}

function printJson({ by, login, results }: AttackReport): void {
  const written = results.map(({ attack: { id, name, tier, fix }, outcome, reason }) => ({
    id,
    name,
    tier,
    outcome,
    ...(outcome === 'succeeded' && { fix }),
    ...(reason !== undefined && { reason }),
  }));
  print(JSON.stringify({ login, by, attacks: written }));
}
