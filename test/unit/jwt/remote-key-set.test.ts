import { once } from 'node:events';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { KeySetError } from '../../../src/errors.ts';
import { createVerifier, jwks, type Verifier } from '../../../src/jwt/index.ts';
import { createRemoteKeySet } from '../../../src/jwt/remote-key-set.ts';
import { type Answer, json, type KeyServer, startKeyServer, status } from './key-server.ts';
import { createSigner, frozenClock, issuer, type Signer, startSeconds } from './signer.ts';

const minute = 60_000;

let first: Signer;
let second: Signer;
let server: KeyServer;
let clock: ReturnType<typeof frozenClock>;

beforeAll(async () => {
  [first, second] = await Promise.all([createSigner('ES256', 'first'), createSigner('ES256', 'second')]);
});
beforeEach(async () => {
  server = await startKeyServer(first.publicJwk);
  clock = frozenClock();
});
afterEach(() => server.close());

/** Remembers no tokens, so that every verification needs the keys. */
function verifier(): Verifier {
  const providers = [jwks({ url: server.url, issuer, name: 'acme' })];
  return createVerifier({ providers, now: clock.now, cacheSize: 0 });
}

/** A token that outlives these tests. */
function tokenOf(signer: Signer, claims: Record<string, unknown> = {}): Promise<string> {
  return signer.sign({ exp: startSeconds + 86_400, ...claims });
}

function codeOf(verification: Promise<unknown>): Promise<unknown> {
  return verification.then(
    () => 'accepted',
    (error: unknown) => (error instanceof Error && 'code' in error ? error.code : error),
  );
}

describe('a key set at a URL', () => {
  it('is not fetched before the first token', () => {
    verifier();
    expect(server.requests).toHaveLength(0);
  });

  it('is fetched once for 1,000 different first tokens at the same time', async () => {
    const one = verifier();
    const tokens = await Promise.all(Array.from({ length: 1_000 }, (_, n) => tokenOf(first, { n })));
    await Promise.all(tokens.map((token) => one.verify(token)));
    expect(server.requests).toHaveLength(1);
  });

  it('is fetched by a GET that follows nothing and asks for JSON', async () => {
    let seen: unknown;
    server.answer((request, response) => {
      seen = { method: request.method, accept: request.headers.accept };
      json({ keys: [first.publicJwk] })(request, response);
    });
    await verifier().verify(await tokenOf(first));
    expect(seen).toEqual({ method: 'GET', accept: 'application/json, application/jwk-set+json' });
  });

  it('is fetched with the fetch of the host', async () => {
    const asked: string[] = [];
    const one = createVerifier({
      providers: [jwks({ url: 'https://keys.test/set', issuer })],
      now: clock.now,
      fetch: async (url) => {
        asked.push(url);
        return Response.json({ keys: [first.publicJwk] });
      },
    });
    await one.verify(await tokenOf(first));
    expect(asked).toEqual(['https://keys.test/set']);
  });
});

