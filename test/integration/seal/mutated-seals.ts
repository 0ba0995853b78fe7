import fc from 'fast-check';
import { expect } from 'vitest';

import { seal } from '../../../src/session/seal.ts';
import { createSealedDatabase, withClient } from '../../support/sealed-database.ts';

const batchSize = 500;

/** What is done to a seal: at a place of it, or with one of its parts and another seal's. */
type Mutation =
  | { readonly kind: 'replace'; readonly at: number; readonly by: string }
  | { readonly kind: 'cut'; readonly at: number; readonly length: number }
  | { readonly kind: 'insert'; readonly at: number; readonly text: string }
  | { readonly kind: 'take part'; readonly part: number; readonly of: number }
  | { readonly kind: 'continue as'; readonly at: number; readonly of: number }
  | { readonly kind: 'count'; readonly part: number; readonly by: number };

const at = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });
const part = fc.nat(6);
const of = fc.nat(5);
// Postgres holds no NUL in a text, and half of a surrogate pair is none.
const text = (constraints: fc.StringConstraints): fc.Arbitrary<string> =>
  fc
    .string({ unit: 'binary', ...constraints })
    .map((written) => written.replaceAll('\0', ' '))
    .filter((written) => !/\p{Surrogate}/u.test(written));
const digits = fc.string({
  unit: fc.constantFrom(...Array.from('0123456789abcdef.{}":,eE+- ')),
  minLength: 1,
  maxLength: 8,
});

const mutation: fc.Arbitrary<Mutation> = fc.oneof(
  fc.record({
    kind: fc.constant('replace' as const),
    at,
    by: fc.oneof(digits, text({ minLength: 1, maxLength: 4 })),
  }),
  fc.record({ kind: fc.constant('cut' as const), at, length: fc.integer({ min: 1, max: 80 }) }),
  fc.record({
    kind: fc.constant('insert' as const),
    at,
    text: fc.oneof(digits, text({ minLength: 1, maxLength: 40 })),
  }),
  fc.record({ kind: fc.constant('take part' as const), part, of }),
  fc.record({ kind: fc.constant('continue as' as const), at, of }),
  fc.record({ kind: fc.constant('count' as const), part: fc.integer({ min: 1, max: 5 }), by: fc.integer() }),
);

function mutate(whole: string, change: Mutation, others: readonly string[]): string {
  const parts = whole.split('.');
  const other = 'of' in change ? (others[change.of] ?? '') : '';
  const place = 'at' in change ? Math.floor(change.at * whole.length) : 0;
  switch (change.kind) {
    case 'replace':
      return whole.slice(0, place) + change.by + whole.slice(place + change.by.length);
    case 'cut':
      return whole.slice(0, place) + whole.slice(place + change.length);
    case 'insert':
      return whole.slice(0, place) + change.text + whole.slice(place);
    case 'take part':
      return parts
        .with(Math.min(change.part, parts.length - 1), other.split('.')[change.part] ?? '')
        .join('.');
    case 'continue as':
      return whole.slice(0, place) + other.slice(place);
    case 'count':
      break;
  }
  const index = Math.min(change.part, parts.length - 1);
  return parts.with(index, String(Number(parts[index]) + change.by)).join('.');
}

/**
 * Asserts that none of so many mutated seals is accepted by Postgres, and that each is refused with 28000. They are made of one that
 * is genuine and of others that would be for another person, role, backend, database or time.
 */
export async function expectMutatedSealsToBeRefused(count: number): Promise<void> {
  // Each seal in a subtransaction of its own: what is left are those that were not refused.
  const database = await createSealedDatabase('mutated', [
    `CREATE FUNCTION not_refused(seals text[]) RETURNS TABLE (number int, outcome text) LANGUAGE plpgsql AS $$ BEGIN
      FOR at IN 1..cardinality(seals) LOOP
        number := at;
        BEGIN
          PERFORM set_config('authorize.seal', seals[number], true), auth.user_id();
          outcome := 'accepted';
          RETURN NEXT;
        EXCEPTION WHEN invalid_authorization_specification THEN NULL;
          WHEN OTHERS THEN outcome := SQLSTATE; RETURN NEXT;
        END;
        BEGIN
          PERFORM auth.check(seals[number]);
          outcome := 'accepted by the prologue';
          RETURN NEXT;
        EXCEPTION WHEN invalid_authorization_specification THEN NULL;
          WHEN OTHERS THEN outcome := SQLSTATE; RETURN NEXT;
        END;
      END LOOP;
    END $$`,
  ]);
  try {
    await withClient(database.authenticatedUrl, async (client) => {
      const backendPid = Number(Reflect.get(client, 'processID'));
      const make = (sub: string, changes: object = {}, role = 'authenticated'): Promise<string> =>
        seal({ role, claims: { sub, name: 'a "name"' } }, database.sealKey, {
          database: database.name,
          backendPid,
          nowSeconds: Date.now() / 1000,
          ...changes,
        });
      const notRefused = async (seals: readonly string[]): Promise<readonly (string | undefined)[]> => {
        const { rows } = await client.query<{ number: number; outcome: string }>(
          'SELECT * FROM not_refused($1)',
          [seals],
        );
        return rows.map(({ number, outcome }) => `${outcome}: ${seals[number - 1]}`);
      };
      // The neighbour that is permitted.
      expect(await notRefused([await make('alice')])).toHaveLength(2);

      await fc.assert(
        fc.asyncProperty(
          fc.array(fc.array(mutation, { minLength: 1, maxLength: 3 }), {
            minLength: batchSize,
            maxLength: batchSize,
          }),
          async (changes) => {
            const nowSeconds = Date.now() / 1000;
            const genuine = await make('alice');
            const others = await Promise.all([
              make('bob', { backendPid: backendPid + 1 }),
              make('bob', { nowSeconds: nowSeconds - 61 }),
              make('bob', { nowSeconds: nowSeconds + 30 }),
              make('bob', { database: 'postgres' }),
              make('bob', {}, 'anonymous'),
              make('alice', { nowSeconds: nowSeconds - 600 }),
            ]);
            const mutated = changes.map((each, index) => {
              const start = index % 4 === 0 ? (others[index % others.length] ?? genuine) : genuine;
              return each.reduce((written, change) => mutate(written, change, others), start);
            });
            // One that came out as it was has not been mutated.
            const seals = mutated.filter((written) => written !== genuine);
            expect(seals.length).toBeGreaterThan(batchSize * 0.9);
            expect(await notRefused(seals)).toEqual([]);
          },
        ),
        // A batch is no smaller for being shrunk, and a failure shows the seal.
        { numRuns: Math.ceil(count / (batchSize * 0.9)), endOnFailure: true },
      );
    });
  } finally {
    await database.drop();
  }
}
