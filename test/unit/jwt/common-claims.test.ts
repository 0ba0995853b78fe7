import { describe, expect, it } from 'vitest';
import { withCommonClaims } from '../../../src/jwt/common-claims.ts';
import { betterAuth, descope, jwks, keycloak, type Provider } from '../../../src/jwt/index.ts';
import { cases } from './providers/cases.ts';
import { make } from './providers/conformance.ts';

function commonOf(claims: Record<string, unknown>, provider: Provider): readonly unknown[] {
  const common = withCommonClaims({ sub: 'ann', ...claims }, provider);
  return [common.$organization, common.$roles];
}

function custom(options: Partial<Parameters<typeof jwks>[0]> = {}): Provider {
  return jwks({ url: 'https://id.example/jwks.json', issuer: 'https://id.example', ...options });
}

const none = [undefined, undefined];

describe('$organization and $roles', () => {
  it('are what the documented token of each provider says in its own words', () => {
    const said = Object.entries(cases).map(([name, one]) => {
      const { $organization = '-', $roles = ['-'] } = withCommonClaims(
        { sub: 'ann', ...one.claims },
        make(one),
      );
      return `${name}: ${$organization} ${$roles.join()}`;
    });
    expect(said).toMatchInlineSnapshot(`
      [
        "clerk: org_2aB admin",
        "stack auth: - -",
        "stack auth, hosted by oneself, for anonymous users: - -",
        "auth0: org_9yb read:notes",
        "firebase: - -",
        "stytch: - stytch_member",
        "stytch, a test project: - stytch_member",
        "stytch, a custom domain: - stytch_member",
        "stytch for businesses: organization-live-2222 stytch_member",
        "keycloak: testcorp default-roles-acme,editor",
        "keycloak, by client: testcorp default-roles-acme,editor",
        "supabase: o-1 -",
        "cognito, access tokens: - admin",
        "cognito, ID tokens: - admin",
        "entra, version 2: 72f98abf-0000-4000-8000-0000000000aa Editor",
        "entra, version 1: 72f98abf-0000-4000-8000-0000000000aa -",
        "entra, several tenants: 72f98abf-0000-4000-8000-0000000000aa Editor",
        "google: example.test -",
        "google, one domain: example.test -",
        "descope: T2aaa -",
        "descope, an audience and a custom domain: T2aaa -",
        "propelauth: - -",
        "better auth: - user",
        "better auth with another algorithm: - user",
        "neon auth: org-123 owner",
        "workos: org_01HRDM member",
        "workos, a custom domain: org_01HRDM member",
        "okta: - Everyone",
        "logto: org1 -",
        "zitadel: 280000000000000001 -",
      ]
    `);
  });

  it('are never what a token says under these names', () => {
    const forged = { $organization: 'org_of_others', $roles: ['admin'] };
    expect(commonOf(forged, custom())).toEqual(none);
    const named = custom({ organizationClaim: 'org_id', roleClaim: ['app', 'roles'] });
    expect(commonOf({ ...forged, org_id: 'mine', app: { roles: 'reader' } }, named)).toEqual([
      'mine',
      ['reader'],
    ]);
    expect(commonOf(forged, named)).toEqual(none);
  });

  it('are absent when the provider’s claim is of another type', () => {
    const named = custom({ organizationClaim: 'org_id', roleClaim: 'roles' });
    for (const value of [7, true, null, '', ['a', 7], [['a']], [''], { a: 1 }]) {
      expect(commonOf({ org_id: value, roles: value }, named), JSON.stringify(value)).toEqual(none);
    }
    expect(commonOf({ org_id: ['a'], roles: ['a'] }, named)).toEqual([undefined, ['a']]);
    expect(commonOf({ roles: [] }, named)).toEqual(none);
  });

  it('are not taken from a second place when the first is there and wrong', () => {
    const clerk = Object.entries(cases).find(([name]) => name === 'clerk')?.[1];
    if (clerk === undefined) throw new Error('no case for Clerk');
    expect(commonOf({ o: { id: 7, rol: 7 }, org_id: 'org_2', org_role: 'admin' }, make(clerk))).toEqual(none);
  });

  it('are of the one organisation that a Keycloak token names, and of none if there are several', () => {
    const provider = keycloak({ url: 'https://id.example', realm: 'acme', clientId: 'web' });
    expect(commonOf({ organization: { one: {} } }, provider)).toEqual(['one', undefined]);
    for (const organization of [{ one: {}, two: {} }, {}, ['one'], 'one', 7]) {
      expect(commonOf({ organization }, provider)).toEqual(none);
    }
  });

  it('are of the tenant of a Descope token only if the user belongs to it', () => {
    const provider = descope({ projectId: 'P2bbb' });
    expect(commonOf({ dct: 'T2', tenants: { T2: {} } }, provider)).toEqual(['T2', undefined]);
    for (const tenants of [undefined, {}, { T3: {} }, ['T2'], 'T2']) {
      expect(commonOf({ dct: 'T2', tenants }, provider)).toEqual(none);
    }
    expect(commonOf({ dct: 'toString', tenants: {} }, provider)).toEqual(none);
  });

  it('can be read from another claim than the preset says', () => {
    const options = { baseURL: 'https://app.example', organizationClaim: ['team', 'id'], roleClaim: 'tags' };
    const claims = { org_id: 'org', role: 'user', team: { id: 'blue' }, tags: ['editor'] };
    expect(commonOf(claims, betterAuth(options))).toEqual(['blue', ['editor']]);
  });

  it.each([[''], [[]], [['a', '']], [7]])('refuse %j as the place of a claim', (path) => {
    expect(() => custom({ organizationClaim: path as string })).toThrow(/"organizationClaim" must be/);
    expect(() => custom({ roleClaim: path as string })).toThrow(/"roleClaim" must be/);
  });
});
