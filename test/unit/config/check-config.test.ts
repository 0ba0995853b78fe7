import { describe, expect, it } from 'vitest';

import { checkConfig, type CheckedConfig } from '../../../src/config/check-config.ts';
import { defineConfig } from '../../../src/config/index.ts';
import { ConfigError } from '../../../src/errors.ts';
import { createVerifier, jwks } from '../../../src/jwt/index.ts';
import { generateAuthorizeKey } from '../../../src/session/seal-key.ts';

const secret = 'a-secret-that-nobody-may-read';
const key = generateAuthorizeKey();
const provider = jwks({ url: 'https://id.example/keys', issuer: 'https://id.example' });
const urlOf = (role: string, database = 'app'): string =>
  `postgresql://${role}:${secret}@db.example/${database}`;
const environment = {
  AUTHORIZE_KEY: key,
  DATABASE_AUTHENTICATED_URL: urlOf('authenticated'),
  DATABASE_ANONYMOUS_URL: urlOf('anonymous'),
};

const check = (config: unknown, variables: Record<string, string | undefined> = environment): CheckedConfig =>
  checkConfig(config, 'authorize.config.ts', variables);

function problemsOf(config: unknown, variables?: Record<string, string | undefined>): readonly string[] {
  try {
    check(config, variables);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return error.problems.map(({ path, message }) => `${path}: ${message}`);
  }
  return [];
}

const logger = { info() {}, warn() {} };

describe('a config that is right', () => {
  it('needs providers alone; the rest comes from the environment', () => {
    const { connections, tokens, searchPath, gateway, ...rest } = check(
      defineConfig({ providers: [provider] }),
    );
    expect(connections).toEqual([
      { role: 'authenticated', url: urlOf('authenticated'), source: 'DATABASE_AUTHENTICATED_URL' },
      { role: 'anonymous', url: urlOf('anonymous'), source: 'DATABASE_ANONYMOUS_URL' },
    ]);
    expect([tokens, searchPath, gateway, rest]).toEqual([
      { providers: [provider] },
      undefined,
      {},
      { key, authSchema: 'auth' },
    ]);
  });

  it('says itself what the environment would otherwise say', () => {
    const verifier = createVerifier({ providers: [provider] });
    const other = generateAuthorizeKey();
    const config = check(
      defineConfig({
        database: {
          connections: { authenticated: urlOf('authenticated', 'mine') },
          key: `${other},${key}`,
          searchPath: ['app', 'a "b"'],
        },
        verifier,
        gateway: {
          host: '::1',
          port: 0,
          tcpPort: 0,
          maxConnections: 1,
          maxSessions: 1,
          statementTimeoutMs: 5_000,
          operationsPort: 0,
          logger,
          tracing: false,
        },
      }),
    );
    expect(config).toEqual({
      connections: [
        {
          role: 'authenticated',
          url: urlOf('authenticated', 'mine'),
          source: 'database.connections.authenticated',
        },
      ],
      key: `${other},${key}`,
      authSchema: 'auth',
      tokens: { verifier },
      searchPath: '"app", "a ""b""", pg_temp',
      gateway: {
        host: '::1',
        port: 0,
        tcpPort: 0,
        maxConnections: 1,
        maxSessions: 1,
        statementTimeoutMs: 5_000,
        operationsPort: 0,
        logger,
        tracing: false,
      },
    });
  });

  it('serves the roles that it names and no others', () => {
    const { connections } = check({ providers: [provider], roles: ['authenticated'] });
    expect(connections.map(({ role }) => role)).toEqual(['authenticated']);
  });

  it('takes undefined for a field that is not there', () => {
    expect(
      problemsOf({
        providers: [provider],
        verifier: undefined,
        gateway: { port: undefined },
        roles: undefined,
      }),
    ).toEqual([]);
  });
});

