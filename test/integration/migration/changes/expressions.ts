import { table, view, type Change } from './change.ts';

// Each is a policy of a table of its own, with another value in the second version.
const values: readonly (readonly [name: string, before: string, after: string])[] = [
  ['a string with quotes', `eq(t.note, "it's")`, `eq(t.note, "it''s \\"it\\"")`],
  ['a string with backslashes', `eq(t.note, 'a\\\\b')`, `eq(t.note, '\\\\')`],
  ['a string that looks like a parameter', `eq(t.note, '$1')`, `sql\`\${t.note} in (\${'$1'}, \${'$2'})\``],
  [
    'a string that looks like a statement',
    `eq(t.note, 'x; DROP TABLE y; --')`,
    `eq(t.note, '/* DROP COLUMN */')`,
  ],
  ['a string with line breaks', `eq(t.note, 'a\\nb')`, `eq(t.note, '\\r\\n')`],
  ['a string beyond ASCII', `eq(t.note, 'ß→🦊')`, `eq(t.note, '$$ % %s %I')`],
  ['numbers', `orm.gt(t.amount, 5)`, `orm.lt(t.amount, -5)`],
  ['truth and nothing', `eq(t.open, true)`, `orm.and(eq(t.open, false), orm.isNull(t.note))`],
  ['a list', `orm.inArray(t.note, ['a', "b'c"])`, `orm.notInArray(t.amount, [1, 2, 3])`],
  [
    'a date',
    `orm.gt(t.at, new Date('2024-02-01T00:00:00Z'))`,
    `orm.lt(t.at, new Date('2025-02-01T00:00:00Z'))`,
  ],
  ['a date without a column', 'sql`${t.at} > ${new Date(0)}`', 'sql`${t.at} < ${new Date(0)}`'],
  ['a list in one column', `eq(t.tags, ['a', 'b"c'])`, `orm.arrayContains(t.tags, ["it's"])`],
  ['a list as an object', `eq(t.data, [1, 2])`, `eq(t.data, ['1,2'])`],
  ['a word as an object', `eq(t.data, 'a"b')`, `orm.ne(t.data, 'null')`],
  ['a value of a type of its own', `eq(t.flag, true)`, `eq(t.flag, false)`],
  ['a number below zero behind a minus', 'sql`${t.amount} < -${-5}`', 'sql`${t.amount} < 0 -${-7}`'],
  ['a day', `eq(t.day, '2024-02-01')`, `orm.between(t.day, '2024-01-01', '2024-12-31')`],
  ['an object', `eq(t.data, { a: "it's", b: [1, null] })`, `eq(t.data, {})`],
  ['a number beyond doubles', `eq(t.big, 9007199254740993n)`, `eq(t.big, -9007199254740993n)`],
  ['a value of an enum', `eq(t.state, 'draft')`, `orm.ne(t.state, 'draft')`],
  [
    'a value in a sub-select',
    'sql`exists (select from e_lookup where word = ${"it\'s"})`',
    'sql`exists (select from e_lookup where word = ${"$1"})`',
  ],
  [
    'a query of drizzle',
    `orm.inArray(t.note, new pg.QueryBuilder().select({ word: e_lookup.word }).from(e_lookup).where(eq(e_lookup.word, 'x')))`,
    `orm.exists(new pg.QueryBuilder().select().from(e_lookup).where(eq(e_lookup.word, t.note)))`,
  ],
  ['a comment at the end', 'sql`true -- why`', 'sql`false -- why not`'],
  ['a comment in between', 'sql`true /* ( */ and\n not false`', 'sql`true -- (\n and false`'],
];

const columns = `note: text(), amount: integer(), open: boolean(), at: pg.timestamp(), day: pg.date(), data: pg.jsonb(),
  big: pg.bigint({ mode: 'bigint' }), state: e_state(), tags: text().array(), flag: e_flag(),`;
const custom = `const e_flag = pg.customType({ dataType: () => 'text', toDriver: (value) => (value ? 'yes' : 'no') });`;
const around = `${custom} export const e_state = pgEnum('e_state', ['draft', 'done']);
  export const e_lookup = pgTable('e_lookup', { word: text() }, () => [selectPolicy('read', { to: authenticatedRole, using: sql\`true\` })]);`;

export const expressionChanges: readonly Change[] = [
  {
    name: 'values of every kind in policies',
    versions: [1, 2].map(
      (version) =>
        around +
        values.map((value, index) => table(`e_all_${index}`, view(value[version]), columns)).join('\n'),
    ),
    often: true,
  },
];