describe('a key that is not in the set', () => {
  it('is looked for once, however many tokens name it', async () => {
    const one = verifier();
    await one.verify(await tokenOf(first));
    const strange = await Promise.all(Array.from({ length: 200 }, (_, n) => tokenOf(second, { n })));
    const codes = await Promise.all(strange.map((token) => codeOf(one.verify(token))));
    expect(new Set(codes)).toEqual(new Set(['ERR_TOKEN_SIGNATURE']));
    expect(server.requests).toHaveLength(2);
    for (const token of strange) await codeOf(one.verify(token));
    expect(server.requests).toHaveLength(2);
  });

  it('is looked for again after 30 seconds', async () => {
    const one = verifier();
    await one.verify(await tokenOf(first));
    const strange = await tokenOf(second);
    await codeOf(one.verify(strange));
    clock.advance(29_999);
    await codeOf(one.verify(strange));
    expect(server.requests).toHaveLength(2);
    clock.advance(1);
    await codeOf(one.verify(strange));
    expect(server.requests).toHaveLength(3);
  });

  it('is looked for five times in 30 seconds when every token names another', async () => {
    const one = verifier();
    await one.verify(await tokenOf(first));
    const naming = (kid: string): Promise<string> => second.sign({ exp: startSeconds + 86_400 }, { kid });
    for (let n = 0; n < 50; n += 1) await codeOf(one.verify(await naming(`stray-${n}`)));
    expect(server.requests).toHaveLength(6);
    clock.advance(30_000);
    for (let n = 0; n < 50; n += 1) await codeOf(one.verify(await naming(`later-${n}`)));
    expect(server.requests).toHaveLength(11);
  });

  it('does not keep out a new one that a token names a moment later', async () => {
    const one = verifier();
    await one.verify(await tokenOf(first));
    const stray = await second.sign({}, { kid: 'stray' });
    for (let n = 0; n < 10; n += 1) await codeOf(one.verify(stray));
    server.publish(first.publicJwk, second.publicJwk);
    await one.verify(await tokenOf(second));
    expect(server.requests).toHaveLength(3);
  });

  it('is found at once however often the provider makes a new one', async () => {
    const one = verifier();
    const signers = await Promise.all([1, 2, 3, 4].map((n) => createSigner('ES256', `next-${n}`)));
    await one.verify(await tokenOf(first));
    const published = [first.publicJwk];
    for (const signer of signers) {
      published.push(signer.publicJwk);
      server.publish(...published);
      await one.verify(await tokenOf(signer));
    }
    expect(server.requests).toHaveLength(5);
  });

  it('is found when it was made while the keys were already on their way', async () => {
    const third = await createSigner('ES256', 'third');
    const one = verifier();
    await one.verify(await tokenOf(first));
    let release = (): void => {};
    const asked = new Promise<void>((resolve) => {
      server.answer((request, response) => {
        release = () => json({ keys: [first.publicJwk, second.publicJwk] })(request, response);
        resolve();
      });
    });
    const before = one.verify(await tokenOf(second));
    await asked;
    // The answer has left, so to speak, when the provider makes the next key.
    server.publish(first.publicJwk, second.publicJwk, third.publicJwk);
    const after = Promise.all([1, 2, 3].map(async (n) => one.verify(await tokenOf(third, { n }))));
    // Lets these tokens come before the answer does.
    await one.verify(await tokenOf(first));
    release();
    await before;
    await after;
    expect(server.requests).toHaveLength(3);
  });

  it('is not looked for in keys that were fetched for this very token', async () => {
    expect(await codeOf(verifier().verify(await tokenOf(second)))).toBe('ERR_TOKEN_SIGNATURE');
    expect(server.requests).toHaveLength(1);
  });

  it('is found when the provider has changed its keys, and the old one is gone', async () => {
    const one = verifier();
    await one.verify(await tokenOf(first));
    server.publish(second.publicJwk);
    await one.verify(await tokenOf(second));
    for (let n = 0; n < 5; n += 1) {
      expect(await codeOf(one.verify(await tokenOf(first)))).toBe('ERR_TOKEN_SIGNATURE');
    }
    // One search for the new key and, once, one for the old.
    expect(server.requests).toHaveLength(3);
  });

  it('does not cost the known keys if the provider is down when it is looked for', async () => {
    const one = verifier();
    await one.verify(await tokenOf(first));
    server.answer(status(500));
    expect(await codeOf(one.verify(await tokenOf(second)))).toBe('ERR_KEY_SET_UNREACHABLE');
    await one.verify(await tokenOf(first));
    expect(server.requests).toHaveLength(2);
  });
});

