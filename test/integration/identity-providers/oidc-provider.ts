import { createHash, randomBytes } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';

import { exportJWK, generateKeyPair, type JWK } from 'jose';
import { Provider, type Configuration } from 'oidc-provider';

import { startSignInServer } from './sign-in-server.ts';

/** What the tokens of the API are for. */
export const api = 'https://api.example.test';

export interface OidcServer {
  readonly origin: string;
  /** Signs somebody in, with authorization code and PKCE, as a browser does. */
  signIn(accountId: string): Promise<OidcTokens>;
  /** The token of an application that acts for nobody. */
  clientCredentials(resource?: string): Promise<string>;
  /** Signs with the newest of these keys from now on, and publishes all. */
  useKeys(...keys: readonly JWK[]): void;
  close(): Promise<void>;
}

interface OidcTokens {
  /** A JWT for {@link api}. */
  readonly accessToken: string;
  /** For the application itself. */
  readonly idToken: string;
}

/** A private key for {@link OidcServer.useKeys}. */
export async function createKey(alg: string, kid: string): Promise<JWK> {
  const { privateKey } = await generateKeyPair(alg, { extractable: true });
  return { ...(await exportJWK(privateKey)), kid, alg, use: alg.startsWith('RSA-') ? 'enc' : 'sig' };
}

const callback = 'https://app.example.test/signed-in';
const secret = randomBytes(24).toString('base64url');

/** A real OpenID provider over HTTP, certified by the OpenID Foundation; whoever comes is signed in without being asked. */
export async function startOidcProvider(...keys: readonly JWK[]): Promise<OidcServer> {
  const server = await startSignInServer();
  const { origin } = server;
  // Who signs in next: the page that would ask for name and password.
  let accountId = '';

  const useKeys = (...published: readonly JWK[]): void => {
    const provider = new Provider(origin, configurationOf(published));
    const answer = provider.callback();
    server.serve((request, response) => {
      if (request.url?.startsWith('/interaction/') !== true) {
        void answer(request, response);
        return;
      }
      // What the provider of before has asked is unknown to the one that has taken its place: a person would begin again.
      interact(provider, request, response, accountId).catch(() => {
        response.writeHead(400).end();
      });
    });
  };
  useKeys(...keys);

  const post = async (form: Record<string, string>, client: string): Promise<Record<string, string>> => {
    const response = await fetch(`${origin}/token`, {
      method: 'POST',
      headers: { authorization: `Basic ${Buffer.from(`${client}:${secret}`).toString('base64')}` },
      body: new URLSearchParams(form),
    });
    const body = (await response.json()) as Record<string, string>;
    if (!response.ok) throw new Error(`/token: ${response.status} ${JSON.stringify(body)}`);
    return body;
  };
  return {
    origin,
    signIn: async (account) => {
      accountId = account;
      const verifier = randomBytes(32).toString('base64url');
      const code = await visit(
        `${origin}/auth?${new URLSearchParams({
          client_id: 'web',
          response_type: 'code',
          redirect_uri: callback,
          scope: 'openid read',
          resource: api,
          code_challenge: createHash('sha256').update(verifier).digest('base64url'),
          code_challenge_method: 'S256',
        }).toString()}`,
      );
      const tokens = await post(
        { grant_type: 'authorization_code', code, redirect_uri: callback, code_verifier: verifier },
        'web',
      );
      return { accessToken: tokens['access_token'] ?? '', idToken: tokens['id_token'] ?? '' };
    },
    clientCredentials: async (resource = api) =>
      (await post({ grant_type: 'client_credentials', resource, scope: 'read' }, 'machine'))[
        'access_token'
      ] ?? '',
    useKeys,
    close: () => server.close(),
  };
}

function configurationOf(keys: readonly JWK[]): Configuration {
  const [newest] = keys;
  const alg = newest?.alg ?? '';
  return {
    // It signs with the first that fits.
    jwks: { keys: [...keys] as never },
    clients: [
      {
        client_id: 'web',
        client_secret: secret,
        redirect_uris: [callback],
        grant_types: ['authorization_code'],
        response_types: ['code'],
        id_token_signed_response_alg: alg as never,
      },
      {
        client_id: 'machine',
        client_secret: secret,
        redirect_uris: [],
        grant_types: ['client_credentials'],
        response_types: [],
        id_token_signed_response_alg: alg as never,
      },
    ],
    scopes: ['openid', 'read'],
    cookies: { keys: [secret] },
    enabledJWA: { idTokenEncryptionAlgValues: ['RSA-OAEP'] },
    findAccount: (_, sub) => ({ accountId: sub, claims: () => ({ sub }) }),
    interactions: { url: (_, { uid }) => `/interaction/${uid}` },
    features: {
      devInteractions: { enabled: false },
      clientCredentials: { enabled: true },
      encryption: { enabled: true },
      resourceIndicators: {
        enabled: true,
        defaultResource: () => api,
        useGrantedResource: () => true,
        getResourceServerInfo: (_, resource) => ({
          scope: 'read',
          audience: resource,
          accessTokenTTL: 300,
          // Only the tokens of this API are JWTs; those of others are opaque.
          accessTokenFormat: resource.startsWith('https://opaque.') ? 'opaque' : 'jwt',
          jwt: { sign: { alg: alg as never } },
        }),
      },
    },
  };
}

/** Answers what the provider would ask a person, as one who knows the password and agrees. */
async function interact(
  provider: Provider,
  request: IncomingMessage,
  response: ServerResponse,
  accountId: string,
): Promise<void> {
  const { prompt, params, session } = await provider.interactionDetails(request, response);
  if (prompt.name === 'login') {
    await provider.interactionFinished(request, response, { login: { accountId } });
    return;
  }
  const grant = new provider.Grant({
    accountId: session?.accountId ?? accountId,
    clientId: String(params['client_id']),
  });
  grant.addOIDCScope('openid read');
  grant.addResourceScope(api, 'read');
  await provider.interactionFinished(request, response, { consent: { grantId: await grant.save() } });
}

/** Follows redirects with cookies until the application is reached, and gives the code that it gets. */
async function visit(start: string): Promise<string> {
  const cookies = new Map<string, string>();
  for (let url = start, hops = 0; hops < 10; hops += 1) {
    const response = await fetch(url, {
      redirect: 'manual',
      headers: { cookie: [...cookies].map(([name, value]) => `${name}=${value}`).join('; ') },
    });
    for (const cookie of response.headers.getSetCookie()) {
      const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(cookie) ?? [];
      cookies.set(name, value);
    }
    const location = response.headers.get('location');
    if (location === null) throw new Error(`${url}: ${response.status} ${await response.text()}`);
    const next = new URL(location, url);
    if (next.href.startsWith(callback)) return next.searchParams.get('code') ?? '';
    url = next.href;
  }
  throw new Error('the sign-in does not end');
}
