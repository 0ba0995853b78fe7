import { resolve } from 'node:path';

import { AuthorizeError } from '../errors.ts';
import { loadPersonas } from '../config/load-config.ts';
import type { Persona } from '../config/personas.ts';
import { parseOptionsAndWord, type Command, type ExitCode } from './command.ts';
import { devFolder, runningDev } from './dev-environment.ts';
import { mintDevToken, openDevIssuer } from './dev-issuer.ts';
import { print } from './terminal.ts';

const options = {
  sub: { type: 'string' },
  claim: { type: 'string', multiple: true },
  'claim-json': { type: 'string', multiple: true },
  expires: { type: 'string' },
  list: { type: 'boolean' },
  config: { type: 'string' },
  json: { type: 'boolean' },
} as const;

const help = `drizzle-authorize token: a token for the development environment that runs in this folder

Usage: drizzle-authorize token NAME [options]
       drizzle-authorize token --sub NAME [options]
       drizzle-authorize token --list

  NAME                   a persona of dev.personas in authorize.config.ts; without these there
                         are alice, bob, admin (roles: ["admin"]) and expired
  --list                 the personas that there are
  --config FILE          default: authorize.config.ts, .mts, .js or .mjs in this folder, if any
  --sub NAME             who: the claim sub; with a persona in place of its own
  --claim NAME=TEXT      a claim that is text; any number of times
  --claim-json NAME=JSON a claim of another type, such as level=3 or roles=["admin"]
  --expires TIME         from now, such as 45s, 30m, 1h or 2d; default 1h,
                         or what the persona says; --expires=-5m gives one that has expired
  --json                 print {"token","claims","expiresAt"}

iss and aud are the issuer's URL unless --claim says otherwise. org_id becomes $organization of
the identity, and roles $roles.`;

export const token: Command = {
  summary: 'make a token for the development environment',
  help,
  async run(args): Promise<ExitCode> {
    const { values, word } = parseOptionsAndWord(args, options);
    if (values.list === true) return list(await loadPersonas(values.config), values.json === true);
    const persona = word === undefined ? undefined : await findPersona(word, values.config);
    const subject = values.sub ?? persona?.sub;
    if (subject === undefined || subject === '') {
      throw new AuthorizeError('ERR_USAGE', 'whose token shall it be? Name a persona, or give --sub', {
        hint: 'npx drizzle-authorize token --list shows the personas',
      });
    }
    const lifetimeSeconds =
      values.expires === undefined ? (persona?.expiresInSeconds ?? 3_600) : parseDuration(values.expires);
    const claims = {
      ...persona?.claims,
      ...Object.fromEntries((values.claim ?? []).map((text) => splitClaim('--claim', text))),
      ...Object.fromEntries((values['claim-json'] ?? []).map(parseJsonClaim)),
    };

    const folder = resolve(devFolder);
    const running = await runningDev(folder);
    if (running === undefined) {
      throw new AuthorizeError('ERR_DEV_NOT_RUNNING', 'no development environment runs in this folder', {
        hint: 'start one with npx drizzle-authorize dev',
      });
    }
    const minted = await mintDevToken(await openDevIssuer(folder), {
      issuerUrl: running.issuer,
      subject,
      lifetimeSeconds,
      claims,
    });
    if (values.json === true) {
      const payload: unknown = JSON.parse(Buffer.from(minted.split('.')[1] ?? '', 'base64url').toString());
      const expiresAt =
        typeof payload === 'object' && payload !== null && 'exp' in payload ? payload.exp : null;
      print(JSON.stringify({ token: minted, claims: payload, expiresAt }));
    } else {
      print(minted);
    }
    return 0;
  },
};

function list(personas: readonly Persona[], json: boolean): ExitCode {
  if (json) {
    print(JSON.stringify(personas));
    return 0;
  }
  const width = Math.max(0, ...personas.map(({ name }) => name.length));
  for (const { name, sub, claims, expiresInSeconds } of personas) {
    const also = [
      ...(sub === name ? [] : [`sub ${sub}`]),
      ...Object.entries(claims).map(([claim, value]) => `${claim} ${JSON.stringify(value)}`),
      expiresInSeconds < 0 ? 'has expired' : `lives ${expiresInSeconds} s`,
    ];
    print(`${name.padEnd(width)}  ${also.join(', ')}`);
  }
  return 0;
}

async function findPersona(name: string, config: string | undefined): Promise<Persona> {
  const personas = await loadPersonas(config);
  const persona = personas.find((one) => one.name === name);
  if (persona !== undefined) return persona;
  throw new AuthorizeError('ERR_USAGE', `there is no persona '${name}'`, {
    hint: `there are ${personas.map((one) => one.name).join(', ')}; anybody else is --sub NAME`,
  });
}

function splitClaim(option: string, text: string): [string, string] {
  const equals = text.indexOf('=');
  if (equals < 1) throw new AuthorizeError('ERR_USAGE', `${option} wants NAME=VALUE`);
  return [text.slice(0, equals), text.slice(equals + 1)];
}

function parseJsonClaim(text: string): [string, unknown] {
  const [name, value] = splitClaim('--claim-json', text);
  try {
    return [name, JSON.parse(value)];
  } catch (error) {
    throw new AuthorizeError('ERR_USAGE', `--claim-json ${name} is not JSON`, { cause: error });
  }
}

const unitSeconds: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3600, d: 86_400 };

function parseDuration(text: string): number {
  const [, amount, unit = ''] = /^(-?\d+)([smhd])$/u.exec(text) ?? [];
  const seconds = unitSeconds[unit];
  if (amount === undefined || seconds === undefined) {
    throw new AuthorizeError('ERR_USAGE', '--expires wants a number and a unit, such as 45s, 30m, 1h or 2d');
  }
  return Number(amount) * seconds;
}
