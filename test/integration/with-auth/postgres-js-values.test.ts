import { eq, sql, type SQL } from 'drizzle-orm';
import {
  bigint,
  bit,
  boolean,
  char,
  cidr,
  customType,
  date,
  doublePrecision,
  inet,
  integer,
  interval,
  json,
  jsonb,
  line,
  macaddr,
  macaddr8,
  numeric,
  pgEnum,
  pgTable,
  point,
  real,
  serial,
  smallint,
  text,
  time,
  timestamp,
  uuid,
  varchar,
} from 'drizzle-orm/pg-core';
import { drizzle, type PostgresJsDatabase } from 'drizzle-orm/postgres-js';
import postgres from 'postgres';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { withAuth } from '../../../src/driver/postgres-js.ts';
import { line as drizzleLine } from '../../support/drizzle-line.ts';
import { createSealedDatabase, type SealedDatabase } from '../../support/sealed-database.ts';

// Values go in and come out as they do without withAuth, whatever the type.

const mood = pgEnum('mood', ['glad', 'sad']);
const bytea = customType<{ data: Buffer }>({ dataType: () => 'bytea' });

const samples = pgTable('samples', {
  id: serial().primaryKey(),
  aBigint: bigint('a_bigint', { mode: 'bigint' }),
  aBigNumber: bigint('a_big_number', { mode: 'number' }),
  aBit: bit('a_bit', { dimensions: 3 }),
  aBoolean: boolean('a_boolean'),
  aBytea: bytea('a_bytea'),
  aChar: char('a_char', { length: 5 }),
  aCidr: cidr('a_cidr'),
  aDate: date('a_date'),
  aDateObject: date('a_date_object', { mode: 'date' }),
  aDouble: doublePrecision('a_double'),
  aMood: mood('a_mood'),
  anInet: inet('an_inet'),
  anInteger: integer('an_integer'),
  anInterval: interval('an_interval'),
  aJson: json('a_json'),
  aJsonb: jsonb('a_jsonb'),
  aLine: line('a_line'),
  aMac: macaddr('a_mac'),
  aMac8: macaddr8('a_mac8'),
  aNumeric: numeric('a_numeric'),
  aPoint: point('a_point'),
  aPointObject: point('a_point_object', { mode: 'xy' }),
  aReal: real('a_real'),
  aSmallint: smallint('a_smallint'),
  aText: text('a_text'),
  aTime: time('a_time'),
  aTimestamp: timestamp('a_timestamp'),
  aTimestampText: timestamp('a_timestamp_text', { mode: 'string' }),
  aTimestamptz: timestamp('a_timestamptz', { withTimezone: true }),
  aUuid: uuid('a_uuid'),
  aVarchar: varchar('a_varchar'),
  texts: text('texts').array(),
  integers: integer('integers').array(),
  booleans: boolean('booleans').array(),
  numerics: numeric('numerics').array(),
  timestamps: timestamp('timestamps', { withTimezone: true }).array(),
  dates: date('dates').array(),
  jsons: jsonb('jsons').array(),
  matrix: integer('matrix').array().array(),
});

const values: readonly (typeof samples.$inferInsert)[] = [
  {
    aBigint: 9_007_199_254_740_993n,
    aBigNumber: 9_007_199_254_740_991,
    aBit: '101',
    aBoolean: true,
    aBytea: Buffer.from([0, 1, 92, 255]),
    aChar: 'ab',
    aCidr: '10.0.0.0/8',
    aDate: '2024-02-29',
    aDateObject: new Date('2024-02-29T00:00:00Z'),
    aDouble: 0.1,
    aMood: 'glad',
    anInet: '10.1.2.3',
    anInteger: -2_147_483_648,
    anInterval: '1 year 2 days 03:04:05.678',
    aJson: { a: [1, null, 'x'], b: { c: true } },
    aJsonb: ['a "quoted" string', { n: 1.5 }],
    aLine: [1, 2, 3],
    aMac: '08:00:2b:01:02:03',
    aMac8: '08:00:2b:01:02:03:04:05',
    aNumeric: '12345678901234567890.123456789',
    aPoint: [1.5, -2],
    aPointObject: { x: 3, y: 4.25 },
    aReal: 1.5,
    aSmallint: 32_767,
    aText: `it's "quoted", \\ and $1 ünïcode 🙂 {a,b}`,
    aTime: '23:59:59.999',
    aTimestamp: new Date('2024-02-29T12:34:56.789Z'),
    aTimestampText: '2024-02-29 12:34:56.789012',
    aTimestamptz: new Date('2024-02-29T12:34:56.789Z'),
    aUuid: '7f3a9c5e-1d2b-4c3d-8e9f-0a1b2c3d4e5f',
    aVarchar: '',
    texts: ['a', 'b "c"', 'd,e', '', 'null', '\\'],
    integers: [1, -2, 3],
    booleans: [true, false],
    numerics: ['1.50', '2'],
    timestamps: [new Date('2024-02-29T12:34:56.789Z')],
    dates: ['2024-02-29', '1999-12-31'],
    jsons: [{ a: 1 }, [2]],
    matrix: [
      [1, 2],
      [3, 4],
    ],
  },
  { aBoolean: false, aJson: 'text', aJsonb: 0, texts: [], aText: 'true', aDouble: Number.POSITIVE_INFINITY },
  { aJsonb: null, aBigint: 0n, aNumeric: 'NaN', aTimestampText: 'infinity' },
];

