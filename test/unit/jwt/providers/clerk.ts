import { clerk, type ClerkOptions } from '../../../../src/jwt/index.ts';
import { claim, type Conformance, now } from './conformance.ts';

const options: ClerkOptions = {
  domain: 'clerk.example.test',
  authorizedParties: ['https://app.example.test', 'https://admin.example.test'],
};

export const clerkCase: Conformance = {
  preset: clerk,
  options,
  keySetUrl: 'https://clerk.example.test/.well-known/jwks.json',
  algorithm: 'RS256',
  keySet: (key) => ({ keys: [{ use: 'sig', alg: 'RS256', ...key }] }),
  header: { kid: 'ins_2gH', typ: 'JWT', cat: 'cl_B7d4PD111AAA' },
  claims: {
    azp: 'https://app.example.test',
    exp: now + 60,
    fva: [3, -1],
    iat: now,
    iss: 'https://clerk.example.test',
    jti: '8f1c',
    nbf: now - 10,
    o: { id: 'org_2aB', rol: 'admin', slg: 'acme', per: 'read,manage', fpm: '3' },
    fea: 'o:notes',
    pla: 'u:free,o:pro',
    sid: 'sess_2cD',
    sts: 'active',
    sub: 'user_2eFgHiJk',
    v: 2,
  },
  userId: 'user_2eFgHiJk',
  refused: {
    'a session of another site': { claims: { azp: 'https://evil.example.test' }, code: claim },
    'a session without azp': { claims: { azp: undefined }, code: claim },
    'a session that is not complete': { claims: { sts: 'pending' }, code: claim },
    'a machine token': { header: { cat: 'cl_B7d4PD333AAA' }, claims: { sub: 'mch_2eF' }, code: claim },
    'a machine token without category': {
      header: { cat: undefined },
      claims: { sub: 'mch_2eF', aud: ['mch_2eG'], azp: undefined },
      code: claim,
    },
    'a machine token in the clothes of a session': { claims: { sub: 'mch_2eF' }, code: claim },
    'an OAuth access token': { header: { typ: 'at+jwt', cat: undefined }, code: claim },
    'a template token': { header: { cat: 'cl_B7d4PD222AAA' }, code: claim },
    'a token of a category that is not known': { header: { cat: 'cl_B7d4PD444AAA' }, code: claim },
  },
  accepted: {
    'a session of the first version': {
      header: { cat: undefined },
      claims: { v: undefined, o: undefined, org_id: 'org_2aB', org_role: 'org:admin' },
    },
    'a session without azp where nobody asks': {
      options: { authorizedParties: null },
      claims: { azp: undefined },
    },
    'a session of a browser extension': {
      options: { authorizedParties: 'chrome-extension://abcdefgh' },
      claims: { azp: 'chrome-extension://abcdefgh' },
    },
    'a template token where one is asked for': {
      options: { templates: true },
      header: { cat: 'cl_B7d4PD222AAA' },
    },
    'a session that is not complete where that is asked for': {
      options: { pending: true },
      claims: { sts: 'pending' },
    },
  },
  wrong: [
    [{ domain: undefined }, '"domain" must be a host name such as clerk.example.com'],
    [{ domain: 'https://clerk.example.test' }, '"domain" must be a host name'],
    [{ domain: 'clerk.example.test/' }, '"domain" must be a host name'],
    [{ domain: 'pk_test_Y2xlcmsuZXhhbXBsZSQ' }, '"domain" must be a host name'],
    [{ domain: 'Clerk.Example.Test' }, '"domain" must be a host name'],
    [{ authorizedParties: undefined }, '"authorizedParties" is required'],
    [{ authorizedParties: [] }, '"authorizedParties" is required'],
    [{ authorizedParties: ['https://app.example.test/'] }, '"authorizedParties" must be made of origins'],
    [{ authorizedParties: 'app.example.test' }, '"authorizedParties" must be made of origins'],
    [{ templates: 'yes' }, '"templates" must be true or false'],
  ],
};
