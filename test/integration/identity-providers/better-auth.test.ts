import { decodeJwt, decodeProtectedHeader } from 'jose';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { betterAuth } from '../../../src/jwt/index.ts';
import { runAsOwner, type SealedDatabase } from '../../support/sealed-database.ts';
import { createTodoDatabase } from '../../support/todo-app.ts';
import { startBetterAuth, type BetterAuthServer } from './better-auth.ts';
import { answerTo, openDoors, type Doors } from './doors.ts';
import { forge } from './forgeries.ts';
import { queryWhileKeysChange } from './key-changes.ts';

let database: SealedDatabase;
let acme: BetterAuthServer;
let globex: BetterAuthServer;
let doors: Doors;

beforeAll(async () => {
  database = await createTodoDatabase('better_auth');
  await runAsOwner(database.ownerUrl, ['CREATE SCHEMA acme', 'CREATE SCHEMA globex']);
  // Both number their keys from 1 on: the keys of both have the same names.
  [acme, globex] = await Promise.all([
    startBetterAuth({ databaseUrl: inSchema('acme') }),
    startBetterAuth({ databaseUrl: inSchema('globex'), ids: 'serial' }),
  ]);
  doors = await openDoors(database, [
    betterAuth({ name: 'acme', baseURL: acme.origin }),
    betterAuth({ name: 'globex', baseURL: globex.origin }),
  ]);
});

afterAll(async () => {
  await doors.close();
  await Promise.all([acme.close(), globex.close()]);
  await database.drop();
});

function inSchema(schema: string): string {
  const url = new URL(database.ownerUrl);
  url.searchParams.set('options', `-c search_path=${schema}`);
  return url.href;
}

describe('people who sign in with Better Auth', () => {
  it('see and write what is theirs, through $withAuth and through the gateway', async () => {
    await acme.signUp('ann');
    const ann = await acme.token(await acme.signIn('ann'));
    const ben = await acme.token(await acme.signUp('ben'));
    expect(decodeProtectedHeader(ann)).toEqual({ alg: 'EdDSA', kid: expect.any(String) as string });
    for (const door of doors.all) {
      await door.add(ann, `by ann through ${door.name}`);
      await door.add(ben, `by ben through ${door.name}`);
    }
    for (const door of doors.all) {
      expect(await door.see(ann)).toEqual({
        user: decodeJwt(ann).sub,
        titles: ['by ann through $withAuth', 'by ann through the gateway', 'read a book'],
      });
      expect((await door.see(ben)).titles).toEqual([
        'by ben through $withAuth',
        'by ben through the gateway',
        'read a book',
      ]);
    }
  });

  it('are themselves in each of two instances whose keys and users have the same numbers', async () => {
    const globexAnn = await globex.token(await globex.signUp('ann'));
    expect(decodeProtectedHeader(globexAnn).kid).toBe('1');
    for (const door of doors.all) {
      expect(await door.see(globexAnn)).toEqual({ user: '1', titles: ['read a book'] });
      const posing = await globex.sign({ ...decodeJwt(globexAnn), iss: acme.origin, aud: acme.origin });
      expect(await answerTo(door.see(posing))).toMatch(
        /no key of "acme" fits the token|signature of the token is not one of "acme"/,
      );
    }
  });

  it('are refused with what the same keys sign for another purpose, and with forgeries', async () => {
    const good = decodeJwt(await acme.token(await acme.signUp('cleo')));
    const now = Math.floor(Date.now() / 1000);
    const signed: readonly (readonly [claims: Record<string, unknown>, words: RegExp])[] = [
      [{ ...good, aud: 'https://another.example' }, /has no "aud"/],
      [{ ...good, iss: 'https://another.example' }, /has another "iss"|no configured provider/],
      [{ ...good, iat: now - 900, exp: now - 60 }, /has expired/],
      [{ ...good, isAnonymous: true }, /have the "isAnonymous"/],
    ];
    for (const door of doors.all) {
      for (const [claims, words] of signed)
        expect(await answerTo(door.see(await acme.sign(claims)))).toMatch(words);
      const forged = await forge(await acme.sign(good));
      for (const [what, token] of Object.entries(forged)) {
        expect(await answerTo(door.see(token)), what).toMatch(
          /not one of|signed with an algorithm|no key of/,
        );
      }
    }
  });

  it('are never refused, and nobody else let in, while new keys are made', async () => {
    const session = await acme.signUp('dora');
    const run = await queryWhileKeysChange({
      doors,
      token: () => acme.token(session),
      changes: Array.from({ length: 4 }, () => () => acme.expireKeys()),
    });
    expect(run).toMatchObject({ wronglyRefused: [], wronglyAccepted: [] });
    expect(run.keys).toBeGreaterThanOrEqual(5);
  });
});
