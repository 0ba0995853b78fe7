import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';

import { describe, expect, it } from 'vitest';

import manifest from '../../package.json' with { type: 'json' };

interface Exports {
  /** What is there at run time. */
  readonly values: readonly string[];
  /** What only the compiler sees. */
  readonly types: readonly string[];
}

// Everything that a user can import, by entry point. A name that is added here is a promise; one that goes breaks somebody.
const promised: Readonly<Record<string, Exports>> = {
  '.': {
    values: [
      'AuthorizeError',
      'allPolicy',
      'anonymousRole',
      'auth',
      'authUid',
      'authenticatedRole',
      'claimEquals',
      'claimIncludes',
      'createAuth',
      'crudPolicy',
      'deletePolicy',
      'forceRLS',
      'hasRole',
      'identityRole',
      'inOrganization',
      'insertPolicy',
      'isAuthorizeError',
      'memberOf',
      'selectPolicy',
      'updatePolicy',
    ],
    types: [
      'AllPolicyOptions',
      'Auth',
      'AuthHelpers',
      'ClaimName',
      'ClaimPredicates',
      'CreateAuthOptions',
      'CrudPolicyOptions',
      'DeletePolicyOptions',
      'ErrorCode',
      'InsertPolicyOptions',
      'MemberOfOptions',
      'PolicyRole',
      'SelectPolicyOptions',
      'UpdatePolicyOptions',
    ],
  },
  './node-postgres': {
    values: ['withAuth'],
    types: [
      'AuthorizeEvent',
      'Identity',
      'Observe',
      'QueryEvent',
      'RefusalEvent',
      'TokenInput',
      'WithAuth',
      'WithAuthOptions',
    ],
  },
  './postgres-js': {
    values: ['withAuth'],
    types: [
      'AuthorizeEvent',
      'Identity',
      'Observe',
      'QueryEvent',
      'RefusalEvent',
      'TokenInput',
      'WithAuth',
      'WithAuthOptions',
    ],
  },
  './pglite': {
    values: ['setup', 'withAuth'],
    types: [
      'AuthorizeEvent',
      'Identity',
      'Observe',
      'QueryEvent',
      'RefusalEvent',
      'SetupClient',
      'SetupOptions',
      'TokenInput',
      'WithAuth',
      'WithAuthOptions',
    ],
  },
  './neon-http': {
    values: ['withAuth'],
    types: [
      'AuthorizeEvent',
      'DirectOptions',
      'GatewayModeOptions',
      'Identity',
      'Observe',
      'QueryEvent',
      'RefusalEvent',
      'TokenInput',
      'WithAuth',
      'WithAuthOptions',
      'WithoutOwnAuth',
    ],
  },
  './neon-serverless': {
    values: ['withAuth'],
    types: [
      'AuthorizeEvent',
      'Identity',
      'Observe',
      'QueryEvent',
      'RefusalEvent',
      'TokenInput',
      'WithAuth',
      'WithAuthOptions',
    ],
  },
  './jwt': {
    values: [
      'KeySetError',
      'TokenError',
      'auth0',
      'betterAuth',
      'clerk',
      'cognito',
      'createVerifier',
      'customKeys',
      'descope',
      'entra',
      'firebase',
      'google',
      'jwks',
      'keycloak',
      'logto',
      'neonAuth',
      'oidc',
      'okta',
      'propelAuth',
      'stackAuth',
      'stytch',
      'stytchB2B',
      'supabase',
      'workos',
      'zitadel',
    ],
    types: [
      'Auth0Claims',
      'Auth0Options',
      'BetterAuthClaims',
      'BetterAuthOptions',
      'ClaimPath',
      'ClaimRule',
      'Claims',
      'ClerkClaims',
      'ClerkOptions',
      'CognitoClaims',
      'CognitoOptions',
      'CustomKeysOptions',
      'DescopeClaims',
      'DescopeOptions',
      'EntraClaims',
      'EntraOptions',
      'Fetch',
      'FirebaseClaims',
      'FirebaseOptions',
      'GoogleClaims',
      'GoogleOptions',
      'JwksOptions',
      'KeycloakClaims',
      'KeycloakOptions',
      'LogtoClaims',
      'LogtoOptions',
      'NeonAuthClaims',
      'NeonAuthOptions',
      'OidcOptions',
      'OktaClaims',
      'OktaOptions',
      'PresetOptions',
      'PropelAuthClaims',
      'PropelAuthOptions',
      'Provider',
      'ProviderKeys',
      'ProviderOptions',
      'StackAuthClaims',
      'StackAuthOptions',
      'StytchClaims',
      'StytchOptions',
      'SupabaseClaims',
      'SupabaseOptions',
      'VerifiedIdentity',
      'Verifier',
      'VerifierOptions',
      'VerifyOptions',
      'WorkosClaims',
      'WorkosOptions',
      'ZitadelClaims',
      'ZitadelOptions',
    ],
  },
  './gateway': {
    values: ['createGateway', 'useGateway'],
    types: [
      'AuthorizeEvent',
      'CancelKey',
      'Gateway',
      'GatewayAddress',
      'GatewayOptions',
      'LineLogger',
      'NeonConfigLike',
      'Observe',
      'QueryEvent',
      'RefusalEvent',
      'ReloadOptions',
      'TlsOptions',
      'TokenOptions',
    ],
  },
  './config': {
    values: ['defineConfig'],
    types: ['AuthorizeConfig', 'DatabaseConfig', 'DevConfig', 'GatewayConfig', 'LineLogger', 'PersonaConfig'],
  },
  './kit': {
    values: ['withAuthorize'],
    types: ['AuthorizeOptions'],
  },
  './revocations': {
    values: ['reinstate', 'revoke'],
    types: ['Revocation', 'RevocationOptions'],
  },
};

