import {
  base64url,
  CompactSign,
  generateKeyPair,
  exportJWK,
  importJWK,
  type CryptoKey,
  type JWK,
} from 'jose';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { isAuthorizeError } from '../../../../src/errors.ts';
import { createVerifier, type Fetch, type Provider, type Verifier } from '../../../../src/jwt/index.ts';
import { json, type KeyServer, startKeyServer } from '../key-server.ts';
import { encodeJson, signWithSecret } from '../signer.ts';
import { cases } from './cases.ts';
import { type Change, make, now } from './conformance.ts';

interface Pair {
  readonly privateKey: CryptoKey;
  readonly privateJwk: JWK;
  readonly jwk: JWK;
}

// One set of keys for all: making an RSA key is what takes time.
const own = new Map<string, Pair>();
const strange = new Map<string, Pair>();
let encryption: JWK;

async function createPair(algorithm: string): Promise<Pair> {
  const { privateKey, publicKey } = await generateKeyPair(algorithm, { extractable: true });
  return { privateKey, privateJwk: await exportJWK(privateKey), jwk: await exportJWK(publicKey) };
}

beforeAll(async () => {
  const algorithms = [
    ...new Set([...Object.values(cases).map(({ algorithm }) => algorithm), 'RS256', 'ES256']),
  ];
  await Promise.all(
    algorithms.flatMap((algorithm) => [
      createPair(algorithm).then((pair) => own.set(algorithm, pair)),
      createPair(algorithm).then((pair) => strange.set(algorithm, pair)),
    ]),
  );
  encryption = (await createPair('RSA-OAEP')).jwk;
});

function pairOf(pairs: ReadonlyMap<string, Pair>, algorithm: string): Pair {
  const pair = pairs.get(algorithm);
  if (pair === undefined) throw new Error(`no key for ${algorithm}`);
  return pair;
}

