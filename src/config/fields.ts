import type { ConfigProblem } from '../errors.ts';
import type { AuthorizeConfig, DatabaseConfig, DevConfig, GatewayConfig } from './define-config.ts';
import { nearest } from './nearest.ts';

/** What somebody wrote where an object is expected. */
export type Fields = Readonly<Record<string, unknown>>;

/** Collects everything that is wrong with a config, so that one run names all of it. */
export class Problems {
  readonly list: ConfigProblem[] = [];

  /** @param message never has the value in it, since any value may be a secret */
  report(path: string, message: string): undefined {
    this.list.push({ path, message });
  }
}

// As objects, so that a field that is forgotten here does not compile.
type Names<T> = Readonly<Record<keyof T, true>>;
const configFields: Names<AuthorizeConfig> = {
  database: true,
  providers: true,
  verifier: true,
  roles: true,
  gateway: true,
  dev: true,
};
const devFields: Names<DevConfig> = { personas: true };
const databaseFields: Names<DatabaseConfig> = {
  connections: true,
  key: true,
  authSchema: true,
  searchPath: true,
  pooler: true,
};
const gatewayFields: Names<GatewayConfig> = {
  host: true,
  port: true,
  tcpPort: true,
  maxConnections: true,
  maxConnectionsPerSubject: true,
  maxWaiting: true,
  waitTimeoutMs: true,
  drainDelayMs: true,
  idleTimeoutMs: true,
  maxLifetimeMs: true,
  maxSessions: true,
  maxSessionsPerSubject: true,
  requestsPerSecondPerSubject: true,
  burstPerSubject: true,
  statementTimeoutMs: true,
  maxBodyBytes: true,
  maxResultBytes: true,
  tls: true,
  operationsPort: true,
  operationsHost: true,
  logger: true,
  audit: true,
  tracing: true,
};

const sections = {
  '': Object.keys(configFields),
  database: Object.keys(databaseFields),
  gateway: Object.keys(gatewayFields),
  dev: Object.keys(devFields),
} as const;

/** The fields of a section, where '' is the config itself. One that is not given has none. */
export function readSection(
  section: keyof typeof sections,
  value: unknown,
  problems: Problems,
): Fields | undefined {
  if (value === undefined && section !== '') return {};
  if (!isFields(value)) {
    return problems.report(
      section === '' ? 'default export' : section,
      value === undefined ? 'is missing; write export default defineConfig({ … })' : 'must be an object',
    );
  }
  const known = sections[section];
  for (const field of Object.keys(value)) {
    if (known.includes(field)) continue;
    const meant = nearest(field, known) ?? otherPlace(field);
    const hint = meant === undefined ? `the fields are ${known.join(', ')}` : `did you mean ${meant}?`;
    problems.report(pathOf(section, field), `is unknown; ${hint}`);
  }
  return value;
}

/** How messages name a field. */
export function pathOf(section: string, field: string): string {
  if (!/^[A-Za-z_$][\w$]*$/u.test(field)) return `${section}[${JSON.stringify(field)}]`;
  return section === '' ? field : `${section}.${field}`;
}

/** How messages name the type of a value that is of the wrong one. */
export function kindOf(value: unknown): string {
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'a list';
  if (typeof value === 'object') return 'an object';
  return typeof value === 'string' ? 'text' : `a ${typeof value}`;
}

export function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function otherPlace(field: string): string | undefined {
  const section = Object.entries(sections).find(([, names]) => names.includes(field))?.[0];
  return section === undefined ? undefined : pathOf(section, field);
}
