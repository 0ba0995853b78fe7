import { authSchemaRule, defaultAuthSchema, isAuthSchema } from '../auth-schema.ts';
import { quoteIdentifier } from '../database/quote-identifier.ts';
import { AuthorizeError, ConfigError } from '../errors.ts';
import type { Provider, Verifier } from '../jwt/index.ts';
import { checkProvider } from '../jwt/provider.ts';
import { parseAuthorizeKey } from '../session/seal-key.ts';
import { checkConnections, type Environment, type RoleConnection } from './check-connections.ts';
import { checkGateway, type GatewaySettings } from './check-gateway.ts';
import { checkPersonas } from './personas.ts';
import { kindOf, Problems, readSection, type Fields } from './fields.ts';

/** A config that was judged, with what the environment adds. */
export interface CheckedConfig {
  /** One for each role that is served; all lead to one database. */
  readonly connections: readonly RoleConnection[];
  readonly key: string;
  readonly authSchema: string;
  /** Whose tokens are accepted: one of the two. */
  readonly tokens: { readonly providers: readonly Provider[] } | { readonly verifier: Verifier };
  /** As Postgres takes it; undefined for the default. */
  readonly searchPath: string | undefined;
  /** What the connections lead to. */
  readonly pooler: 'transaction' | undefined;
  /** What the file says, without defaults. */
  readonly gateway: GatewaySettings;
}

/**
 * Judges all of what a config file exports.
 *
 * @param file what messages call the file
 * @throws ConfigError with one problem for each field that is unknown, wrong or missing, and none of the values
 */
export function checkConfig(value: unknown, file: string, environment: Environment): CheckedConfig {
  const problems = new Problems();
  const fields = readSection('', value, problems);
  const checked = fields && checkFields(fields, environment, problems);
  const { length } = problems.list;
  if (checked !== undefined && length === 0) return checked;
  throw new ConfigError(`${file} has ${length} ${length === 1 ? 'problem' : 'problems'}`, problems.list);
}

function checkFields(
  fields: Fields,
  environment: Environment,
  problems: Problems,
): CheckedConfig | undefined {
  checkPersonas(fields['dev'], problems);
  const gateway = checkGateway(fields['gateway'], problems);
  const tokens = checkTokens(fields['providers'], fields['verifier'], problems);
  const database = readSection('database', fields['database'], problems);
  if (database === undefined) return undefined;
  const key = checkKey(database['key'], environment, problems);
  const authSchema = checkAuthSchema(database['authSchema'], environment, problems);
  const searchPath = checkSearchPath(database['searchPath'], problems);
  const pooler = checkPooler(database['pooler'], gateway, problems);
  const connections = checkConnections(fields['roles'], database['connections'], environment, problems);
  if (tokens !== undefined && 'providers' in tokens) {
    for (const { role } of connections) requireProvider(role, tokens.providers, problems);
  }
  return key === undefined || tokens === undefined || authSchema === undefined
    ? undefined
    : { connections, key, authSchema, tokens, searchPath, pooler, gateway };
}

function checkTokens(
  providers: unknown,
  verifier: unknown,
  problems: Problems,
): CheckedConfig['tokens'] | undefined {
  if (verifier !== undefined) {
    if (providers !== undefined) {
      return problems.report('verifier', 'stands beside providers; give one of the two');
    }
    if (isVerifier(verifier)) return { verifier };
    return problems.report('verifier', 'is not a verifier; make it with createVerifier()');
  }
  if (providers === undefined) {
    return problems.report('providers', 'is missing; whose tokens shall be accepted?');
  }
  if (!Array.isArray(providers) || providers.length === 0) {
    return problems.report('providers', 'must be a list with at least one provider');
  }
  const list: readonly unknown[] = providers;
  for (const [index, provider] of list.entries()) {
    if (isProvider(provider)) continue;
    problems.report(
      `providers[${index}]`,
      'is not a provider; make it with a function of drizzle-authorize/jwt',
    );
  }
  return { providers: list.filter(isProvider) };
}

function requireProvider(role: string, providers: readonly Provider[], problems: Problems): void {
  if (role === 'anonymous' || providers.some((provider) => provider.roles.includes(role))) return;
  problems.report('providers', `has none that may issue tokens for '${role}'; name it in a provider's roles`);
}

function checkKey(value: unknown, environment: Environment, problems: Problems): string | undefined {
  const source = value === undefined ? 'AUTHORIZE_KEY' : 'database.key';
  const key = value ?? environment['AUTHORIZE_KEY'];
  if (key === undefined || key === '') {
    return problems.report(source, 'is not set; drizzle-authorize setup makes one');
  }
  if (typeof key !== 'string') return problems.report(source, `must be text, not ${kindOf(key)}`);
  try {
    parseAuthorizeKey(key);
    return key;
  } catch (error) {
    if (!(error instanceof AuthorizeError)) throw error;
    return problems.report(source, 'must be 32 random bytes in base64url, or such keys separated by commas');
  }
}

function checkAuthSchema(value: unknown, environment: Environment, problems: Problems): string | undefined {
  const source = value === undefined ? 'AUTHORIZE_SCHEMA' : 'database.authSchema';
  const name = value ?? (environment['AUTHORIZE_SCHEMA'] || defaultAuthSchema);
  return isAuthSchema(name) ? name : problems.report(source, authSchemaRule);
}

function checkSearchPath(value: unknown, problems: Problems): string | undefined {
  if (value === undefined) return undefined;
  if (!Array.isArray(value) || value.length === 0) {
    return problems.report('database.searchPath', 'must be a list of schemas with at least one');
  }
  const schemas = value.flatMap((schema: unknown, index) => {
    const path = `database.searchPath[${index}]`;
    if (schema === 'pg_temp') problems.report(path, 'is always the last one; leave it out');
    else if (isSchemaName(schema)) return [quoteIdentifier(schema)];
    else problems.report(path, 'must be the name of a schema, of 1 to 63 bytes');
    return [];
  });
  // Postgres looks first at what is not named.
  return [...schemas, 'pg_temp'].join(', ');
}

function checkPooler(
  value: unknown,
  { tcpPort }: GatewaySettings,
  problems: Problems,
): 'transaction' | undefined {
  if (value === undefined) return undefined;
  if (value !== 'transaction') return problems.report('database.pooler', "must be 'transaction'");
  if (tcpPort !== undefined) {
    problems.report('gateway.tcpPort', 'is not served behind a transaction pooler; leave it out');
  }
  return value;
}

function isSchemaName(value: unknown): value is string {
  // A control character could end the setting in the startup packet.
  return (
    typeof value === 'string' && /^\P{Cc}+$/u.test(value) && new TextEncoder().encode(value).length <= 63
  );
}

function isProvider(value: unknown): value is Provider {
  try {
    checkProvider('defineConfig', value as Provider);
    return true;
  } catch {
    return false;
  }
}

function isVerifier(value: unknown): value is Verifier {
  return (
    typeof value === 'object' && value !== null && 'verify' in value && typeof value.verify === 'function'
  );
}
