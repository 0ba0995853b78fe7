import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { createVerifier, oidc, type OidcOptions, type Verifier } from '../../../../src/jwt/index.ts';
import { discoverKeySet } from '../../../../src/jwt/discover-key-set.ts';
import { type Answer, json, type KeyServer, startKeyServer, status } from '../key-server.ts';
import { createSigner, frozenClock, type Signer } from '../signer.ts';

const audience = 'https://api.example.test';
const discoveryPath = '/.well-known/openid-configuration';

let signer: Signer;
let server: KeyServer;
let clock: ReturnType<typeof frozenClock>;
let document: unknown;
let answers: Record<string, Answer>;

beforeAll(async () => {
  signer = await createSigner('ES256');
});
beforeEach(async () => {
  server = await startKeyServer();
  clock = frozenClock();
  document = { issuer: server.origin, jwks_uri: `${server.origin}/keys`, scopes_supported: ['openid'] };
  answers = { '/keys': json({ keys: [signer.publicJwk] }) };
  server.answer((request, response) => {
    const path = request.url ?? '';
    const answer = answers[path] ?? (path === discoveryPath ? json(document) : status(404));
    answer(request, response);
  });
});
afterEach(() => server.close());

function verifier(options: Partial<OidcOptions> = {}): Verifier {
  const provider = oidc({ issuer: server.origin, audience, name: 'acme', ...options });
  return createVerifier({ providers: [provider], now: clock.now, cacheSize: 0 });
}

function token(claims: Record<string, unknown> = {}, header: Record<string, unknown> = {}): Promise<string> {
  return signer.sign({ iss: server.origin, aud: audience, client_id: 'web', ...claims }, header);
}

function refusal(verification: Promise<unknown>): Promise<unknown> {
  return verification.then(
    () => 'accepted',
    (error: { readonly code?: string; readonly message: string }) => `${error.code}: ${error.message}`,
  );
}