let database: SealedDatabase;
let clients: postgres.Sql[] = [];

beforeAll(async () => {
  database = await createSealedDatabase('values', [
    `CREATE TYPE mood AS ENUM ('glad', 'sad')`,
    `CREATE TABLE samples (id serial PRIMARY KEY, a_bigint bigint, a_big_number bigint, a_bit bit(3), a_boolean boolean,
      a_bytea bytea, a_char char(5), a_cidr cidr, a_date date, a_date_object date, a_double float8, a_mood mood,
      an_inet inet, an_integer int, an_interval interval, a_json json, a_jsonb jsonb, a_line line, a_mac macaddr,
      a_mac8 macaddr8, a_numeric numeric, a_point point, a_point_object point, a_real float4, a_smallint int2, a_text text,
      a_time time, a_timestamp timestamp, a_timestamp_text timestamp, a_timestamptz timestamptz, a_uuid uuid,
      a_varchar varchar, texts text[], integers int[], booleans boolean[], numerics numeric[], timestamps timestamptz[],
      dates date[], jsons jsonb[], matrix int[][])`,
    'ALTER TABLE samples ENABLE ROW LEVEL SECURITY',
    // Nobody in particular: the same rows without withAuth.
    'CREATE POLICY everybody ON samples TO authenticated USING (true)',
    'GRANT SELECT, INSERT, UPDATE ON samples TO authenticated',
    'GRANT USAGE ON SEQUENCE samples_id_seq TO authenticated',
  ]);
});

afterAll(async () => {
  await Promise.all(clients.map((client) => client.end()));
  clients = [];
  await database.drop();
});

type Db = PostgresJsDatabase<{ samples: typeof samples }> & { readonly $client: postgres.Sql };

function pair(options: postgres.Options<Record<string, postgres.PostgresType>> = {}): readonly [Db, Db] {
  const [one, two] = [1, 2].map(() => {
    const client = postgres(database.authenticatedUrl, { max: 1, ...options });
    clients.push(client);
    return drizzle({ client, schema: { samples } });
  });
  if (one === undefined || two === undefined) throw new Error('two were made');
  const identity = { role: 'authenticated', claims: { sub: 'alice' } };
  return [one, withAuth(two, { key: database.authorizeKey }).$withIdentity(identity)];
}

describe.each([
  ['as they are', {}],
  ['with columns renamed', { transform: postgres.camel }],
  ['with types of its own', { types: { bigint: postgres.BigInt } }],
])('columns of every type, with options of the client: %s', (_, options) => {
  it.each(values.map((value, index) => [index, value] as const))('row %i', async (__, value) => {
    const [plain, handle] = pair(options);
    const stored: unknown[] = [];
    for (const db of [plain, handle]) {
      const [inserted] = await db.insert(samples).values(value).returning();
      if (inserted === undefined) throw new Error('nothing was inserted');
      const { id, ...row } = inserted;
      const own = eq(samples.id, id);
      await db.update(samples).set(value).where(own);
      const [asText] = await db.execute(
        sql`select to_jsonb(samples) - 'id' as row from samples where ${own}`,
      );
      stored.push([row, asText]);
    }
    expect(stored[1]).toEqual(stored[0]);

    const [last] = await plain.execute(sql`select max(id) as id from samples`);
    const own = eq(samples.id, Number(last?.['id']));
    for (const read of [
      (db: Db) => db.select().from(samples).where(own),
      (db: Db) => db.execute(sql`select * from samples where ${own}`),
      (db: Db) => db.execute(sql.raw(`select * from samples where id = ${Number(last?.['id'])}`)),
      (db: Db) => db.transaction((tx) => tx.execute(sql`select * from samples where ${own}`)),
    ]) {
      const [expected, given] = [await read(plain), await read(handle)];
      expect(given).toEqual(expected);
    }
  });
});

