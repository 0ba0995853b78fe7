import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';

import { exportJWK, generateKeyPair, importJWK, SignJWT, type JWK } from 'jose';

import { AuthorizeError } from '../errors.ts';
import { customKeys, type Provider } from '../jwt/index.ts';

const algorithm = 'ES256';
const keyId = 'drizzle-authorize-dev';

/** The development issuer: signs tokens for whoever asks on this machine. Never for anything that others can reach. */
export interface DevIssuer {
  /** Private and public half. */
  readonly key: JWK;
  /** The public half alone, as served at `/.well-known/jwks.json`. */
  readonly keySet: { readonly keys: readonly JWK[] };
}

/** The issuer of a folder; its key is made at the first use and kept in `issuer.json` there, mode 0600. */
export async function openDevIssuer(folder: string): Promise<DevIssuer> {
  const path = join(folder, 'issuer.json');
  const key = (await readKey(path)) ?? (await createKey(path));
  // Only what a verifier needs of an EC key: never `d`.
  const { kty, crv, x, y } = key;
  return { key, keySet: { keys: [{ kty, crv, x, y, kid: keyId, alg: algorithm, use: 'sig' } as JWK] } };
}

async function readKey(path: string): Promise<JWK | undefined> {
  try {
    return JSON.parse(await readFile(path, 'utf8')) as JWK;
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw new AuthorizeError('ERR_DEV_NOT_RUNNING', `the file ${path} is not a key; delete it`, {
      cause: error,
    });
  }
}

async function createKey(path: string): Promise<JWK> {
  const { privateKey } = await generateKeyPair(algorithm, { extractable: true });
  const key = await exportJWK(privateKey);
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, JSON.stringify(key), { mode: 0o600, flag: 'wx' });
  return key;
}

/** The issuer as a provider. Its tokens are for the issuer itself as audience. */
export function devProvider(issuer: DevIssuer, url: string, roles: readonly string[]): Provider {
  return customKeys({
    name: 'development issuer',
    keys: { keys: [...issuer.keySet.keys] },
    issuer: url,
    audience: url,
    algorithms: [algorithm],
    roles: [...roles],
    organizationClaim: 'org_id',
    roleClaim: 'roles',
  });
}

/** Whether a provider has the keys of a development issuer, at hand or where one of this folder runs. */
export function isDevProvider({ keys }: Provider, runningUrl: string | undefined): boolean {
  if ('jwks' in keys) return keys.jwks.keys.some(({ kid }) => kid === keyId);
  const url = 'jwksUrl' in keys ? keys.jwksUrl : 'issuer' in keys ? new URL(keys.issuer) : undefined;
  if (url === undefined || runningUrl === undefined) return false;
  return isLoopback(url.hostname) && url.port === new URL(runningUrl).port;
}

/** Whether only this machine can reach what listens there. */
export function isLoopback(host: string): boolean {
  return /^(?:localhost|127(?:\.\d{1,3}){3}|\[?::1\]?)$/u.test(host);
}

export interface DevTokenOptions {
  readonly issuerUrl: string;
  readonly subject: string;
  /** From now; negative for a token that has expired. */
  readonly lifetimeSeconds: number;
  /** On top of `sub`, `iss`, `aud`, `iat` and `exp`, which they may replace. */
  readonly claims: Readonly<Record<string, unknown>>;
}

/** Signs a token. */
export async function mintDevToken(issuer: DevIssuer, options: DevTokenOptions): Promise<string> {
  const now = Math.floor(Date.now() / 1000);
  const { issuerUrl, subject, lifetimeSeconds, claims } = options;
  return new SignJWT({
    iss: issuerUrl,
    aud: issuerUrl,
    sub: subject,
    iat: Math.min(now, now + lifetimeSeconds),
    exp: now + lifetimeSeconds,
    ...claims,
  })
    .setProtectedHeader({ alg: algorithm, kid: keyId, typ: 'JWT' })
    .sign(await importJWK(issuer.key, algorithm));
}
