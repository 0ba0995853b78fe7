import { arrayContains, eq, gt, inArray, sql, type SQL } from 'drizzle-orm';
import {
  bigint,
  customType,
  date,
  jsonb,
  PgDialect,
  pgEnum,
  pgTable,
  QueryBuilder,
  text,
  timestamp,
  type AnyPgColumn,
} from 'drizzle-orm/pg-core';
import { describe, expect, it } from 'vitest';

import { authenticatedRole, selectPolicy } from '../../../src/index.ts';
import { readAccessModel } from '../../../src/migration/access-model.ts';
import { withLiterals } from '../../../src/policy/literals.ts';

const state = pgEnum('state', ['draft']);
const yesOrNo = customType<{ data: boolean }>({
  dataType: () => 'text',
  toDriver: (is) => (is ? 'yes' : 'no'),
});

const columns = {
  word: text(),
  at: timestamp(),
  day: date({ mode: 'date' }),
  big: bigint({ mode: 'bigint' }),
  data: jsonb(),
  tags: text().array(),
  flag: yesOrNo(),
  state: state(),
};
const table = pgTable('t', columns);

function written(expression: SQL): string {
  const { sql: statement, params } = new PgDialect().sqlToQuery(withLiterals(expression));
  expect(params).toEqual([]);
  return statement;
}

describe('values without a column', () => {
  it.each([
    [sql`${"it's"} ${'a\\b'} ${'$1'}`, `'it''s'  E'a\\\\b' '$1'`],
    [sql`like${'\\'}`, `like E'\\\\'`],
    [sql`${1} ${1.5} ${1e21} ${-5} -${-5}`, '1 1.5 1e+21 (-5) -(-5)'],
    [sql`${NaN} ${-Infinity}`, `'NaN' '-Infinity'`],
    [sql`${9007199254740993n} ${-1n}`, '9007199254740993 (-1)'],
    [sql`${true} ${null}`, 'true null'],
    [sql`${new Date(0)}`, `'1970-01-01T00:00:00.000Z'`],
    [sql`${new Uint8Array([0, 171])}`, ` E'\\\\x00ab'`],
    [sql`${{ a: ["it's"] }}`, `'{"a":["it''s"]}'`],
    [sql`${new URL('http://a.example')}`, `'http://a.example/'`],
    [sql`in ${[1, 'a']}`, `in (1, 'a')`],
    [sql`${undefined}`, ''],
    [sql`${sql`${sql`${5}`}`}`, '5'],
    [sql`${table} ${table.word} ${state} ${sql.identifier('x')}`, '"t" "t"."word" "state" "x"'],
  ])('%#', (expression, expected) => {
    expect(written(expression)).toBe(expected);
  });
});

describe('values of a column are written as its type says', () => {
  type Columns = Readonly<Record<keyof typeof columns, AnyPgColumn>>;

  it.each<[string, (t: Columns) => SQL, string]>([
    ['timestamp', (t) => gt(t.at, new Date(0)), `"t"."at" > '1970-01-01T00:00:00.000Z'`],
    ['date', (t) => eq(t.day, new Date(0)), `"t"."day" = '1970-01-01T00:00:00.000Z'`],
    ['bigint', (t) => eq(t.big, 5n), '"t"."big" = 5'],
    ['jsonb', (t) => eq(t.data, [1, { a: null }]), `"t"."data" = '[1,{"a":null}]'`],
    ['array', (t) => arrayContains(t.tags, ['a', 'b,c']), `"t"."tags" @> '{"a","b,c"}'`],
    ['type of its own', (t) => eq(t.flag, false), `"t"."flag" = 'no'`],
    ['enum', (t) => inArray(t.state, ['draft']), `"t"."state" in ('draft')`],
    [
      'sub-select',
      (t) =>
        inArray(
          t.word,
          new QueryBuilder()
            .select({ word: table.word })
            .from(table)
            .where(gt(table.at, new Date(0))),
        ),
      `"t"."word" in (select "word" from "t" where "t"."at" > '1970-01-01T00:00:00.000Z')`,
    ],
  ])('%s', (_type, using, expected) => {
    expect(written(using(table))).toBe(expected);

    // In the third argument of pgTable drizzle's columns do not know their types.
    const policed = pgTable('t', columns, (t) => [
      selectPolicy('p', { to: authenticatedRole, using: using(t) }),
    ]);
    expect(readAccessModel([policed]).tables[0]?.policies[0]?.using).toBe(expected);
  });
});

describe('what cannot be written is refused', () => {
  const list = sql`${sql.param(['a'])}`;
  const other = sql`${new Map()}`;

  it.each([
    [list, 'holds a list as one value; use inArray() or sql.join()'],
    [other, 'holds a value of a kind that cannot be written out'],
  ])('%#', (expression, reason) => {
    expect(() => selectPolicy('p', { to: authenticatedRole, using: expression })).toThrow(
      new TypeError(`selectPolicy 'p': ${reason}`),
    );
  });
});

it('leaves what it was given as it was', () => {
  const expression = eq(table.word, 'a');
  withLiterals(expression);
  expect(new PgDialect().sqlToQuery(expression).params).toEqual(['a']);
});