describe('a key set that gets old', () => {
  it('is fetched again after ten minutes, and nobody waits for it', async () => {
    const one = verifier();
    const token = await tokenOf(first);
    await one.verify(token);
    clock.advance(10 * minute);
    await one.verify(token);
    expect(server.requests).toHaveLength(1);

    clock.advance(1);
    let release = (): void => {};
    const asked = new Promise<void>((resolve) => {
      server.answer((request, response) => {
        release = () => json({ keys: [second.publicJwk] })(request, response);
        resolve();
      });
    });
    // The server does not answer, and the token is accepted all the same.
    await one.verify(token);
    await asked;
    await one.verify(token);
    expect(server.requests).toHaveLength(2);

    release();
    // Joins the fetch in flight.
    await one.verify(await tokenOf(second));
    expect(server.requests).toHaveLength(2);
    server.publish(second.publicJwk);
    expect(await codeOf(one.verify(token))).toBe('ERR_TOKEN_SIGNATURE');
  });

  it.each<[string, Record<string, string>, number]>([
    ['max-age', { 'cache-control': 'public, max-age=240' }, 4],
    ['max-age in quotes and capitals', { 'cache-control': 'Public , MAX-AGE = "240"' }, 4],
    ['the first of two', { 'cache-control': 'max-age=240, max-age=540' }, 4],
    ['what a cache on the way has used up of it', { 'cache-control': 'max-age=600', age: '360' }, 4],
    ['no less than a minute, for max-age=0', { 'cache-control': 'max-age=0' }, 1],
    ['no less than a minute, past its age', { 'cache-control': 'max-age=60', age: '999' }, 1],
    ['no less than a minute, for no-store', { 'cache-control': 'no-store, max-age=540' }, 1],
    ['no less than a minute, for no-cache', { 'cache-control': 'private, no-cache="x"' }, 1],
    ['no more than ten, for a year', { 'cache-control': 'max-age=31536000, immutable' }, 10],
    ['no more than ten, for digits without end', { 'cache-control': `max-age=${'9'.repeat(400)}` }, 10],
    ['ten for what is no time', { 'cache-control': 'max-age=-1, s-maxage=5, x-max-age=5' }, 10],
    ['ten for a name inside another', { 'cache-control': 'stale-while-revalidate=5, notmax-age=5' }, 10],
    ['ten without a word', {}, 10],
  ])('keeps to the Cache-Control of its answer: %s', async (_, headers, minutes) => {
    server.answer(json({ keys: [first.publicJwk] }, headers));
    const one = verifier();
    const token = await tokenOf(first);
    await one.verify(token);
    clock.advance(minutes * minute);
    await one.verify(token);
    expect(server.requests).toHaveLength(1);

    clock.advance(1);
    const asked = new Promise<void>((resolve) => server.answer(() => resolve()));
    await one.verify(token);
    await asked;
    expect(server.requests).toHaveLength(2);
  });

  it('serves for an hour while the provider is down, and then no longer', async () => {
    const one = verifier();
    const token = await tokenOf(first);
    await one.verify(token);
    server.answer(status(503));
    for (let passed = 0; passed < 60; passed += 1) {
      clock.advance(minute);
      await one.verify(token);
    }
    clock.advance(1);
    expect(await codeOf(one.verify(token))).toBe('ERR_KEY_SET_UNREACHABLE');

    server.publish(first.publicJwk);
    clock.advance(5_000);
    await one.verify(token);
  });

  it('is not replaced by one without keys', async () => {
    const one = verifier();
    const token = await tokenOf(first);
    await one.verify(token);
    server.publish();
    clock.advance(10 * minute + 1);
    await one.verify(token);
    expect(await codeOf(one.verify(await tokenOf(second)))).toBe('ERR_KEY_SET_INVALID');
    await one.verify(token);
  });
});

