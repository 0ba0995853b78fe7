import type { PersonaConfig } from './define-config.ts';
import { isFields, kindOf, pathOf, type Problems, readSection } from './fields.ts';

/** Somebody to be while developing: whose token `drizzle-authorize token NAME` makes. */
export interface Persona {
  readonly name: string;
  readonly sub: string;
  readonly claims: Readonly<Record<string, unknown>>;
  readonly expiresInSeconds: number;
}

/** Who is there without a config. */
const defaultPersonas: Readonly<Record<string, PersonaConfig>> = {
  alice: {},
  bob: {},
  admin: { claims: { roles: ['admin'] } },
  expired: { expiresInSeconds: -300 },
};

/** The personas of a config's section `dev`, without those that are wrong, which are reported. */
export function checkPersonas(section: unknown, problems: Problems): readonly Persona[] {
  const { personas = defaultPersonas } = readSection('dev', section, problems) ?? {};
  if (!isFields(personas)) {
    problems.report('dev.personas', `must be an object, not ${kindOf(personas)}`);
    return [];
  }
  return Object.entries(personas).flatMap(([name, value]) => {
    const path = pathOf('dev.personas', name);
    if (!isFields(value)) {
      problems.report(path, `must be an object, such as { claims: { org_id: 'acme' } }`);
      return [];
    }
    return checkPersona(name, path, value, problems);
  });
}

function checkPersona(
  name: string,
  path: string,
  { sub = name, claims = {}, expiresInSeconds = 3_600, ...others }: Readonly<Record<string, unknown>>,
  problems: Problems,
): readonly Persona[] {
  for (const field of Object.keys(others)) {
    problems.report(pathOf(path, field), 'is unknown; the fields are sub, claims, expiresInSeconds');
  }
  if (typeof sub !== 'string' || sub === '') {
    problems.report(`${path}.sub`, 'must be text that is not empty');
  } else if (!isFields(claims)) {
    problems.report(`${path}.claims`, `must be an object, not ${kindOf(claims)}`);
  } else if (typeof expiresInSeconds !== 'number' || !Number.isInteger(expiresInSeconds)) {
    problems.report(`${path}.expiresInSeconds`, 'must be a whole number, negative for one that has expired');
  } else {
    return [{ name, sub, claims, expiresInSeconds }];
  }
  return [];
}
