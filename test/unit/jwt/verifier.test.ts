import { base64url, CompactSign, importJWK } from 'jose';
import { afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { isAuthorizeError, KeySetError, TokenError } from '../../../src/errors.ts';
import { createVerifier, customKeys, jwks, type Provider, type Verifier } from '../../../src/jwt/index.ts';
import { type Answer, json, type KeyServer, startKeyServer, status } from './key-server.ts';
import {
  createSigner,
  encodeJson,
  frozenClock,
  goodClaims,
  issuer,
  signWithSecret,
  type Signer,
  startSeconds,
} from './signer.ts';

let rsa: Signer;
let ec: Signer;
let stranger: Signer;
let server: KeyServer;
let clock: ReturnType<typeof frozenClock>;

beforeAll(async () => {
  [rsa, ec, stranger] = await Promise.all([
    createSigner('RS256'),
    createSigner('ES256'),
    createSigner('ES256', 'stranger'),
  ]);
});
beforeEach(async () => {
  server = await startKeyServer(rsa.publicJwk, ec.publicJwk);
  clock = frozenClock();
});
afterEach(() => server.close());

function provider(options: Partial<Parameters<typeof jwks>[0]> = {}): Provider {
  return jwks({ url: server.url, issuer, name: 'acme', ...options });
}

function verifier(...providers: readonly Provider[]): Verifier {
  return createVerifier({ providers: providers.length > 0 ? providers : [provider()], now: clock.now });
}

async function refusal(verification: Promise<unknown>): Promise<Error> {
  const answer: unknown = await verification.then(
    () => undefined,
    (error: unknown) => error,
  );
  if (!(answer instanceof Error)) throw new Error('the token was not refused');
  return answer;
}

/** An ES256 token whose payload is this text, properly signed. */
async function signText(payload: string): Promise<string> {
  return new CompactSign(new TextEncoder().encode(payload))
    .setProtectedHeader({ alg: 'ES256', kid: 'ES256-1' })
    .sign(await importJWK(ec.privateJwk, 'ES256'));
}

/** ES256 claims with a number that JSON.stringify cannot write. */
function signRaw(claim: string, number: string): Promise<string> {
  const text = JSON.stringify({ ...goodClaims(), [claim]: 'PLACEHOLDER' });
  return signText(text.replace('"PLACEHOLDER"', number));
}

describe('a good token', () => {
  it.each([
    ['RS256', () => rsa],
    ['ES256', () => ec],
  ])('signed with %s becomes an identity', async (_, signer) => {
    const token = await signer().sign({ org_id: 'org_1' });
    const identity = await verifier().verify(token);
    expect(identity).toEqual({
      role: 'authenticated',
      claims: goodClaims({ org_id: 'org_1' }),
      expiresAt: startSeconds + 60 + 30,
    });
  });

  it.each(['PS256', 'ES384', 'ES512', 'EdDSA', 'Ed25519'])(
    'signed with %s is accepted once that is named',
    async (alg) => {
      const signer = await createSigner(alg);
      server.publish(signer.publicJwk);
      const token = await signer.sign();
      expect(await refusal(verifier().verify(token))).toMatchObject({ code: 'ERR_TOKEN_ALGORITHM' });
      await expect(verifier(provider({ algorithms: [alg] })).verify(token)).resolves.toMatchObject({
        role: 'authenticated',
      });
    },
  );

  it('may call its algorithm Ed25519 where the key says EdDSA', async () => {
    const signer = await createSigner('EdDSA');
    server.publish(signer.publicJwk);
    const token = await signer.sign({}, { alg: 'Ed25519' });
    await verifier(provider({ algorithms: ['EdDSA', 'Ed25519'] })).verify(token);
  });

  it('may have no kid, and finds its key among several', async () => {
    const [first, second] = await Promise.all([
      createSigner('ES256', undefined),
      createSigner('ES256', undefined),
    ]);
    server.publish(first.publicJwk, second.publicJwk);
    await verifier().verify(await second.sign());
  });

  it('may share its kid with another key', async () => {
    const [first, second] = await Promise.all([createSigner('ES256', '1'), createSigner('ES256', '1')]);
    server.publish(first.publicJwk, second.publicJwk);
    await verifier().verify(await second.sign());
  });

  it('may have an audience that nobody asks for, or several of which one is asked for', async () => {
    await verifier().verify(await ec.sign({ aud: 'app' }));
    await verifier(provider({ audience: ['web', 'app'] })).verify(await ec.sign({ aud: ['other', 'app'] }));
  });

  it('is accepted until the tolerance after its exp has passed, and not a moment longer', async () => {
    const token = await ec.sign({ exp: startSeconds - 30 + 0.5 });
    const late = await ec.sign({ exp: startSeconds - 29 });
    expect(await refusal(verifier().verify(token))).toMatchObject({ code: 'ERR_TOKEN_EXPIRED' });
    const patient = verifier();
    await patient.verify(late);
    clock.advance(999);
    await patient.verify(late);
    clock.advance(1);
    expect(await refusal(patient.verify(late))).toMatchObject({ code: 'ERR_TOKEN_EXPIRED' });
  });

  it('may begin within the tolerance', async () => {
    await verifier().verify(await ec.sign({ nbf: startSeconds + 30, iat: startSeconds + 30 }));
  });

  it('is accepted without iat and nbf', async () => {
    await verifier().verify(await ec.sign({ iat: undefined }));
  });

  it('serves another role if the provider may issue for it', async () => {
    const token = await ec.sign();
    const twoRoles = verifier(provider({ roles: ['authenticated', 'editor'] }));
    expect(await twoRoles.verify(token, { role: 'editor' })).toMatchObject({ role: 'editor' });
    expect(await twoRoles.verify(token)).toMatchObject({ role: 'authenticated' });
  });

  it('has its claims frozen all the way down, however deep they are', async () => {
    const { claims } = await verifier().verify(await ec.sign({ o: { list: [{ deep: true }] } }));
    const o = claims['o'] as { list: [{ deep: boolean }] }; // as signed above
    expect(() => {
      o.list[0].deep = false;
    }).toThrow(TypeError);
    const nested = await signRaw('deep', `${'['.repeat(2_000)}${']'.repeat(2_000)}`);
    await verifier().verify(nested);
  });
});

describe('a refused token', () => {
  /** Each refusal: the code, the token, and the providers if it is not the usual one. */
  const refusals: readonly (readonly [
    name: string,
    code: string,
    token: () => string | Promise<string>,
    providers?: (() => readonly Provider[]) | undefined,
    role?: string,
  ])[] = [
    ['that is no JWT', 'ERR_TOKEN_MALFORMED', () => 'opaque-access-token-value'],
    ['of two parts', 'ERR_TOKEN_MALFORMED', async () => (await ec.sign()).replace(/\.[^.]*$/, '')],
    ['of five parts (JWE)', 'ERR_TOKEN_MALFORMED', () => 'eyJhbGciOiJkaXIifQ..aXY.Y2lwaGVy.dGFn'],
    ['with "Bearer" in front', 'ERR_TOKEN_MALFORMED', async () => `Bearer ${await ec.sign()}`],
    ['with a space behind it', 'ERR_TOKEN_MALFORMED', async () => `${await ec.sign()} `],
    ['of more than 8,192 bytes', 'ERR_TOKEN_MALFORMED', () => ec.sign({ padding: 'x'.repeat(8_192) })],
    ['whose header is not JSON', 'ERR_TOKEN_MALFORMED', () => `${base64url.encode('header-text')}.e30.c2ln`],
    ['whose header is a list', 'ERR_TOKEN_MALFORMED', () => `${encodeJson(['ES256'])}.e30.c2ln`],
    ['without alg', 'ERR_TOKEN_MALFORMED', () => `${encodeJson({ kid: 'ES256-1' })}.e30.c2ln`],
    ['whose payload is not JSON', 'ERR_TOKEN_MALFORMED', () => signText('subject-7f3a, honestly')],
    ['whose payload is a list', 'ERR_TOKEN_MALFORMED', () => signText('["subject-7f3a"]')],
    [
      'with a critical extension',
      'ERR_TOKEN_MALFORMED',
      () => `${encodeJson({ alg: 'ES256', kid: 'ES256-1', crit: ['ext-value'], 'ext-value': 1 })}.e30.c2ln`,
    ],
    [
      'with an unencoded payload (b64)',
      'ERR_TOKEN_MALFORMED',
      () => `${encodeJson({ alg: 'ES256', kid: 'ES256-1', crit: ['b64'], b64: false })}.e30.c2ln`,
    ],
    [
      'properly signed, with an extension that jose understands',
      'ERR_TOKEN_MALFORMED',
      () => ec.sign({}, { crit: ['b64'], b64: true }),
    ],
    [
      'with alg none',
      'ERR_TOKEN_ALGORITHM',
      () => `${encodeJson({ alg: 'none' })}.${encodeJson(goodClaims())}.`,
    ],
    [
      'with alg none and a signature',
      'ERR_TOKEN_ALGORITHM',
      () => `${encodeJson({ alg: 'None' })}.${encodeJson(goodClaims())}.c2ln`,
    ],
    [
      'signed with HS256 and the public key as the secret',
      'ERR_TOKEN_ALGORITHM',
      () => signWithSecret(new TextEncoder().encode(JSON.stringify(rsa.publicJwk))),
    ],
    [
      'signed with an algorithm that is not in the list',
      'ERR_TOKEN_ALGORITHM',
      () => rsa.sign(),
      () => [provider({ algorithms: ['ES256'] })],
    ],
    ['signed with an unknown key', 'ERR_TOKEN_SIGNATURE', () => stranger.sign()],
    [
      'signed by a stranger who names a key of the provider',
      'ERR_TOKEN_SIGNATURE',
      () => stranger.sign({}, { kid: 'ES256-1' }),
    ],
    [
      'whose kid is a path or a URL',
      'ERR_TOKEN_SIGNATURE',
      () => ec.sign({}, { kid: '../../../etc/passwd' }),
    ],
    [
      'whose kid is not text',
      'ERR_TOKEN_SIGNATURE',
      () => `${encodeJson({ alg: 'ES256', kid: 7 })}.e30.c2ln`,
    ],
    [
      'whose kid is that of a key for another algorithm',
      'ERR_TOKEN_SIGNATURE',
      () => ec.sign({}, { kid: 'RS256-1' }),
    ],
    [
      'whose payload was exchanged',
      'ERR_TOKEN_SIGNATURE',
      async () => (await ec.sign()).replace(/\.[^.]*\./, `.${encodeJson(goodClaims({ sub: 'somebody' }))}.`),
    ],
    [
      'that has also expired, but whose signature is wrong',
      'ERR_TOKEN_SIGNATURE',
      () => stranger.sign({ exp: 1, iss: 'https://evil.test/' }, { kid: 'ES256-1' }),
    ],
    ['without exp', 'ERR_TOKEN_CLAIM', () => ec.sign({ exp: undefined })],
    ['whose exp is text', 'ERR_TOKEN_CLAIM', () => ec.sign({ exp: `${startSeconds + 60}` })],
    ['whose exp is null', 'ERR_TOKEN_CLAIM', () => ec.sign({ exp: null })],
    ['whose exp is infinite', 'ERR_TOKEN_CLAIM', () => signRaw('exp', '1e999')],
    ['whose nbf is text', 'ERR_TOKEN_CLAIM', () => ec.sign({ nbf: 'nbf-value' })],
    ['whose iat is minus infinity', 'ERR_TOKEN_CLAIM', () => signRaw('iat', '-1e999')],
    ['without sub', 'ERR_TOKEN_CLAIM', () => ec.sign({ sub: undefined })],
    ['whose sub is empty', 'ERR_TOKEN_CLAIM', () => ec.sign({ sub: '' })],
    ['whose sub is a number', 'ERR_TOKEN_CLAIM', () => ec.sign({ sub: 4_815_162_342 })],
    ['that has expired', 'ERR_TOKEN_EXPIRED', () => ec.sign({ exp: startSeconds - 30 })],
    ['that is not valid yet', 'ERR_TOKEN_NOT_YET_VALID', () => ec.sign({ nbf: startSeconds + 31 })],
    ['issued in the future', 'ERR_TOKEN_NOT_YET_VALID', () => ec.sign({ iat: startSeconds + 31 })],
    ['of an issuer without the slash', 'ERR_TOKEN_ISSUER', () => ec.sign({ iss: 'https://issuer.test' })],
    ['without an issuer', 'ERR_TOKEN_ISSUER', () => ec.sign({ iss: undefined })],
    ['whose issuer is a list', 'ERR_TOKEN_ISSUER', () => ec.sign({ iss: [issuer] })],
    [
      'for another audience',
      'ERR_TOKEN_AUDIENCE',
      () => ec.sign({ aud: ['other-app', 5] }),
      () => [provider({ audience: 'app' })],
    ],
    [
      'without an audience where one is asked for',
      'ERR_TOKEN_AUDIENCE',
      () => ec.sign(),
      () => [provider({ audience: 'app' })],
    ],
    [
      'for a role that the provider may not use',
      'ERR_PROVIDER_ROLE',
      () => ec.sign(),
      undefined,
      'service_role',
    ],
    [
      'of a known key but a wrong issuer, among two providers',
      'ERR_TOKEN_ISSUER',
      () => ec.sign({ iss: 'https://elsewhere.test/' }),
      () => [provider(), customKeys({ keys: rsa.publicJwk, issuer: 'https://second.test/' })],
    ],
    [
      'that no provider has issued',
      'ERR_PROVIDER_UNKNOWN',
      () => stranger.sign({ iss: 'https://elsewhere.test/' }),
      () => [provider(), customKeys({ keys: rsa.publicJwk, issuer: 'https://second.test/' })],
    ],
    [
      'that no provider has issued, though one is down',
      'ERR_PROVIDER_UNKNOWN',
      () => stranger.sign({ iss: 'https://elsewhere.test/' }),
      () => [
        jwks({ url: 'http://127.0.0.1:1/', issuer }),
        customKeys({ keys: rsa.publicJwk, issuer: 'https://second.test/' }),
      ],
    ],
    [
      'that only a provider which is down could accept',
      'ERR_KEY_SET_UNREACHABLE',
      () => stranger.sign(),
      () => [jwks({ url: 'http://127.0.0.1:1/', issuer }), provider()],
    ],
    [
      'that has expired for one provider and is unknown to another',
      'ERR_TOKEN_EXPIRED',
      () => ec.sign({ exp: startSeconds - 60 }),
      () => [customKeys({ keys: stranger.publicJwk, issuer }), provider()],
    ],
    [
      'of a wrong secret',
      'ERR_TOKEN_SIGNATURE',
      () => signWithSecret(new Uint8Array(32).fill(7)),
      () => [customKeys({ keys: { secret: new Uint8Array(32).fill(8) }, issuer })],
    ],
    [
      'signed with a public-key algorithm where a secret is configured',
      'ERR_TOKEN_ALGORITHM',
      () => ec.sign(),
      () => [customKeys({ keys: { secret: new Uint8Array(32).fill(8) }, issuer })],
    ],
  ];

  const cases = refusals.map(([name, code, sign, providers = () => [provider()], role]) => ({
    name,
    code,
    sign,
    refuse: (token: string) => refusal(verifier(...providers()).verify(token, { role })),
  }));

  it.each(cases)('$name is answered with $code', async ({ code, sign, refuse }) => {
    const error = await refuse(await sign());
    expect(error).toMatchObject({ code });
    expect(error).toBeInstanceOf(code.startsWith('ERR_KEY_SET') ? KeySetError : TokenError);
  });

  it.each(cases)('$name leaves nothing of itself in the error', async ({ sign, refuse }) => {
    const token = await sign();
    const error = await refuse(token);
    const text = everythingIn(error);
    const parts = token.split('.').filter((part) => part.length > 3);
    for (const secret of [token, ...parts, ...parts.flatMap(valuesIn)]) expect(text).not.toContain(secret);
    expect(error.message).toMatch(/^[a-z"].*[^.]$/);
  });

  it('names the claim that is missing', async () => {
    expect((await refusal(verifier().verify(await ec.sign({ exp: undefined })))).message).toContain('"exp"');
    expect((await refusal(verifier().verify(await ec.sign({ sub: undefined })))).message).toContain('"sub"');
  });

  it('is judged again each time', async () => {
    const impatient = verifier();
    const token = await ec.sign({ nbf: startSeconds + 60, exp: startSeconds + 120 });
    expect(await refusal(impatient.verify(token))).toMatchObject({ code: 'ERR_TOKEN_NOT_YET_VALID' });
    clock.advance(60_000);
    await impatient.verify(token);
  });

  it('does not make anybody follow what its header says of keys', async () => {
    const other = await startKeyServer(stranger.publicJwk);
    try {
      for (const header of [
        { jwk: stranger.publicJwk },
        { jku: other.url },
        { x5u: other.url },
        { x5c: ['MIIC'] },
        { jwk: stranger.publicJwk, kid: 'ES256-1' },
        { jku: other.url, kid: other.url },
      ]) {
        const token = await stranger.sign({}, header);
        expect(await refusal(verifier().verify(token))).toMatchObject({ code: 'ERR_TOKEN_SIGNATURE' });
      }
      expect(other.requests).toEqual([]);
      expect(new Set(server.requests)).toEqual(new Set(['/jwks.json']));
    } finally {
      await other.close();
    }
  });

  it.each([undefined, '', null, 7, {}])('that is %j is a mistake of the program', async (token) => {
    // @ts-expect-error a program in JavaScript can pass anything
    expect(await refusal(verifier().verify(token))).toBeInstanceOf(TypeError);
  });

  it('is a mistake of the program if the role is empty', async () => {
    expect(await refusal(verifier().verify(await ec.sign(), { role: '' }))).toBeInstanceOf(TypeError);
  });
});

describe('several providers', () => {
  it('do not stop each other: one that is down leaves the other to accept', async () => {
    const both = verifier(jwks({ url: 'http://127.0.0.1:1/', issuer }), provider());
    await both.verify(await ec.sign());
  });

  // Each of them says the same issuer, which is the worst case: the token could be theirs.
  it.each<[string, Answer]>([
    ['does not answer', () => {}],
    ['stops in the middle', (_, response) => void response.writeHead(200).write('{"keys":[')],
    [
      'never comes to an end',
      (_, response) => {
        const more = setInterval(() => response.write(' '.repeat(1_024)), 1);
        response.on('close', () => clearInterval(more));
      },
    ],
    ['sends a megabyte', (_, response) => void response.end(`{"keys":[],"x":"${'x'.repeat(1_048_576)}"}`)],
    ['leads elsewhere', status(302, { location: 'http://169.254.169.254/keys' })],
    ['breaks off', (request) => void request.socket.destroy()],
    ['sends nonsense', json({ keys: [null, 7, { kty: 'RSA' }, { kty: 'EC', crv: 'P-256', x: '', y: '' }] })],
    ['says what is no JSON', (_, response) => void response.end('<html>')],
    ['sends a prototype', (_, response) => void response.end('{"__proto__":{"keys":[]},"keys":{}}')],
    [
      'has a key of its own by the name of another’s',
      (request, response) =>
        json({ keys: [{ ...stranger.publicJwk, kid: ec.publicJwk.kid }] })(request, response),
    ],
  ])(
    'do not stop each other: one that %s leaves the other to accept',
    async (_, answer) => {
      const bad = await startKeyServer();
      bad.answer(answer);
      try {
        // Should anybody wait for the bad one, it takes until the 5 s of a fetch are over, and this test fails.
        const both = verifier(jwks({ url: bad.url, issuer, name: 'bad' }), provider());
        const tokens = await Promise.all(Array.from({ length: 20 }, (__, n) => ec.sign({ n })));
        await Promise.all(tokens.map((token) => both.verify(token)));
        expect(bad.requests).toHaveLength(1);
        expect(server.requests).toHaveLength(1);
      } finally {
        await bad.close();
      }
    },
    4_000,
  );

  it('are asked by issuer, so that a token reaches the network of its own provider only', async () => {
    const other = await startKeyServer(stranger.publicJwk);
    try {
      const both = verifier(provider(), jwks({ url: other.url, issuer: 'https://other.test/' }));
      await both.verify(await ec.sign());
      expect(other.requests).toEqual([]);
      await both.verify(await stranger.sign({ iss: 'https://other.test/' }));
      expect(other.requests).toHaveLength(1);
    } finally {
      await other.close();
    }
  });

  it('keep their keys apart, even with the same kid', async () => {
    const [first, second] = await Promise.all([createSigner('ES256', '1'), createSigner('ES256', '1')]);
    const both = verifier(
      customKeys({ keys: first.publicJwk, algorithms: ['ES256'], issuer: 'https://first.test/' }),
      customKeys({ keys: second.publicJwk, algorithms: ['ES256'], issuer: 'https://second.test/' }),
    );
    await both.verify(await first.sign({ iss: 'https://first.test/' }));
    expect(await refusal(both.verify(await first.sign({ iss: 'https://second.test/' })))).toMatchObject({
      code: 'ERR_TOKEN_SIGNATURE',
    });
  });

  it('may leave the issuer unchecked on purpose', async () => {
    const token = await ec.sign({ iss: 'whoever' });
    await verifier(provider({ issuer: null })).verify(token);
    await verifier(customKeys({ keys: rsa.publicJwk, issuer }), provider({ issuer: null })).verify(token);
  });
});

describe('the cache of verified tokens', () => {
  it('gives the same object for the same token and role, without any work on signatures', async () => {
    const one = verifier(provider({ roles: ['authenticated', 'editor'] }));
    const token = await ec.sign();
    const first = await one.verify(token);
    const editor = await one.verify(token, { role: 'editor' });
    const verify = vi.spyOn(crypto.subtle, 'verify');
    try {
      expect(await one.verify(token)).toBe(first);
      expect(await one.verify(token, { role: 'editor' })).toBe(editor);
      expect(verify).not.toHaveBeenCalled();
    } finally {
      verify.mockRestore();
    }
    expect(editor).not.toBe(first);
    expect(Object.isFrozen(first)).toBe(true);
  });

  it('verifies a token once for many who bring it at the same time', async () => {
    const one = verifier();
    const token = await ec.sign();
    const verify = vi.spyOn(crypto.subtle, 'verify');
    try {
      const identities = await Promise.all(Array.from({ length: 100 }, () => one.verify(token)));
      expect(new Set(identities).size).toBe(1);
      expect(verify).toHaveBeenCalledTimes(1);
    } finally {
      verify.mockRestore();
    }
  });

  it('never outlives the token', async () => {
    const one = verifier();
    const token = await ec.sign();
    await one.verify(token);
    clock.advance(90_000 - 1);
    await one.verify(token);
    clock.advance(1);
    expect(await refusal(one.verify(token))).toMatchObject({ code: 'ERR_TOKEN_EXPIRED' });
  });

  it('is bounded, and forgets what was not used for longest', async () => {
    const small = createVerifier({ providers: [provider()], now: clock.now, cacheSize: 2 });
    const [a, b, c] = await Promise.all([ec.sign({ n: 1 }), ec.sign({ n: 2 }), ec.sign({ n: 3 })]);
    const first = await small.verify(a);
    const second = await small.verify(b);
    await small.verify(a);
    await small.verify(c);
    expect(await small.verify(a)).toBe(first);
    expect(await small.verify(b)).not.toBe(second);
  });

  it('can be switched off', async () => {
    const forgetful = createVerifier({ providers: [provider()], now: clock.now, cacheSize: 0 });
    const token = await ec.sign();
    expect(await forgetful.verify(token)).not.toBe(await forgetful.verify(token));
  });
});

describe('createVerifier', () => {
  it.each([
    ['providers', { providers: [] }],
    ['providers', {}],
    ['audiences', { audiences: ['app'] }],
    ['clockToleranceSeconds', { clockToleranceSeconds: -1 }],
    ['clockToleranceSeconds', { clockToleranceSeconds: Number.NaN }],
    ['clockToleranceSeconds', { clockToleranceSeconds: 86_400 }],
    ['maxTokenBytes', { maxTokenBytes: 0 }],
    ['cacheSize', { cacheSize: 1.5 }],
    ['fetch', { fetch: 'fetch' }],
    ['now', { now: 1 }],
  ])('names %s when that is wrong in %j', (option, wrong) => {
    const providers = [customKeys({ keys: ec.publicJwk, issuer })];
    const options = 'providers' in wrong || option === 'providers' ? wrong : { providers, ...wrong };
    // @ts-expect-error a program in JavaScript can pass anything
    expect(() => createVerifier(options)).toThrow(new RegExp(`"${option}"`));
    // @ts-expect-error as above
    expect(() => createVerifier(options)).toThrow(TypeError);
  });

  it('refuses a provider that was made by hand and is unsafe', () => {
    const safe = customKeys({ keys: ec.publicJwk, issuer });
    const secret = new Uint8Array(32);
    for (const unsafe of [
      { ...safe, algorithms: ['HS256'] },
      { ...safe, algorithms: ['none'] },
      { ...safe, algorithms: [] },
      { ...safe, roles: [] },
      { ...safe, audiences: [] },
      { ...safe, keys: { secret }, algorithms: ['ES256'] },
      { ...safe, keys: { secret: new Uint8Array(8) }, algorithms: ['HS256'] },
      { ...safe, keys: { jwksUrl: new URL('http://issuer.test/jwks') } },
    ]) {
      expect(() => createVerifier({ providers: [unsafe] })).toThrow(TypeError);
    }
  });

  it('takes a tolerance of its own', async () => {
    const strict = createVerifier({ providers: [provider()], now: clock.now, clockToleranceSeconds: 0 });
    expect(await refusal(strict.verify(await ec.sign({ exp: startSeconds })))).toMatchObject({
      code: 'ERR_TOKEN_EXPIRED',
    });
    expect(await strict.verify(await ec.sign({ exp: startSeconds + 1 }))).toMatchObject({
      expiresAt: startSeconds + 1,
    });
  });

  it('uses the clock of the host unless it is given one', async () => {
    const now = Math.floor(Date.now() / 1000);
    const token = await ec.sign({ iat: now, exp: now + 60 });
    expect(await createVerifier({ providers: [provider()] }).verify(token)).toMatchObject({
      expiresAt: now + 90,
    });
  });
});

/** Everything that a logger could print of an error. */
function everythingIn(error: unknown): string {
  if (!(error instanceof Error)) return error === undefined ? '' : JSON.stringify(error);
  const hint = isAuthorizeError(error) ? error.hint : '';
  return [error.message, error.stack, hint, JSON.stringify(error), everythingIn(error.cause)].join('\n');
}

/** The values in a part of a token, as text; the values of the registered header parameters are public words. */
function valuesIn(part: string): readonly string[] {
  try {
    const text = new TextDecoder().decode(base64url.decode(part));
    const parsed: unknown = JSON.parse(text);
    const values: readonly unknown[] =
      typeof parsed === 'object' && parsed !== null ? Object.values(parsed) : [];
    return values
      .flatMap((value) => (Array.isArray(value) ? (value as unknown[]) : [value]))
      .map(String)
      .filter((value) => value.length > 3 && value !== 'none' && value !== 'None');
  } catch {
    return [];
  }
}
