import { entra, type EntraOptions } from '../../../../src/jwt/index.ts';
import { audience, certificate, claim, type Conformance, issuer, now } from './conformance.ts';

const tenant = '72f98abf-0000-4000-8000-0000000000aa';
const other = '11111111-0000-4000-8000-0000000000bb';
const api = '6e74172b-0000-4000-8000-000000000001';
const oid = '690222be-0000-4000-8000-000000000003';
const pairwise = 'HKZpfaHyWadeOouYlitjrI-KffTm222X5rrV3xDqfKQ';
const options: EntraOptions = { tenantId: tenant, audience: api };

const wrong: Conformance['wrong'] = [
  [{ tenantId: undefined }, '"tenantId" must be the id of a tenant such as'],
  [{ tenantId: 'common' }, '"tenantId" must be the id of a tenant such as'],
  [{ tenantId: 'organizations' }, '"tenantId" must be the id of a tenant such as'],
  [{ tenantId: 'acme.onmicrosoft.com' }, '"tenantId" must be the id of a tenant such as'],
  [{ tenantId: [] }, '"tenantId" must be the id of a tenant such as'],
  [{ tenantId: `https://login.microsoftonline.com/${tenant}` }, '"tenantId" must be the id of a tenant'],
  [{ audience: undefined }, '"audience" must be the client id or App ID URI of your API'],
  [{ version: '2' }, '"version" must be 1 or 2'],
  [{ userIdClaim: 'upn' }, `"userIdClaim" must be 'oid' or 'sub'`],
];
const machine = { scp: undefined, roles: ['Reader'], sub: oid, idtyp: 'app' };

export const entraCase: Conformance = {
  preset: entra,
  options,
  keySetUrl: `https://login.microsoftonline.com/${tenant}/discovery/v2.0/keys`,
  algorithm: 'RS256',
  // No `alg`, and an issuer with a placeholder in it.
  keySet: (key, { next }) => ({
    keys: [next, key].map((jwk) => ({
      ...jwk,
      use: 'sig',
      x5t: jwk.kid,
      x5c: [certificate],
      issuer: 'https://login.microsoftonline.com/{tenantid}/v2.0',
    })),
  }),
  header: { typ: 'JWT', kid: 'nOo3ZDrODXEK1jKWhXslHR_KXEg' },
  claims: {
    aud: api,
    iss: `https://login.microsoftonline.com/${tenant}/v2.0`,
    iat: now,
    nbf: now,
    exp: now + 4_500,
    azp: 'cli-guid',
    azpacr: '0',
    name: 'Ann',
    oid,
    preferred_username: 'ann@example.test',
    scp: 'access_as_user',
    roles: ['Editor'],
    sub: pairwise,
    tid: tenant,
    uti: 'u1',
    ver: '2.0',
  },
  userId: oid,
  refused: {
    'a user of another tenant, whose tokens have the same keys': {
      claims: { iss: `https://login.microsoftonline.com/${other}/v2.0`, tid: other },
      code: issuer,
    },
    'a tenant that is not the issuer’s': { claims: { tid: other }, code: claim },
    'a token for another API': { claims: { aud: 'api://billing' }, code: audience },
    'a token for Microsoft Graph': {
      claims: { aud: '00000003-0000-0000-c000-000000000000' },
      code: audience,
    },
    'a token of version 1': {
      claims: { iss: `https://sts.windows.net/${tenant}/`, ver: '1.0' },
      code: issuer,
    },
    'the token of an application': { claims: machine, code: claim },
    'the token of an application with no type': { claims: { ...machine, idtyp: undefined }, code: claim },
    'the ID token of the same sign-in': {
      claims: { scp: undefined, azp: undefined, roles: undefined },
      code: claim,
    },
    'the signature of another algorithm by the same key': {
      header: { alg: 'PS256' },
      code: 'ERR_TOKEN_ALGORITHM',
    },
    'a token that lives for a week': { claims: { exp: now + 604_800 }, code: claim },
  },
  accepted: {
    'a token for the App ID URI where that is named': {
      options: { audience: [api, 'api://notes'] },
      claims: { aud: 'api://notes' },
    },
    'a user of one of several tenants': {
      options: {
        tenantId: [other, tenant],
        jwksUrl: `https://login.microsoftonline.com/${tenant}/discovery/v2.0/keys`,
      },
    },
    'the token of an application where that is asked for': { options: { machines: true }, claims: machine },
    'a token of 28 hours': { claims: { exp: now + 100_800 } },
  },
  wrong,
};

export const entraV1Case: Conformance = {
  preset: entra,
  options: {
    tenantId: tenant.toUpperCase(),
    audience: 'api://notes',
    version: 1,
    userIdClaim: 'sub',
  } satisfies EntraOptions,
  keySetUrl: `https://login.microsoftonline.com/${tenant}/discovery/keys`,
  algorithm: 'RS256',
  keySet: (key, { next }) => ({
    keys: [key, next].map((jwk) => ({ ...jwk, use: 'sig', x5t: jwk.kid, x5c: [certificate] })),
  }),
  header: { typ: 'JWT', kid: 'nOo3ZDrODXEK1jKWhXslHR_KXEg', x5t: 'nOo3ZDrODXEK1jKWhXslHR_KXEg' },
  claims: {
    aud: 'api://notes',
    iss: `https://sts.windows.net/${tenant}/`,
    iat: now,
    nbf: now,
    exp: now + 3_900,
    acr: '1',
    amr: ['pwd'],
    appid: 'cli-guid',
    appidacr: '0',
    name: 'Ann',
    oid,
    scp: 'user_impersonation',
    sub: pairwise,
    tid: tenant,
    unique_name: 'ann@example.test',
    uti: 'u1',
    ver: '1.0',
  },
  userId: pairwise,
  refused: {
    'a token of version 2': {
      claims: { iss: `https://login.microsoftonline.com/${tenant}/v2.0`, ver: '2.0' },
      code: issuer,
    },
    'a token of another tenant': { claims: { iss: `https://sts.windows.net/${other}/` }, code: issuer },
    'the token of an application': { claims: machine, code: claim },
  },
  accepted: {},
  wrong: [],
};

export const entraTenantsCase: Conformance = {
  ...entraCase,
  options: { tenantId: [tenant, other], audience: api } satisfies EntraOptions,
  keySetUrl: 'https://login.microsoftonline.com/common/discovery/v2.0/keys',
  refused: {
    'a tenant that nobody has named': {
      claims: {
        iss: 'https://login.microsoftonline.com/22222222-0000-4000-8000-0000000000cc/v2.0',
        tid: '22222222-0000-4000-8000-0000000000cc',
      },
      code: issuer,
    },
    'the placeholder as issuer': {
      claims: { iss: 'https://login.microsoftonline.com/{tenantid}/v2.0' },
      code: issuer,
    },
  },
  accepted: {
    'the other tenant': {
      claims: { iss: `https://login.microsoftonline.com/${other}/v2.0`, tid: other },
    },
  },
  wrong: [],
};
