import { decodeJwt, decodeProtectedHeader, type JWK } from 'jose';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { oidc } from '../../../src/jwt/index.ts';
import type { SealedDatabase } from '../../support/sealed-database.ts';
import { createTodoDatabase } from '../../support/todo-app.ts';
import { answerTo, openDoors, type Doors } from './doors.ts';
import { forge } from './forgeries.ts';
import { queryWhileKeysChange } from './key-changes.ts';
import { api, createKey, startOidcProvider, type OidcServer } from './oidc-provider.ts';

let database: SealedDatabase;
let provider: OidcServer;
let doors: Doors;
let encryption: JWK;

beforeAll(async () => {
  database = await createTodoDatabase('oidc_provider');
  encryption = await createKey('RSA-OAEP', 'encryption');
  provider = await startOidcProvider(await createKey('RS256', 'rsa-1'), encryption);
  doors = await openDoors(database, [oidc({ issuer: provider.origin, audience: api, name: 'acme' })]);
});

afterAll(async () => {
  await doors.close();
  await provider.close();
  await database.drop();
});

describe('people who sign in at an OpenID provider, with authorization code and PKCE', () => {
  it('see and write what is theirs, through $withAuth and through the gateway', async () => {
    const { accessToken } = await provider.signIn('alice');
    expect(decodeProtectedHeader(accessToken)).toEqual({ alg: 'RS256', typ: 'at+jwt', kid: 'rsa-1' });
    for (const door of doors.all) {
      expect(await door.see(accessToken)).toEqual({
        user: 'alice',
        titles: ['read a book', 'water the plants'],
      });
    }
    const { accessToken: ofCleo } = await provider.signIn('cleo');
    for (const door of doors.all) {
      await door.add(ofCleo, door.name);
      expect((await door.see(ofCleo)).titles).toContain(door.name);
      expect((await door.see(accessToken)).titles).not.toContain(door.name);
    }
  });

  it('are refused with the token that is for the application, and with one for another API', async () => {
    const { idToken } = await provider.signIn('alice');
    const elsewhere = await provider.clientCredentials('https://other.example.test');
    for (const door of doors.all) {
      expect(await answerTo(door.see(idToken))).toMatch(/no "aud" that "acme" is configured for/);
      expect(await answerTo(door.see(elsewhere))).toMatch(/no "aud" that "acme" is configured for/);
    }
  });

  it('are not applications: client credentials are refused, and so is a token that is no JWT', async () => {
    const machine = await provider.clientCredentials();
    expect(decodeJwt(machine)).toMatchObject({ sub: 'machine', aud: api, client_id: 'machine' });
    const opaque = await provider.clientCredentials('https://opaque.example.test');
    for (const door of doors.all) {
      expect(await answerTo(door.see(machine))).toMatch(/speaks for an application/);
      expect(await answerTo(door.see(opaque))).toMatch(/not a signed JWT/);
    }
  });

  it('are refused with forgeries of their tokens', async () => {
    const { accessToken } = await provider.signIn('alice');
    for (const [what, token] of Object.entries(await forge(accessToken))) {
      for (const door of doors.all) {
        expect(await answerTo(door.see(token)), what).toMatch(
          /not one of|signed with an algorithm|no key of/,
        );
      }
    }
  });

  it('are never refused, and nobody else let in, while keys and algorithm change', async () => {
    const [rsa, first, second] = await Promise.all([
      createKey('RS256', 'rsa-2'),
      createKey('ES256', 'ec-1'),
      createKey('ES256', 'ec-2'),
    ]);
    // The key before stays published, as providers do it, so that the tokens of before stay good.
    const changes = [
      () => provider.useKeys(first, rsa, encryption),
      () => provider.useKeys(second, first, rsa, encryption),
    ];
    provider.useKeys(rsa, encryption);
    const token = async (): Promise<string> => (await signInAgain()).accessToken;
    const run = await queryWhileKeysChange({ doors, token, changes });
    expect(run).toMatchObject({ wronglyRefused: [], wronglyAccepted: [], keys: 3 });
  });

  it('are refused with a token whose key the provider has withdrawn, once that is known', async () => {
    const [withdrawn, current] = await Promise.all([
      createKey('ES256', 'withdrawn'),
      createKey('ES256', 'current'),
    ]);
    provider.useKeys(withdrawn);
    const { accessToken: before } = await provider.signIn('alice');
    provider.useKeys(current);
    const { accessToken: after } = await provider.signIn('alice');
    for (const door of doors.all) {
      expect((await door.see(after)).user).toBe('alice');
      expect(await answerTo(door.see(before))).toMatch(/no key of "acme" fits the token/);
    }
  });
});

/** A sign-in that a change of keys has interrupted, since the provider forgets it then, is begun again by a person. */
async function signInAgain(): ReturnType<OidcServer['signIn']> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await provider.signIn('alice');
    } catch (error) {
      if (attempt === 5) throw error;
    }
  }
}