describe('values that are written without a column', () => {
  const queries: Record<string, SQL> = {
    'a string': sql`select ${'a'} as v`,
    'a number': sql`select ${1.5}::float8 + ${2}::int as v`,
    'a boolean': sql`select ${true} as v, ${false}::text as w`,
    'a bigint': sql`select ${9_007_199_254_740_993n} as v`,
    null: sql`select ${null} as v`,
    bytes: sql`select ${Buffer.from([0, 255])} as v`,
    'an array': sql`select ${sql.param(['a', 'b'])}::text[] as v`,
    'an array of numbers': sql`select array_length(${sql.param([1, 2, 3])}::int[], 1) as v`,
    'a list': sql`select 2 in ${[1, 2]} as v`,
    'an object that is a date': sql`select ${new Date(0)}::timestamptz as v`,
    'an object': sql`select ${{ a: 1 }}::jsonb as v`,
    'something of no known type': sql`select pg_typeof(${'a'}) as v`,
    'several of one kind': sql`select ${'a'}::text || ${'b'} as v where ${1} = ${1}::int and ${'t'}::text is not null`,
  };

  it.each(Object.entries(queries))('%s', async (_, query) => {
    const [plain, handle] = pair();
    const answer = async (db: Db): Promise<unknown> => {
      try {
        return await db.execute(query);
      } catch (error) {
        // What cannot be written is refused by the driver, in its own words.
        const { message, cause } = error as Error;
        return cause instanceof Error ? cause.message : message;
      }
    };
    expect(await answer(handle)).toEqual(await answer(plain));
  });

  it('but strings where a boolean or bytes are wanted: with drizzle-orm 0.45 they go as they are', async () => {
    const [plain, handle] = pair();
    const query = sql`select ${'true'}::boolean as yes, ${'\\x4142'}::bytea as bytes`;
    const [asked, askedAgain, without] = [
      await handle.execute(query),
      await handle.execute(query),
      await plain.execute(query),
    ];
    const asClient = [{ yes: false, bytes: Buffer.from('\\x4142') }];
    expect(without).toEqual(asClient);
    expect(asked).toEqual(
      drizzleLine.startsWith('0.45.') ? [{ yes: true, bytes: Buffer.from('AB') }] : asClient,
    );
    expect(askedAgain).toEqual(asked);
  });

  it('arrays and objects as often as they come', async () => {
    const [plain, handle] = pair();
    const asked = [
      (n: number) => sql`select ${sql.param([`${n}`, 'x'])}::text[] as v, ${n}::int as n`,
      (n: number) => sql`select ${sql.param(n === 2 ? [] : [n, null, 3])}::int[] as v`,
      (n: number) => sql`select ${n % 2 === 0 ? null : sql.param([n])}::int[] as v, ${`${n}`} as t`,
    ];
    for (const query of asked) {
      for (let n = 0; n < 8; n += 1) {
        expect(await handle.execute(query(n))).toEqual(await plain.execute(query(n)));
        // The look at a statement's tree takes a turn of the event loop.
        await new Promise(setImmediate);
      }
      await handle.transaction(async (tx) => {
        expect(await tx.execute(query(1))).toEqual(await plain.execute(query(1)));
      });
    }
    for (let n = 0; n < 2; n += 1) {
      const typed = handle.$client.typed('7' as never, 23);
      expect(await handle.execute(sql`select ${typed} + 1 as n`)).toEqual([{ n: 8 }]);
    }
  });

  it('results have what postgres.js tells with them', async () => {
    const [plain, handle] = pair();
    for (const query of [sql`select 1 as a, 'x' as b`, sql`update samples set a_text = 'y' where false`]) {
      const [expected, given] = await Promise.all([plain.execute(query), handle.execute(query)]);
      expect(given.count).toBe(expected.count);
      expect(given.command).toBe(expected.command);
      const columnsOf = ({ columns }: postgres.RowList<postgres.Row[]>): unknown =>
        (columns ?? []).map(({ name, type }) => [name, type]);
      expect(columnsOf(given)).toEqual(columnsOf(expected));
    }
  });
});
