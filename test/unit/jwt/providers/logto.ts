import { logto, type LogtoOptions } from '../../../../src/jwt/index.ts';
import { audience, claim, type Conformance, issuer, now } from './conformance.ts';

const iss = 'https://acme.logto.app/oidc';

export const logtoCase: Conformance = {
  preset: logto,
  options: {
    endpoint: 'https://acme.logto.app',
    audience: 'https://api.example.test',
  } satisfies LogtoOptions,
  keySetUrl: `${iss}/jwks`,
  algorithm: 'ES384',
  keySet: (key, { next }) => ({
    keys: [
      { use: 'sig', alg: 'ES384', ...key },
      { use: 'sig', alg: 'ES384', ...next },
    ],
  }),
  header: { typ: 'at+jwt', kid: 'x3YbQ' },
  claims: {
    jti: 'j1',
    sub: 'aauqbb63vg4s',
    iat: now,
    exp: now + 3_600,
    scope: 'read:notes',
    client_id: 'cli1abc2def',
    iss,
    aud: 'https://api.example.test',
    organization_id: 'org1',
  },
  userId: 'aauqbb63vg4s',
  refused: {
    'the ID token of the same sign-in': {
      header: { typ: undefined },
      claims: { aud: 'cli1abc2def', client_id: undefined },
      code: audience,
    },
    'an ID token of an application named like the API': { header: { typ: 'JWT' }, code: claim },
    'a token for an organisation': { claims: { aud: 'urn:logto:organization:org1' }, code: audience },
    'client credentials': { claims: { sub: 'cli1abc2def' }, code: claim },
    'a token of another tenant': { claims: { iss: 'https://other.logto.app/oidc' }, code: issuer },
    'the endpoint as issuer': { claims: { iss: 'https://acme.logto.app' }, code: issuer },
  },
  accepted: {
    'a token for an organisation that is named': {
      options: { audience: 'urn:logto:organization:org1' },
      claims: { aud: 'urn:logto:organization:org1' },
    },
    'client credentials where they are asked for': {
      options: { machines: true },
      claims: { sub: 'cli1abc2def' },
    },
    'the long form of the type': { header: { typ: 'application/at+jwt' } },
  },
  wrong: [
    [{ endpoint: undefined }, '"endpoint" must be a URL such as https://acme.logto.app'],
    [{ endpoint: 'https://acme.logto.app/' }, '"endpoint" must be a URL such as'],
    [{ endpoint: iss }, '"endpoint" must be an origin such as'],
    [{ endpoint: 'http://acme.logto.app' }, '"endpoint" must be https'],
    [{ audience: undefined }, '"audience" must be the indicator of your API resource'],
  ],
};