describe('a fetch that failed', () => {
  it('is not repeated for five seconds, in which everybody gets the same error', async () => {
    server.answer(status(500));
    const one = verifier();
    const token = await tokenOf(first);
    const error: unknown = await one.verify(token).catch((failure: unknown) => failure);
    expect(error).toBeInstanceOf(KeySetError);
    clock.advance(4_999);
    await expect(one.verify(token)).rejects.toBe(error);
    expect(server.requests).toHaveLength(1);

    server.publish(first.publicJwk);
    clock.advance(1);
    await one.verify(token);
    expect(server.requests).toHaveLength(2);
  });

  it('is shared by all who wait for it', async () => {
    server.answer(status(500));
    const one = verifier();
    const tokens = await Promise.all(Array.from({ length: 50 }, (_, n) => tokenOf(first, { n })));
    const codes = await Promise.all(tokens.map((token) => codeOf(one.verify(token))));
    expect(new Set(codes)).toEqual(new Set(['ERR_KEY_SET_UNREACHABLE']));
    expect(server.requests).toHaveLength(1);
  });

  it('does not use up the search for an unknown key', async () => {
    const one = verifier();
    await one.verify(await tokenOf(first));
    server.answer(status(500));
    clock.advance(10 * minute + 1);
    const strange = await tokenOf(second);
    expect(await codeOf(one.verify(strange))).toBe('ERR_KEY_SET_UNREACHABLE');
    expect(await codeOf(one.verify(strange))).toBe('ERR_KEY_SET_UNREACHABLE');
    server.publish(first.publicJwk);
    clock.advance(5_000);
    // Joins the refresh in the background, which is not a search of its own.
    expect(await codeOf(one.verify(strange))).toBe('ERR_TOKEN_SIGNATURE');
    server.publish(second.publicJwk);
    await one.verify(strange);
  });
});

describe('an answer that is no key set', () => {
  const answers: readonly (readonly [
    name: string,
    code: string,
    message: RegExp,
    answer: () => Answer | Promise<Answer>,
  ])[] = [
    ['status 500', 'ERR_KEY_SET_UNREACHABLE', /"acme".*status 500/, () => status(500)],
    ['status 404', 'ERR_KEY_SET_UNREACHABLE', /status 404/, () => status(404)],
    ['status 204', 'ERR_KEY_SET_UNREACHABLE', /status 204/, () => status(204)],
    [
      'a redirect',
      'ERR_KEY_SET_UNREACHABLE',
      /redirect, which is not followed/,
      () => status(302, { location: '/elsewhere' }),
    ],
    [
      'a connection that is cut',
      'ERR_KEY_SET_UNREACHABLE',
      /could not be fetched/,
      () => (request) => request.socket.destroy(),
    ],
    ['HTML', 'ERR_KEY_SET_INVALID', /is not JSON/, () => status(200, { 'content-type': 'text/html' })],
    ['an empty body', 'ERR_KEY_SET_INVALID', /is not JSON/, () => (_, response) => response.end()],
    ['a list', 'ERR_KEY_SET_INVALID', /is not a JSON Web Key Set/, () => json([first.publicJwk])],
    [
      'a map of PEM keys',
      'ERR_KEY_SET_INVALID',
      /is not a JSON Web Key Set/,
      () => json({ k1: '-----BEGIN' }),
    ],
    ['null', 'ERR_KEY_SET_INVALID', /is not a JSON Web Key Set/, () => json(null)],
    ['a set without keys', 'ERR_KEY_SET_INVALID', /has no keys in it/, () => json({ keys: [] })],
    [
      'a set of other keys',
      'ERR_KEY_SET_INVALID',
      /has no key for RS256, ES256/,
      () => json({ keys: [{ ...first.publicJwk, use: 'enc' }] }),
    ],
    [
      'a set of private keys',
      'ERR_KEY_SET_INVALID',
      /has no key for RS256, ES256/,
      () => json({ keys: [first.privateJwk] }),
    ],
    [
      'a set of an RSA key of 1,024 bits',
      'ERR_KEY_SET_INVALID',
      /has no key for RS256, ES256/,
      async () => json({ keys: [await weakRsaKey()] }),
    ],
    [
      'a body that is too large',
      'ERR_KEY_SET_INVALID',
      /larger than 65536 bytes/,
      () => json({ keys: [first.publicJwk], padding: 'x'.repeat(65_536) }),
    ],
  ];

  it.each(answers)('such as %s, is answered with %s', async (_, code, message, answer) => {
    server.answer(await answer());
    const error: unknown = await verifier()
      .verify(await tokenOf(first))
      .catch((failure: unknown) => failure);
    expect(error).toBeInstanceOf(KeySetError);
    expect(error).toMatchObject({ code, message: expect.stringMatching(message) as string });
    expect(server.requests).toEqual(['/jwks.json']);
  });

  it('is cut off while it is still arriving', async () => {
    let closed: Promise<unknown> | undefined;
    server.answer((_, response) => {
      closed = once(response, 'close');
      const write = (): void => {
        while (!response.destroyed && response.write('x'.repeat(16_384)));
      };
      response.on('drain', write);
      write();
    });
    expect(await codeOf(verifier().verify(await tokenOf(first)))).toBe('ERR_KEY_SET_INVALID');
    await closed;
  });

  it('is given up after the timeout, whether the head or the body is late', async () => {
    const slow: readonly Answer[] = [
      () => {},
      (_, response) => {
        response.write('{"keys":');
      },
    ];
    for (const answer of slow) {
      server.answer(answer);
      const find = createRemoteKeySet({
        name: 'acme',
        url: new URL(server.url),
        algorithms: ['ES256'],
        fetch: globalThis.fetch,
        now: clock.now,
        timeoutMs: 20,
      });
      await expect(find({ alg: 'ES256' })).rejects.toMatchObject({
        code: 'ERR_KEY_SET_UNREACHABLE',
        message: expect.stringContaining('20 ms') as string,
      });
    }
  });

  it('is given up even if the fetch of the host ignores the signal', async () => {
    const find = createRemoteKeySet({
      name: 'acme',
      url: new URL(server.url),
      algorithms: ['ES256'],
      fetch: () => new Promise(() => {}),
      now: clock.now,
      timeoutMs: 20,
    });
    // The timer of a signal does not keep Node alive; the test server does.
    await expect(find({ alg: 'ES256' })).rejects.toMatchObject({ code: 'ERR_KEY_SET_UNREACHABLE' });
  });
});