const { './package.json': itself, ...entryPoints } = manifest.exports;

it('package.json has these entry points and itself', () => {
  expect(Object.keys(entryPoints)).toEqual(Object.keys(promised));
  expect(itself).toBe('./package.json');
});

describe.each(Object.entries(entryPoints))('%s', (entry, { types, default: code }) => {
  // CommonJS has declarations of its own, because drizzle-orm's differ; the code behind both is one ES module. attw calls
  // that false-cjs, which package.json has it ignore: it misleads about a default export alone, and there is none.
  it('has the types that tell an ES module and a CommonJS one the same', async () => {
    expect(types.require).toBe(types.default.replace('./dist/', './dist/commonjs/'));
    expect(await readFile(types.require, 'utf8')).toBe(await readFile(types.default, 'utf8'));
    expect(promised[entry]?.values).not.toContain('default');
  });

  it('exports these names and no others', async () => {
    const module = (await import(pathToFileURL(resolve(code)).href)) as object;
    const values = Object.keys(module).toSorted();
    const declared = declaredNames(await readFile(types.default, 'utf8'));
    expect({ values, types: declared.filter((name) => !values.includes(name)) }).toEqual(promised[entry]);
    expect(declared).toEqual(expect.arrayContaining(values));
  });
});

/** The names that a declaration file of ours exports, sorted. tsc writes them in few ways. */
function declaredNames(declarations: string): readonly string[] {
  const names: string[] = [];
  for (const [statement] of declarations.matchAll(/^export [^;{]*(?:\{[^}]*\})?/gmu)) {
    const [, list] = /^export (?:type )?\{([^}]*)\}$/u.exec(statement) ?? [];
    const [, name] =
      /^export (?:declare )?(?:function|const|class|interface|type) (\w+)/u.exec(statement) ?? [];
    if (list !== undefined) names.push(...list.split(',').map(exportedName).filter(Boolean));
    else if (name !== undefined) names.push(name);
    else throw new Error(`a way to export that this test does not know: ${statement}`);
  }
  return names.toSorted();
}

/** `name`, `type Name` and `name as other`: what importers write. */
function exportedName(specifier: string): string {
  return specifier.trim().split(' ').at(-1) ?? '';
}