describe('every wrong field is named, with what it must be', () => {
  const fields = 'database, providers, verifier, roles, gateway, dev';
  const right = { providers: [provider] };
  const rows: readonly (readonly [unknown, readonly string[]])[] = [
    [undefined, ['default export: is missing; write export default defineConfig({ … })']],
    [null, ['default export: must be an object']],
    [[provider], ['default export: must be an object']],
    [{}, ['providers: is missing; whose tokens shall be accepted?']],
    [{ providers: [] }, ['providers: must be a list with at least one provider']],
    [{ providers: provider }, ['providers: must be a list with at least one provider']],
    [
      { providers: [provider, jwks, { name: 'x' }, null] },
      [1, 2, 3].map(
        (index) => `providers[${index}]: is not a provider; make it with a function of drizzle-authorize/jwt`,
      ),
    ],
    [{ verifier: {} }, ['verifier: is not a verifier; make it with createVerifier()']],
    [{ ...right, verifier: {} }, ['verifier: stands beside providers; give one of the two']],
    [{ ...right, provider: [] }, ['provider: is unknown; did you mean providers?']],
    [{ ...right, port: 80 }, ['port: is unknown; did you mean gateway.port?']],
    [{ ...right, unheardOf: 1 }, [`unheardOf: is unknown; the fields are ${fields}`]],
    [{ ...right, 'a-b': 1 }, [`["a-b"]: is unknown; the fields are ${fields}`]],
    [{ ...right, gateway: [] }, ['gateway: must be an object']],
    [{ ...right, gateway: { prot: 80 } }, ['gateway.prot: is unknown; did you mean port?']],
    [
      { ...right, gateway: { host: 'localhost:80' } },
      ['gateway.host: must be a host name or an address, without a port'],
    ],
    [{ ...right, gateway: { port: 65_536 } }, ['gateway.port: must be an integer from 0 to 65535']],
    [{ ...right, gateway: { port: 80.5 } }, ['gateway.port: must be an integer from 0 to 65535']],
    [{ ...right, gateway: { port: '80' } }, ['gateway.port: must be an integer from 0 to 65535, not text']],
    [{ ...right, gateway: { tcpPort: 65_536 } }, ['gateway.tcpPort: must be an integer from 0 to 65535']],
    [{ ...right, gateway: { maxSessions: 0 } }, ['gateway.maxSessions: must be an integer from 1 to 10000']],
    [
      { ...right, gateway: { maxConnections: 0 } },
      ['gateway.maxConnections: must be an integer from 1 to 10000'],
    ],
    [
      { ...right, gateway: { statementTimeoutMs: 0 } },
      ['gateway.statementTimeoutMs: must be an integer from 1 to 2147483647'],
    ],
    [
      { ...right, gateway: { maxBodyBytes: 1 } },
      ['gateway.maxBodyBytes: must be an integer from 1024 to 268435456'],
    ],
    [
      { ...right, gateway: { maxResultBytes: null } },
      ['gateway.maxResultBytes: must be an integer from 1024 to 268435456, not null'],
    ],
    [
      { ...right, gateway: { maxConnectionsPerSubject: 0, waitTimeoutMs: 0, idleTimeoutMs: 0 } },
      [
        'gateway.maxConnectionsPerSubject: must be an integer from 1 to 10000',
        'gateway.waitTimeoutMs: must be an integer from 1 to 600000',
        'gateway.idleTimeoutMs: must be an integer from 1000 to 86400000',
      ],
    ],
    [
      { ...right, gateway: { requestsPerSecondPerSubject: 0 } },
      ['gateway.requestsPerSecondPerSubject: must be a number from 0.001 to 1000000'],
    ],
    [{ ...right, database: { pooler: 'session' } }, ["database.pooler: must be 'transaction'"]],
    [
      { ...right, database: { pooler: 'transaction' }, gateway: { tcpPort: 0 } },
      ['gateway.tcpPort: is not served behind a transaction pooler; leave it out'],
    ],
    [
      { ...right, gateway: { tls: { cert: 'a', key: 'b' } } },
      ['gateway.tls: must be { cert, key }: a certificate and its private key, in PEM'],
    ],
    [
      { ...right, gateway: { operationsHost: 'a/b', logger: 'pino', audit: { info() {} }, tracing: 'yes' } },
      [
        'gateway.operationsHost: must be a host name or an address, without a port',
        'gateway.logger: must be a logger with info() and warn(), such as pino()',
        'gateway.audit: must be a logger with info() and warn(), such as pino()',
        'gateway.tracing: must be true or false',
      ],
    ],
    [{ ...right, roles: 'authenticated' }, ['roles: must be a list of roles with at least one']],
    [{ ...right, roles: ['authenticated', ''] }, ['roles[1]: must be the name of a role']],
    [{ ...right, roles: ['anonymous', 'anonymous'] }, ['roles[1]: is there twice']],
    [
      { ...right, roles: ['authenticated', 'my-editor'] },
      ['roles[1]: has no connection; set DATABASE_MY_EDITOR_URL or database.connections["my-editor"]'],
    ],
    [{ ...right, database: 'app' }, ['database: must be an object']],
    [
      { ...right, database: { url: secret } },
      ['database.url: is unknown; the fields are connections, key, authSchema, searchPath, pooler'],
    ],
    [
      { ...right, database: { key: secret } },
      ['database.key: must be 32 random bytes in base64url, or such keys separated by commas'],
    ],
    [{ ...right, database: { key: [key] } }, ['database.key: must be text, not a list']],
    [
      { ...right, database: { searchPath: 'public' } },
      ['database.searchPath: must be a list of schemas with at least one'],
    ],
    [
      { ...right, database: { searchPath: ['pg_temp', 'app'] } },
      ['database.searchPath[0]: is always the last one; leave it out'],
    ],
    [
      { ...right, database: { searchPath: ['app', 'a\tb', ''] } },
      [1, 2].map((index) => `database.searchPath[${index}]: must be the name of a schema, of 1 to 63 bytes`),
    ],
    [
      { ...right, database: { connections: urlOf('authenticated') } },
      ['database.connections: must be an object with a URL for each role'],
    ],
    [
      { ...right, database: { connections: { authenticated: undefined } } },
      ['database.connections.authenticated: is empty; is the variable that it comes from set?'],
    ],
    [
      { ...right, database: { connections: { authenticated: secret } } },
      ['database.connections.authenticated: must be a postgres:// URL that names a database'],
    ],
    [
      { ...right, database: { connections: { authenticated: `mysql://authenticated:${secret}@db/app` } } },
      ['database.connections.authenticated: must be a postgres:// URL that names a database'],
    ],
    [
      { ...right, database: { connections: { authenticated: urlOf('authenticated', '') } } },
      ['database.connections.authenticated: must be a postgres:// URL that names a database'],
    ],
    [
      { ...right, database: { connections: { authenticated: urlOf('%') } } },
      ['database.connections.authenticated: must be a postgres:// URL that names a database'],
    ],
    [
      { ...right, database: { connections: { authenticated: urlOf('owner') } } },
      ["database.connections.authenticated: must log in as 'authenticated'"],
    ],
    [
      { ...right, database: { connections: {} } },
      [
        'database.connections: has none; set DATABASE_AUTHENTICATED_URL, which drizzle-authorize setup writes',
      ],
    ],
    [
      {
        ...right,
        database: {
          connections: { authenticated: urlOf('authenticated', 'a'), anonymous: urlOf('anonymous', 'b') },
        },
      },
      ['database.connections: must lead to one database, and not to several'],
    ],
    [
      { ...right, database: { connections: { editor: urlOf('editor') } } },
      ["providers: has none that may issue tokens for 'editor'; name it in a provider's roles"],
    ],
  ];
  it.each(rows.map(([config, problems]) => ({ config, problems, title: String(problems) })))(
    '$title',
    ({ config, problems }) => {
      expect(problemsOf(config)).toEqual(problems);
      expect(JSON.stringify(problems)).not.toContain(secret);
    },
  );

  it('all of them at once, and how many', () => {
    const config = { gateway: { port: -1, hots: 'x' }, database: { key: 1 } };
    expect(problemsOf(config)).toEqual([
      'gateway.hots: is unknown; did you mean host?',
      'gateway.port: must be an integer from 0 to 65535',
      'providers: is missing; whose tokens shall be accepted?',
      'database.key: must be text, not a number',
    ]);
    expect(() => check(config)).toThrow('authorize.config.ts has 4 problems');
    expect(() => check({})).toThrow('authorize.config.ts has 1 problem');
  });

  it('also where the environment is to blame', () => {
    expect(problemsOf(right, {})).toEqual([
      'AUTHORIZE_KEY: is not set; drizzle-authorize setup makes one',
      'database.connections: has none; set DATABASE_AUTHENTICATED_URL, which drizzle-authorize setup writes',
    ]);
    expect(problemsOf(right, { AUTHORIZE_KEY: secret, DATABASE_AUTHENTICATED_URL: urlOf('owner') })).toEqual([
      'AUTHORIZE_KEY: must be 32 random bytes in base64url, or such keys separated by commas',
      "DATABASE_AUTHENTICATED_URL: must log in as 'authenticated'",
    ]);
  });
});
