import { createVerifier, customKeys } from 'drizzle-authorize/jwt';
import { createVerifier as createFastVerifier } from 'fast-jwt';
import { createLocalJWKSet, exportJWK, exportSPKI, generateKeyPair, jwtVerify, SignJWT } from 'jose';

import { compare, type Work } from './measure.ts';
import type { Report } from './report.ts';

const [issuer, audience] = ['https://id.example', 'app'];
/** How many tokens the verifier remembers. */
const remembered = 1_000;

/** The verification of a token that was seen before and of new ones, next to jose without anything around it. */
export async function benchTokens(report: Report, quick: boolean): Promise<void> {
  const [rounds, runs] = [quick ? 3 : 10, 200];
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

/** Each run takes the next token: when one comes again, it has been forgotten. */
function eachOf(tokens: readonly string[], verify: (token: string) => Promise<unknown>): Work {
  let next = 0;
  return () => verify(tokens[next++ % tokens.length] ?? '');
}
