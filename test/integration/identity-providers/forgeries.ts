import {
  base64url,
  decodeJwt,
  decodeProtectedHeader,
  generateKeyPair,
  type GenerateKeyPairResult,
  SignJWT,
} from 'jose';

/** One for each algorithm: RSA keys take long to make. */
const keysOfStrangers = new Map<string, Promise<GenerateKeyPairResult>>();

/** Tokens that look as much as possible like a good one, by what is wrong with them. None may ever be accepted. */
export async function forge(good: string): Promise<Readonly<Record<string, string>>> {
  const [header = '', payload = '', signature = ''] = good.split('.');
  const { alg = '', ...named } = decodeProtectedHeader(good);
  const claims = decodeJwt(good);
  const strangers = keysOfStrangers.get(alg) ?? generateKeyPair(alg);
  keysOfStrangers.set(alg, strangers);
  const { privateKey } = await strangers;
  const encode = (part: object): string => base64url.encode(JSON.stringify(part));
  const byStranger = (kid: unknown): Promise<string> =>
    new SignJWT({ ...claims, sub: 'mallory' })
      .setProtectedHeader({ ...named, alg, kid: String(kid) })
      .sign(privateKey);
  return {
    'another person under the same signature': `${header}.${encode({ ...claims, sub: 'mallory' })}.${signature}`,
    'a signature without a key': `${encode({ ...named, alg: 'none' })}.${payload}.`,
    'the key of a stranger under the name of the real one': await byStranger(named.kid),
    'a key that the provider does not have': await byStranger('stray'),
    'a longer life': `${header}.${encode({ ...claims, exp: Number(claims.exp) + 3600 })}.${signature}`,
  };
}
