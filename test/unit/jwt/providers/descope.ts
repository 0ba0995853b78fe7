import { descope, type DescopeOptions } from '../../../../src/jwt/index.ts';
import { audience, claim, type Conformance, issuer, now } from './conformance.ts';

const projectId = 'P2bbbCCCdddEEE';
const options: DescopeOptions = { projectId };

export const descopeCase: Conformance = {
  preset: descope,
  options,
  keySetUrl: `https://api.descope.com/${projectId}/.well-known/jwks.json`,
  algorithm: 'RS256',
  keySet: (key) => ({ keys: [{ alg: 'RS256', use: 'sig', ...key }] }),
  header: { typ: 'JWT', kid: 'SK2eee' },
  claims: {
    amr: ['email'],
    dct: 'T2aaa',
    drn: 'DS',
    exp: now + 600,
    iat: now,
    iss: projectId,
    rexp: '2030-04-14T17:46:40Z',
    sub: 'U2cccDDDeee',
    tenants: { T2aaa: { roles: ['Editor'], permissions: ['notes.write'] } },
  },
  userId: 'U2cccDDDeee',
  refused: {
    'a refresh token': { claims: { drn: 'DSR', exp: now + 2_419_200 }, code: claim },
    'a refresh token whose template hides what it is': {
      claims: { drn: undefined, exp: now + 2_419_200 },
      code: claim,
    },
    'the token of an access key': { claims: { sub: 'K2cccDDDeee' }, code: claim },
    'a token of another project': { claims: { iss: 'P2other' }, code: issuer },
    'a token of another project, in the other form': {
      claims: { iss: 'https://api.descope.com/P2other' },
      code: issuer,
    },
    'an issuer with the project somewhere in it': {
      claims: { iss: `https://api.descope.com/${projectId}/a/b` },
      code: issuer,
    },
  },
  accepted: {
    'the issuer of an OIDC template': { claims: { iss: `https://api.descope.com/${projectId}` } },
    'the issuer of an OIDC application': { claims: { iss: `https://api.descope.com/v1/apps/${projectId}` } },
    'a token without drn': { claims: { drn: undefined } },
    'an access key where that is asked for': { options: { machines: true }, claims: { sub: 'K2cccDDDeee' } },
    'an audience where one is configured': { options: { audience: 'api' }, claims: { aud: ['api'] } },
  },
  wrong: [
    [{ projectId: undefined }, '"projectId" must be the id of a project, which begins with P'],
    [{ projectId: 'https://api.descope.com/P2bbb' }, '"projectId" must be the id of a project'],
    [{ baseUrl: 'https://auth.example.test/' }, '"baseUrl" must be a URL such as'],
    [{ baseUrl: 'http://auth.example.test' }, '"baseUrl" must be https'],
  ],
};

export const descopeAudienceCase: Conformance = {
  ...descopeCase,
  options: { projectId, audience: 'api', baseUrl: 'https://auth.example.test' } satisfies DescopeOptions,
  keySetUrl: `https://auth.example.test/${projectId}/.well-known/jwks.json`,
  claims: { ...descopeCase.claims, aud: 'api', iss: `https://auth.example.test/${projectId}` },
  refused: { 'a token for another application': { claims: { aud: 'other' }, code: audience } },
  accepted: {},
  wrong: [],
};
