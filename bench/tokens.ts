import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { createVerifier, customKeys } from 'drizzle-authorize/jwt';
import { createVerifier as createFastVerifier } from 'fast-jwt';
import { createLocalJWKSet, exportJWK, exportSPKI, generateKeyPair, jwtVerify, SignJWT } from 'jose';

import { compare, type Work } from './measure.ts';
import type { Report } from './report.ts';

const [issuer, audience] = ['https://id.example', 'app'];
/** How many tokens the verifier remembers. */
const remembered = 1_000;
/** How many it remembers unless told otherwise. */
const rememberedByDefault = 10_000;
/** How many distinct ones it is given to see whether its memory grows. */
const distinct = 100_000;

/** The verification of a token that was seen before and of new ones, next to jose without anything around it. */
export async function benchTokens(report: Report, quick: boolean): Promise<void> {
  const [rounds, runs] = [quick ? 3 : 10, 200];
  await benchMemory(report);
  for (const algorithm of ['RS256', 'ES256']) {
    const { publicKey, privateKey } = await generateKeyPair(algorithm, { extractable: true });
    const keys = { keys: [{ ...(await exportJWK(publicKey)), kid: 'bench', alg: algorithm, use: 'sig' }] };
    const sign = (n: number): Promise<string> =>
      new SignJWT({ sub: `user-${n}`, email: `user-${n}@app.example`, org_id: 'org_1', roles: ['member'] })
        .setProtectedHeader({ alg: algorithm, kid: 'bench', typ: 'JWT' })
        .setIssuer(issuer)
        .setAudience(audience)
        .setIssuedAt()
        .setExpirationTime('1h')
        .sign(privateKey);
    const tokens = await Promise.all(Array.from({ length: 2 * remembered }, (_, n) => sign(n)));
    const verifier = createVerifier({
      providers: [customKeys({ keys, issuer, audience, algorithms: [algorithm] })],
      cacheSize: remembered,
    });
    const local = createLocalJWKSet(keys);
    const bare = (token: string): Promise<unknown> =>
      jwtVerify(token, local, { issuer, audience, algorithms: [algorithm], clockTolerance: 30 });

    report.comparison({
      name: `verify a new ${algorithm} token`,
      alternative: 'jose: jwtVerify() with the key at hand',
      result: await compare(
        eachOf(tokens, (token) => verifier.verify(token)),
        eachOf(tokens, bare),
        {
          rounds,
          runs,
        },
      ),
      target: { atLeast: 1 / 1.1 },
    });
    if (algorithm !== 'RS256') continue;
    const [known = ''] = tokens.slice(-1);
    await verifier.verify(known);
    report.comparison({
      name: 'verify a token that was seen before',
      alternative: 'jose: jwtVerify() with the key at hand, RS256',
      result: await compare(
        () => verifier.verify(known),
        () => bare(known),
        { rounds, runs: 1_000 },
      ),
      target: { underUs: 10 },
    });
    const fast = createFastVerifier({
      key: await exportSPKI(publicKey),
      algorithms: [algorithm],
      allowedIss: issuer,
      allowedAud: audience,
      clockTolerance: 30_000,
      cache: remembered,
    });
    fast(known);
    report.comparison({
      name: 'verify a token that was seen before',
      alternative: 'fast-jwt with its cache, RS256',
      result: await compare(
        () => verifier.verify(known),
        async () => fast(known) as unknown,
        { rounds, runs: 1_000 },
      ),
    });
  }
}

/**
 * What a verifier keeps of many more tokens than it remembers, and of no more than that. HMAC, since whoever signed them, what is
 * kept is the same, and RSA would take a minute.
 */
async function benchMemory(report: Report): Promise<void> {
  const secret = crypto.getRandomValues(new Uint8Array(32));
  const verifier = createVerifier({ providers: [customKeys({ keys: { secret }, issuer, audience })] });
  const before = usedHeap();
  let verified = 0;
  async function keptAfter(count: number): Promise<number> {
    for (; verified < count; verified += 1) {
      const claims = { sub: `user-${verified}`, email: `user-${verified}@app.example`, roles: ['member'] };
      const token = new SignJWT(claims)
        .setProtectedHeader({ alg: 'HS256' })
        .setIssuer(issuer)
        .setAudience(audience)
        .setExpirationTime('1h');
      await verifier.verify(await token.sign(secret));
    }
    return usedHeap() - before;
  }
  const theirBytes = await keptAfter(rememberedByDefault);
  const bytes = await keptAfter(distinct);
  const words = (count: number): string => count.toLocaleString('en');
  report.memory({
    what: `what is kept of ${words(distinct)} tokens, of which ${words(rememberedByDefault)} are remembered`,
    bytes,
    nextTo: `${words(rememberedByDefault)} tokens`,
    theirBytes,
  });
}

/** Bytes in use after a collection, which a program can ask for only in this way. */
function usedHeap(): number {
  setFlagsFromString('--expose-gc');
  const collect: unknown = runInNewContext('gc');
  if (typeof collect === 'function') collect();
  return process.memoryUsage().heapUsed;
}

/** Each run takes the next token: when one comes again, it has been forgotten. */
function eachOf(tokens: readonly string[], verify: (token: string) => Promise<unknown>): Work {
  let next = 0;
  return () => verify(tokens[next++ % tokens.length] ?? '');
}