describe('keys that cannot be used', () => {
  it('are left out without spoiling the others', async () => {
    const [weak, edwards] = await Promise.all([weakRsaKey(), createSigner('EdDSA', 'edwards')]);
    server.answer(
      json({
        keys: [
          null,
          'key',
          {},
          { kty: 'EC', crv: 'P-256', kid: 'first' },
          { kty: 'EC', crv: 'P-256', kid: 'first', x: 'AA', y: 'AA' },
          { kty: 'RSA', kid: 'first', n: 'AA', e: 'AQAB' },
          { kty: 'oct', kid: 'first', k: 'c2VjcmV0' },
          { ...first.publicJwk, kid: 7 },
          { ...first.publicJwk, use: 'enc' },
          { ...first.publicJwk, key_ops: ['sign'] },
          { ...second.privateJwk, kid: 'first' },
          { kty: 'AKP', alg: 'ML-DSA-44', pub: 'AA', kid: 'first' },
          weak,
          edwards.publicJwk,
          first.publicJwk,
        ],
      }),
    );
    const one = verifier();
    await one.verify(await tokenOf(first));
    expect(await codeOf(one.verify(await second.sign({}, { kid: 'first' })))).toBe('ERR_TOKEN_SIGNATURE');
  });
});

async function weakRsaKey(): Promise<JsonWebKey> {
  const algorithm = {
    name: 'RSASSA-PKCS1-v1_5',
    hash: 'SHA-256',
    modulusLength: 1024,
    publicExponent: new Uint8Array([1, 0, 1]),
  };
  const { publicKey } = await crypto.subtle.generateKey(algorithm, true, ['sign', 'verify']);
  return { ...(await crypto.subtle.exportKey('jwk', publicKey)), alg: 'RS256' };
}
