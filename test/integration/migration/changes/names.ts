import { table, view, type Change } from './change.ts';

const named = (name: string, policy: string, column = 'word', using = 'true'): string =>
  `export const named_${name.length} = pgTable(${JSON.stringify(name)}, { id: integer().primaryKey(), userId: text('user_id'), word: text(${JSON.stringify(column)}), number: serial() }, (t) => [
    selectPolicy(${JSON.stringify(policy)}, { to: authenticatedRole, using: sql\`\${t.word} is not null and ${using}\` }),
    updatePolicy('change', { to: authenticatedRole, using: sql\`${using}\`, columns: [t.word] }),
    insertPolicy('add', { to: authenticatedRole, withCheck: sql\`${using}\` }),
  ]);`;
const twice = (...args: readonly [string, string, string?]): readonly string[] =>
  ['true', 'false'].map((using) => named(args[0], args[1], args[2] ?? 'word', using));
const long = (start: string): string => start.padEnd(63, '_');

export const nameChanges: readonly Change[] = [
  { name: 'names of 63 bytes', versions: twice(long('n_long'), long('policy'), long('column')), often: true },
  {
    name: 'names of tables and columns beyond 63 bytes, which Postgres cuts',
    versions: ['true', 'false'].map(
      (
        using,
      ) => `export const n_cut = pgTable('${'n_cut'.padEnd(70, '-')}', { id: integer().primaryKey(), word: text('${'word'.padEnd(70, '-')}') }, (t) => [
        selectPolicy('view', { to: authenticatedRole, using: sql\`\${t.word} is not null and ${using}\` }),
        updatePolicy('change', { to: authenticatedRole, using: sql\`true\`, columns: [t.word] }),
      ]);`,
    ),
  },
  {
    name: 'names of 63 bytes beyond ASCII',
    versions: twice('nß'.padEnd(62, '-'), 'ß'.repeat(31), 'ü'.repeat(31)),
  },
  { name: 'names that are keywords', versions: twice('order', 'select', 'user') },
  {
    name: 'names with capitals, spaces, dots and percent signs',
    versions: twice('N To Do.x %s', 'It is 100 %I', 'My %L Column'),
    often: true,
  },
  {
    name: 'names with single quotes and dollar signs',
    versions: twice("n_it's $$", "it's $1", "is 'it' $body1$"),
  },
  {
    name: 'a policy with double quotes and line breaks in its name',
    versions: [...twice('n_quoted', 'it is "it"\r\nDROP TABLE n_quoted;\r--'), named('n_quoted', 'other')],
  },
  {
    name: 'a policy that is named like a statement of drizzle-kit',
    versions: twice('n_policy', 'DISABLE ROW LEVEL SECURITY'),
    often: true,
  },
  {
    name: 'tables and columns that are named like statements of drizzle-kit',
    versions: [
      table('n_beside', view()) + named('n DROP TABLE x', 'CREATE POLICY', 'DROP COLUMN'),
      table('n_beside', view()) + named('n DROP TABLE x', 'CREATE POLICY', 'DISABLE ROW LEVEL SECURITY'),
      table('n_beside', view()) +
        named('n DROP TABLE x', 'ALTER POLICY', 'DISABLE ROW LEVEL SECURITY', 'false'),
    ],
    renamed: ['DROP COLUMN › DISABLE ROW LEVEL SECURITY'],
  },
  {
    name: 'a table with a line break in its name loses its last policy',
    versions: ['selectPolicy("view", { to: authenticatedRole, using: sql`true` })', ''].map(
      (policy) => `export const broken = pgTable('n_line\\nbreak', { id: integer() }, () => [${policy}]);`,
    ),
  },
  {
    name: 'checks and defaults that mention statements',
    versions: ['', `note: text().default('DROP TABLE n_checked; DISABLE ROW LEVEL SECURITY'),`].map(
      (column) =>
        table(
          'n_checked',
          `${view()}, pg.check('n_check', sql\`\${t.userId} <> 'CREATE POLICY x, DROP COLUMN y, DISABLE ROW LEVEL SECURITY'\`)`,
          column,
        ),
    ),
    often: true,
  },
  {
    name: 'a role whose name has quotes, dollar and percent signs',
    versions: ['true', 'false'].map(
      (using) =>
        `export const odd = identityRole('test "n" $$ %s it\\'s'); ${table('n_role', `allPolicy('p', { to: odd, using: sql\`${using}\` })`, 'number: serial(),')}`,
    ),
  },
];
