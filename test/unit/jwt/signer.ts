import { base64url, CompactSign, exportJWK, generateKeyPair, type JWK } from 'jose';

export const issuer = 'https://issuer.test/';
const subject = 'subject-7f3a';
/** Where every frozen clock of these tests starts, in epoch milliseconds. */
const startMs = 1_900_000_000_000;
export const startSeconds = startMs / 1000;

export interface Signer {
  readonly alg: string;
  readonly kid: string | undefined;
  readonly publicJwk: JWK;
  readonly privateJwk: JWK;
  /** A token with good claims, but for the ones given; `undefined` leaves one out. Likewise for the header. */
  sign(claims?: Record<string, unknown>, header?: Record<string, unknown>): Promise<string>;
}

export async function createSigner(
  alg: string,
  kid: string | undefined = `${alg}-1`,
  options: { readonly modulusLength?: number } = {},
): Promise<Signer> {
  const { privateKey, publicKey } = await generateKeyPair(alg, { extractable: true, ...options });
  const named = kid === undefined ? { alg } : { alg, kid };
  return {
    alg,
    kid,
    publicJwk: { ...(await exportJWK(publicKey)), ...named, use: 'sig' },
    privateJwk: { ...(await exportJWK(privateKey)), ...named },
    sign: (claims, header) =>
      new CompactSign(new TextEncoder().encode(JSON.stringify(goodClaims(claims))))
        .setProtectedHeader({ alg, ...(kid === undefined ? {} : { kid }), ...header })
        .sign(privateKey),
  };
}

export function goodClaims(claims: Record<string, unknown> = {}): Record<string, unknown> {
  return { iss: issuer, sub: subject, iat: startSeconds, exp: startSeconds + 60, ...claims };
}

/** Signs whatever bytes these are, with HMAC-SHA-256. */
export async function signWithSecret(
  secret: Uint8Array<ArrayBuffer>,
  claims?: Record<string, unknown>,
  header: Record<string, unknown> = { alg: 'HS256' },
): Promise<string> {
  const input = `${encodeJson(header)}.${encodeJson(goodClaims(claims))}`;
  const key = await crypto.subtle.importKey('raw', secret, { name: 'HMAC', hash: 'SHA-256' }, false, [
    'sign',
  ]);
  const mac = await crypto.subtle.sign('HMAC', key, new TextEncoder().encode(input));
  return `${input}.${base64url.encode(new Uint8Array(mac))}`;
}

export function encodeJson(value: unknown): string {
  return base64url.encode(JSON.stringify(value));
}

/** A clock that only moves when it is told to. */
export function frozenClock(): { readonly now: () => number; advance(ms: number): void } {
  let ms = startMs;
  return {
    now: () => ms,
    advance: (by) => {
      ms += by;
    },
  };
}