describe.each(Object.entries(cases))('%s', (_, one) => {
  let server: KeyServer;
  const asked: string[] = [];

  /** Leads the documented address to the loopback server, path and query as they are. */
  const fetch: Fetch = (url, init) => {
    asked.push(url);
    const { pathname, search } = new URL(url);
    return globalThis.fetch(`${server.origin}${pathname}${search}`, init);
  };

  beforeAll(async () => {
    server = await startKeyServer();
    const { jwk } = pairOf(own, one.algorithm);
    const body = one.keySet(
      { ...jwk, kid: String(one.header['kid']) },
      { next: { ...pairOf(strange, one.algorithm).jwk, kid: 'next' }, encryption },
    );
    const { pathname, search } = new URL(one.keySetUrl);
    server.answer((request, response) => {
      if (request.url === `${pathname}${search}`) json(body)(request, response);
      else response.writeHead(404).end();
    });
  });
  afterAll(() => server.close());

  function verifierOf(provider: Provider): Verifier {
    return createVerifier({ providers: [provider], fetch, now: () => now * 1000 });
  }

  const verifier = verifierOf(make(one));

  function headerOf(change: Change): Record<string, unknown> & { readonly alg: string } {
    return { alg: one.algorithm, ...one.header, ...change.header };
  }

  function sign(change: Change = {}, key?: CryptoKey): Promise<string> {
    return signText(JSON.stringify({ ...one.claims, ...change.claims }), change, key);
  }

  async function signText(payload: string, change: Change = {}, key?: CryptoKey): Promise<string> {
    const header = headerOf(change);
    return new CompactSign(new TextEncoder().encode(payload))
      .setProtectedHeader(header)
      .sign(key ?? (await signingKey(header.alg)), { crit: { 'urn:example:extension': true } });
  }

  /** The provider's own key; an RSA key can be used with other algorithms than its own. */
  async function signingKey(alg: string): Promise<CryptoKey> {
    const { privateKey, privateJwk } = pairOf(own, one.algorithm);
    if (alg === one.algorithm) return privateKey;
    const key = await importJWK(privateJwk, alg);
    if (key instanceof Uint8Array) throw new Error('not a private key');
    return key;
  }

  async function refusal(token: string): Promise<string> {
    try {
      await verifier.verify(token);
    } catch (error) {
      if (!isAuthorizeError(error)) throw error;
      const said = `${error.message} ${error.hint ?? ''}`;
      for (const value of Object.values(one.claims)) {
        if (typeof value === 'string' && value.length > 8) expect(said).not.toContain(value);
      }
      expect(said).not.toContain(token.slice(0, 40));
      return error.code;
    }
    return 'accepted';
  }

  it('accepts its token with the keys at the documented address', async () => {
    asked.length = 0;
    const identity = await verifierOf(make(one)).verify(await sign());
    expect(identity).toMatchObject({ role: 'authenticated', claims: { sub: one.userId } });
    expect(asked).toEqual([one.keySetUrl]);
  });

  it.each(Object.entries(one.accepted))('accepts %s', async (_name, { options, ...change }) => {
    await expect(verifierOf(make(one, options)).verify(await sign(change))).resolves.toMatchObject({
      role: 'authenticated',
    });
  });

  it.each(Object.entries(one.refused))('refuses %s', async (_name, { code, ...change }) => {
    expect(await refusal(await sign(change))).toBe(code);
  });

  it('has no rule that none of these tokens needs', async () => {
    const provider = make(one);
    const tokens = await Promise.all(Object.values(one.refused).map((change) => sign(change)));
    for (const dropped of one.wrong.length === 0 ? [] : provider.rules) {
      // The user id is needed anyway; this rule has a hint of its own.
      if (dropped.must === 'be present' && dropped.claim[0] === provider.userIdClaim) continue;
      const rules = provider.rules.filter((rule) => rule !== dropped);
      const lax = verifierOf({ ...provider, rules, maxLifetimeSeconds: null });
      const accepted = await Promise.allSettled(tokens.map((token) => lax.verify(token)));
      expect(
        accepted.some(({ status }) => status === 'fulfilled'),
        JSON.stringify(dropped),
      ).toBe(true);
    }
  });

  it('refuses each other issuer, a slash more or less included', async () => {
    const iss = String(one.claims['iss']);
    for (const other of [`${iss}/`, iss.replace(/\/$/, ''), iss.toUpperCase(), `${iss}.evil.test`, '', 7]) {
      if (make(one).issuers.some((known) => known === other)) continue;
      expect(await refusal(await sign({ claims: { iss: other } })), String(other)).toMatch(
        /^ERR_(?:TOKEN_ISSUER|PROVIDER_UNKNOWN)$/,
      );
    }
    expect(await refusal(await sign({ claims: { iss: undefined } }))).toBe('ERR_TOKEN_ISSUER');
    expect(await refusal(await sign({ claims: { iss: [iss] } }))).toBe('ERR_TOKEN_ISSUER');
  });

  it('refuses an audience that is missing or for others, and finds its own among several', async () => {
    const { audiences } = make(one);
    if (audiences === null) return;
    for (const aud of [undefined, 'other', ['other', 'another'], [], '', 7, { 0: audiences[0] }]) {
      expect(await refusal(await sign({ claims: { aud } })), JSON.stringify(aud)).toBe('ERR_TOKEN_AUDIENCE');
    }
    await verifier.verify(await sign({ claims: { aud: ['other', audiences[0]] } }));
  });

  it('refuses a token that is not signed, or signed with what everybody knows', async () => {
    const payload = encodeJson(one.claims);
    for (const alg of ['none', 'None', 'NONE']) {
      const unsigned = `${encodeJson({ ...one.header, alg })}.${payload}.`;
      expect(await refusal(unsigned), alg).toBe('ERR_TOKEN_ALGORITHM');
    }
    const secrets = [
      JSON.stringify(pairOf(own, one.algorithm).jwk),
      String(pairOf(own, one.algorithm).jwk.n ?? pairOf(own, one.algorithm).jwk.x),
    ];
    for (const secret of secrets) {
      const key = new TextEncoder().encode(secret);
      const token = await signWithSecret(key, one.claims, { ...one.header, alg: 'HS256' });
      expect(await refusal(token)).toBe('ERR_TOKEN_ALGORITHM');
    }
  });

  it('refuses the signature of a stranger, whatever key the header names or brings along', async () => {
    const stranger = pairOf(strange, one.algorithm);
    asked.length = 0;
    const urls = { jku: `${server.origin}/evil.json`, x5u: `${server.origin}/evil.pem` };
    for (const header of [{}, { jwk: stranger.jwk }, urls, { x5c: ['MIIC'] }]) {
      const token = await sign({ header }, stranger.privateKey);
      expect(await refusal(token), JSON.stringify(header)).toBe('ERR_TOKEN_SIGNATURE');
    }
    expect(asked.every((url) => url === one.keySetUrl)).toBe(true);
  });

  it('refuses a kid that no key has, and an algorithm that the keys are not for', async () => {
    for (const kid of ['nobody', '../../etc/passwd', '']) {
      expect(await refusal(await sign({ header: { kid } })), kid).toMatch(/^ERR_TOKEN_(?:SIGNATURE|CLAIM)$/);
    }
    const other = one.algorithm === 'ES256' ? 'RS256' : 'ES256';
    const signed = await sign({ header: { alg: other } }, pairOf(own, other).privateKey);
    expect(await refusal(signed)).toMatch(/^ERR_TOKEN_(?:ALGORITHM|SIGNATURE)$/);
  });

  it('refuses an extension that must be understood, and a token that is no JWT', async () => {
    const header = { crit: ['urn:example:extension'], 'urn:example:extension': true };
    expect(await refusal(await sign({ header }))).toBe('ERR_TOKEN_MALFORMED');
    const good = await sign();
    const [head = '', body = '', signature = ''] = good.split('.');
    const broken = [
      `${head}.${body}`,
      `${head}.${body}.${signature}.`,
      `${head}.${body}=.${signature}`,
      `${head}.%${body.slice(1)}.${signature}`,
      `${base64url.encode('{"alg":')}.${body}.${signature}`,
      `${head}.${body}.${signature} `,
      `Bearer ${good}`,
      await sign({ claims: { padding: 'x'.repeat(9 * 1024) } }),
      await signText('[]'),
      await signText('{"iss":'),
    ];
    for (const token of broken) expect(await refusal(token), token.slice(0, 20)).toBe('ERR_TOKEN_MALFORMED');
  });

  it('judges a payload that names a claim twice by what comes last, as Postgres will', async () => {
    const text = JSON.stringify(one.claims);
    const twice = await signText(text.replace(/\}$/, ',"iss":"https://evil.test"}'));
    expect(await refusal(twice)).toBe('ERR_TOKEN_ISSUER');
  });

  it('refuses times that are past, to come, or absurd', async () => {
    const times: readonly (readonly [Record<string, unknown>, string])[] = [
      [{ exp: now - 3_600, iat: now - 3_900, nbf: undefined }, 'ERR_TOKEN_EXPIRED'],
      [{ nbf: now + 3_600 }, 'ERR_TOKEN_NOT_YET_VALID'],
      [{ iat: now + 120, exp: now + 180 }, 'ERR_TOKEN_NOT_YET_VALID'],
      [{ exp: undefined }, 'ERR_TOKEN_CLAIM'],
      [{ exp: null }, 'ERR_TOKEN_CLAIM'],
      [{ exp: String(now + 60) }, 'ERR_TOKEN_CLAIM'],
      [{ exp: 1e300 }, 'ERR_TOKEN_CLAIM'],
      [{ iat: '0' }, 'ERR_TOKEN_CLAIM'],
      [{ nbf: [] }, 'ERR_TOKEN_CLAIM'],
    ];
    for (const [claims, code] of times) {
      expect(await refusal(await sign({ claims })), JSON.stringify(claims)).toBe(code);
    }
    const endless = JSON.stringify(one.claims).replace(/"exp":\d+/, '"exp":1e999');
    expect(await refusal(await signText(endless))).toBe('ERR_TOKEN_CLAIM');
    const { maxLifetimeSeconds } = make(one);
    if (maxLifetimeSeconds === null) return;
    for (const iat of [now, undefined]) {
      const claims = { iat, exp: now + maxLifetimeSeconds + 60 };
      expect(await refusal(await sign({ claims }))).toBe('ERR_TOKEN_CLAIM');
    }
  });

  it('refuses a user id that is missing or no text', async () => {
    const { userIdClaim } = make(one);
    for (const id of [undefined, null, '', 7, true, ['x'], { id: 'x' }]) {
      expect(await refusal(await sign({ claims: { [userIdClaim]: id } })), JSON.stringify(id)).toBe(
        'ERR_TOKEN_CLAIM',
      );
    }
  });

  it.each(one.wrong)('refuses %j at once and says: %s', (options, expected) => {
    expect(() => make(one, options)).toThrow(TypeError);
    expect(() => make(one, options)).toThrow(expected);
  });

  it('takes no option that it does not know, and keys from a safe address only', () => {
    expect(() => make(one, { audiences: 'x' })).toThrow('"audiences"');
    for (const unsafe of ['http://keys.example.test', 'https://me:secret@keys.example.test', 'keys', 7]) {
      expect(() => make(one, { jwksUrl: unsafe }), String(unsafe)).toThrow('"jwksUrl"');
    }
    expect(make(one, { jwksUrl: `${server.origin}/jwks`, name: 'ours' })).toMatchObject({
      name: 'ours',
      keys: { jwksUrl: new URL(`${server.origin}/jwks`) },
    });
    // @ts-expect-error a program in JavaScript can forget them
    expect(() => one.preset()).toThrow(TypeError);
  });

  it('is frozen data', () => {
    expect(isDeeplyFrozen(make(one))).toBe(true);
  });
});

function isDeeplyFrozen(value: unknown): boolean {
  if (typeof value !== 'object' || value === null || value instanceof URL) return true;
  return Object.isFrozen(value) && Object.values(value).every(isDeeplyFrozen);
}