describe('oidc', () => {
  it('finds the keys by the discovery document, at the first token', async () => {
    const one = verifier();
    expect(server.requests).toEqual([]);
    await expect(one.verify(await token())).resolves.toMatchObject({ claims: { client_id: 'web' } });
    expect(server.requests).toEqual([discoveryPath, '/keys']);
  });

  it('fetches both documents once for 200 first tokens at the same time', async () => {
    const one = verifier();
    const tokens = await Promise.all(Array.from({ length: 200 }, (_, n) => token({ n })));
    await Promise.all(tokens.map((each) => one.verify(each)));
    expect(server.requests).toEqual([discoveryPath, '/keys']);
  });

  it('follows the keys when the document says that they have moved', async () => {
    const one = verifier();
    await one.verify(await token());
    const next = await createSigner('ES256', 'next');
    document = { issuer: server.origin, jwks_uri: `${server.origin}/moved` };
    answers = { '/moved': json({ keys: [next.publicJwk] }) };
    await one.verify(await next.sign({ iss: server.origin, aud: audience }));
    expect(server.requests.slice(2)).toEqual([discoveryPath, '/moved']);
  });

  it('takes an issuer with a path, and one with a slash at its end', async () => {
    for (const path of ['/realms/acme', '/']) {
      const issuer = `${server.origin}${path}`;
      document = { issuer, jwks_uri: `${server.origin}/keys` };
      answers[`${path === '/' ? '' : path}${discoveryPath}`] = json(document);
      await verifier({ issuer }).verify(await token({ iss: issuer }));
    }
  });

  it.each<[string, RegExp, (origin: string) => unknown]>([
    [
      'another issuer',
      /names another issuer/,
      (o) => ({ issuer: 'https://evil.test', jwks_uri: `${o}/keys` }),
    ],
    ['the issuer with a slash', /names another issuer/, (o) => ({ issuer: `${o}/`, jwks_uri: `${o}/keys` })],
    ['no issuer', /names another issuer/, (o) => ({ jwks_uri: `${o}/keys` })],
    ['no key set', /does not say where/, (o) => ({ issuer: o })],
    ['a key set that is no URL', /does not say where/, (o) => ({ issuer: o, jwks_uri: '/keys' })],
    ['keys over http', /do not come over https/, (o) => ({ issuer: o, jwks_uri: 'http://keys.test/keys' })],
    ['keys in a file', /do not come over https/, (o) => ({ issuer: o, jwks_uri: 'file:///etc/passwd' })],
    ['credentials', /do not come over https/, (o) => ({ issuer: o, jwks_uri: 'https://me:pw@keys.test/' })],
    ['no object', /is not a JSON object/, () => 'keys'],
    ['null', /is not a JSON object/, () => null],
  ])('refuses a discovery document with %s', async (_, message, make) => {
    document = make(server.origin);
    const said = await refusal(verifier().verify(await token()));
    expect(said).toMatch(/^ERR_KEY_SET_INVALID: the discovery document of "acme"/);
    expect(said).toMatch(message);
    expect(server.requests).toEqual([discoveryPath]);
  });

  it.each<[string, RegExp, Answer]>([
    ['a redirect', /^ERR_KEY_SET_UNREACHABLE: .*redirect/, status(302, { location: '/elsewhere' })],
    ['status 500', /^ERR_KEY_SET_UNREACHABLE: .*status 500/, status(500)],
    ['HTML', /^ERR_KEY_SET_INVALID: .*not JSON/, status(200)],
    ['64 KiB and more', /^ERR_KEY_SET_INVALID: .*larger than 65536/, json({ padding: 'x'.repeat(65_536) })],
  ])('does not accept %s for a discovery document', async (_, said, answer) => {
    answers[discoveryPath] = answer;
    expect(await refusal(verifier().verify(await token()))).toMatch(said);
    expect(server.requests).toEqual([discoveryPath]);
  });

  it('gives up a discovery document that does not come', async () => {
    answers[discoveryPath] = () => {};
    const discovery = { name: 'acme', issuer: server.origin, fetch: globalThis.fetch, timeoutMs: 20 };
    expect(await refusal(discoverKeySet(discovery))).toMatch(/^ERR_KEY_SET_UNREACHABLE: .* 20 ms/);
  });

  it('does not ask again for 5 s after a failure', async () => {
    const one = verifier();
    answers[discoveryPath] = status(500);
    const good = await token({ exp: clock.now() / 1000 + 600 });
    await refusal(one.verify(good));
    await refusal(one.verify(good));
    expect(server.requests).toHaveLength(1);
    delete answers[discoveryPath];
    clock.advance(5_000);
    await one.verify(good);
  });

  it('tells the tokens of people for this API from others', async () => {
    const one = verifier();
    await one.verify(await token({}, { typ: 'at+jwt' }));
    await one.verify(await token({}, { typ: 'JWT' }));
    expect(await refusal(one.verify(await token({ aud: 'web' })))).toMatch(/^ERR_TOKEN_AUDIENCE/);
    expect(await refusal(one.verify(await token({ sub: 'web' })))).toMatch(/^ERR_TOKEN_CLAIM/);
    expect(await refusal(one.verify(await token({}, { typ: 'logout+jwt' })))).toMatch(/^ERR_TOKEN_CLAIM/);
    await verifier({ machines: true }).verify(await token({ sub: 'web' }));
    await verifier({ audience: null }).verify(await token({ aud: undefined }));
    const { claims } = await verifier({ userIdClaim: 'uid' }).verify(await token({ uid: 'u1' }));
    expect(claims['sub']).toBe('u1');
  });

  it.each([
    ['issuer', { issuer: undefined }],
    ['issuer', { issuer: 'login.acme.test' }],
    ['issuer', { issuer: 'http://login.acme.test' }],
    ['issuer', { issuer: 'https://me:pw@login.acme.test' }],
    ['issuer', { issuer: 'https://login.acme.test/?a=b' }],
    ['issuer', { issuer: ['https://login.acme.test'] }],
    ['audience', { audience: undefined }],
    ['audience', { audience: '' }],
    ['machines', { machines: 'yes' }],
    ['algorithms', { algorithms: ['HS256'] }],
    ['jwksUrl', { jwksUrl: 'https://login.acme.test/keys' }],
  ])('names %s when that is wrong in %j', (option, wrong) => {
    const options = { issuer: 'https://login.acme.test', audience, ...wrong };
    // @ts-expect-error a program in JavaScript can pass anything
    const make = (): unknown => oidc(options);
    expect(make).toThrow(TypeError);
    expect(make).toThrow(`"${option}"`);
  });
});
