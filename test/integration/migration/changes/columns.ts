import { table, view, type Change } from './change.ts';

const add = `insertPolicy('add', { to: authenticatedRole, withCheck: authUid(t.userId) })`;
const tick = (...columns: readonly string[]): string =>
  `updatePolicy('tick', { to: authenticatedRole, using: authUid(t.userId), columns: [${columns.map((column) => `t.${column}`).join(', ')}] })`;

export const columnChanges: readonly Change[] = [
  {
    name: 'a column is dropped with the policy that used it',
    versions: [
      table('c_with', `${view()}, ${view('sql`${t.hidden} is false`', 'shown')}`, 'hidden: boolean(),'),
      table('c_with', view()),
    ],
  },
  {
    name: 'a column is dropped from under a policy, which drizzle-kit alone cannot migrate',
    versions: [
      table('c_under', view('sql`${t.hidden} is false`'), 'hidden: boolean(),'),
      table('c_under', view()),
    ],
    often: true,
  },
  {
    name: 'a column is dropped that a policy of another table has read',
    versions: [
      table('c_read', view(), 'open: boolean(),') +
        table('c_reader', view('sql`exists (select from c_read where open)`')),
      table('c_read', view()) + table('c_reader', view('sql`exists (select from c_read)`')),
    ],
    often: true,
  },
  {
    name: 'a column is retyped under policies that stay, of its own and of another table',
    versions: ['text()', 'pg.varchar({ length: 40 })'].map(
      (type) =>
        table('c_retyped', view("sql`${t.kind} = 'open'`"), `kind: ${type},`) +
        table('c_beside', view("sql`exists (select from c_retyped where kind = 'open')`")),
    ),
    often: true,
  },
  {
    name: 'a column is renamed that a policy uses, also one of another table',
    versions: ['hidden', 'secret'].map(
      (column) =>
        table('c_renamed', view(`sql\`\${t.${column}} is false\``), `${column}: boolean(),`) +
        table('c_looking', view(`sql\`exists (select from \${c_renamed} where \${c_renamed.${column}})\``)),
    ),
    renamed: ['hidden › secret'],
    often: true,
  },
  {
    name: 'a column with another name is another column',
    versions: ['was', 'is'].map((column) =>
      table('c_other', view(`sql\`\${t.${column}} is false\``), `${column}: boolean(),`),
    ),
  },
  {
    name: 'a column of a column grant is renamed',
    versions: ['done', 'ready'].map((column) =>
      table('c_granted', `${view()}, ${tick(column)}`, `${column}: boolean(),`),
    ),
    renamed: ['done › ready'],
    often: true,
  },
  {
    name: 'a column of a column grant is dropped',
    versions: [
      table('c_ungranted', `${view()}, ${tick('done', 'note')}`, 'done: boolean(), note: text(),'),
      table('c_ungranted', `${view()}, ${tick('note')}`, 'note: text(),'),
    ],
  },
  {
    name: 'the columns of a grant change',
    versions: [tick('note'), tick('done', 'note'), tick('done')].map((policy) =>
      table('c_list', `${view()}, ${policy}`, 'done: boolean(), note: text(),'),
    ),
    often: true,
  },
  {
    name: 'a grant of some columns becomes one of the whole table, and of some again',
    versions: [tick('note'), tick('note').replace(/, columns.*\]/, ''), tick('note')].map((policy) =>
      table('c_width', `${view()}, ${policy}`, 'note: text(),'),
    ),
  },
  {
    name: 'a generated column under a policy gets another expression',
    versions: [`'open'`, `'bob'`].map((word) =>
      table(
        'c_generated',
        view('sql`${t.open}`'),
        `open: boolean().generatedAlwaysAs(sql\`user_id = ${word}\`),`,
      ),
    ),
  },
  {
    name: 'a serial column is added and renamed',
    versions: ['', 'number: serial(),', 'place: serial(),'].map((column) =>
      table('c_serial', `${view()}, ${add}`, column),
    ),
    renamed: ['number › place'],
    often: true,
  },
  {
    name: 'a serial column is dropped, and comes again',
    versions: ['number: serial(),', '', 'number: serial(),'].map((column) =>
      table('c_twice', `${view()}, ${add}`, column),
    ),
  },
  {
    name: 'a serial column becomes an integer, which leaves its sequence behind',
    versions: ['serial', 'integer'].map((type) =>
      table('c_number', `${view()}, ${add}`, `number: ${type}(),`),
    ),
    often: true,
  },
  {
    name: 'nobody may insert any more where a sequence gives numbers',
    versions: [
      table('c_counted', `${view()}, ${add}`, "number: bigserial({ mode: 'number' }),"),
      table('c_counted', view(), "number: bigserial({ mode: 'number' }),"),
    ],
  },
  {
    name: 'an identity column comes, changes and goes, and needs no privilege on its sequence',
    versions: [
      '',
      'number: integer().generatedAlwaysAsIdentity(),',
      'number: integer().generatedByDefaultAsIdentity(),',
      '',
    ].map((column) => table('c_identity', `${view()}, ${add}`, column)),
  },
  {
    name: 'a column gets a default, a check and an index, which is no matter of access',
    versions: [
      table('c_plain', view(), 'note: text(),'),
      table(
        'c_plain',
        `${view()}, index().on(t.note), pg.check('c_short', sql\`length(\${t.note}) < 99\`)`,
        `note: text().notNull().default('')`,
      ),
    ],
  },
];
