import { exportJWK, generateKeyPair } from 'jose';
import { OAuth2Server } from 'oauth2-mock-server';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { auth0, type Provider } from '../../../src/jwt/index.ts';
import type { SealedDatabase } from '../../support/sealed-database.ts';
import { createTodoDatabase } from '../../support/todo-app.ts';
import { answerTo, openDoors, type Doors } from './doors.ts';
import { forge } from './forgeries.ts';
import { queryWhileKeysChange } from './key-changes.ts';

// A server whose tokens can be made to look like those of a provider that has none for loopback: here Auth0's.
const [domain, audience] = ['acme.eu.auth0.com', 'https://api.example.test'];

let database: SealedDatabase;
let server: OAuth2Server;
let doors: Doors;

beforeAll(async () => {
  database = await createTodoDatabase('oauth2_mock');
  server = new OAuth2Server(undefined, undefined, {
    endpoints: { jwks: '/.well-known/jwks.json', token: '/oauth/token' },
  });
  await server.issuer.keys.generate('RS256', { kid: 'key-0' });
  await server.start(0, '127.0.0.1');
  server.issuer.url = `https://${domain}/`;
  doors = await openDoors(database, [provider()]);
});

afterAll(async () => {
  await doors.close();
  await server.stop();
  await database.drop();
});

function provider(): Provider {
  const { port } = server.address();
  const jwksUrl = `http://127.0.0.1:${port}/.well-known/jwks.json`;
  return auth0({ domain, audience, jwksUrl, algorithms: ['RS256', 'PS256'] });
}

/** Asks for a token over HTTP, and has the server put these claims into it before it signs. */
async function signIn(claims: Record<string, unknown> = {}): Promise<string> {
  server.service.once('beforeTokenSigning', ({ payload }: { payload: object }) => {
    Object.assign(payload, { sub: 'auth0|alice', aud: audience, org_id: 'org_1', ...claims });
  });
  const { port } = server.address();
  const response = await fetch(`http://127.0.0.1:${port}/oauth/token`, {
    method: 'POST',
    body: new URLSearchParams({ grant_type: 'client_credentials', scope: 'read' }),
  });
  return ((await response.json()) as { access_token: string }).access_token;
}

describe('people whose tokens come from an OAuth server that writes what Auth0 writes', () => {
  it('see and write what is theirs, through $withAuth and through the gateway', async () => {
    const alice = await signIn();
    const bob = await signIn({ sub: 'auth0|bob', aud: [audience, `https://${domain}/userinfo`] });
    for (const door of doors.all) {
      expect(await door.see(alice)).toEqual({ user: 'auth0|alice', titles: ['read a book'] });
      await door.add(bob, door.name);
      expect((await door.see(bob)).titles).toContain(door.name);
      expect((await door.see(alice)).titles).not.toContain(door.name);
    }
  });

  it('are refused with what the server signs for somebody or something else', async () => {
    const now = Math.floor(Date.now() / 1000);
    const refusals: readonly (readonly [claims: Record<string, unknown>, words: RegExp])[] = [
      [{ exp: now - 60 }, /has expired/],
      [{ nbf: now + 600 }, /not valid yet/],
      [{ iss: `https://${domain}` }, /another "iss"|no configured provider/],
      [{ aud: undefined }, /no "aud"/],
      [{ aud: 'https://other.example.test' }, /no "aud"/],
      [{ sub: 'client@clients' }, /"sub"/],
      [{ sub: 7 }, /"sub"/],
      [{ sub: undefined }, /"sub"/],
    ];
    for (const [claims, words] of refusals) {
      const token = await signIn(claims);
      for (const door of doors.all) expect(await answerTo(door.see(token))).toMatch(words);
    }
    for (const [what, token] of Object.entries(await forge(await signIn()))) {
      for (const door of doors.all) {
        expect(await answerTo(door.see(token)), what).toMatch(
          /not one of|signed with an algorithm|no key of/,
        );
      }
    }
  });

  it('are never refused, and nobody else let in, while keys of two algorithms are added', async () => {
    // The server signs with each of its keys in turn.
    const keys = await Promise.all(
      ['PS256', 'RS256'].map(async (alg, index) => {
        const { privateKey } = await generateKeyPair(alg, { extractable: true });
        return { ...(await exportJWK(privateKey)), alg, kid: `key-${index + 1}` };
      }),
    );
    // One after the other: what is to be put into a token is said before it is asked for.
    let turn: Promise<unknown> = Promise.resolve();
    const token = (): Promise<string> => {
      const mine = turn.then(() => signIn());
      turn = mine.catch(() => {});
      return mine;
    };
    const changes = keys.map((key) => () => server.issuer.keys.add(key));
    const run = await queryWhileKeysChange({ doors, token, changes });
    expect(run).toMatchObject({ wronglyRefused: [], wronglyAccepted: [], keys: 3 });
  });
});
