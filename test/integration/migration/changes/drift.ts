import { table, view, type Change } from './change.ts';

const touched = (name: string): readonly string[] => [
  table(name, view(), 'number: serial(),'),
  table(name, view(), 'number: serial(), note: text(),'),
];
const roles = 'authenticated, anonymous, PUBLIC';
// Default privileges belong to whoever creates: here, to the owner of the database.
const byOwner = (statement: string): string =>
  `DO $$ BEGIN EXECUTE format('ALTER DEFAULT PRIVILEGES FOR ROLE %I ${statement}', (SELECT rolname FROM pg_roles r JOIN pg_database d ON d.datdba = r.oid WHERE datname = current_database())); END $$`;

/** What an administrator has done by hand, and the next migration that touches the table undoes. */
export const driftChanges: readonly Change[] = [
  {
    name: 'everything is granted to the identity roles by hand',
    versions: touched('d_all'),
    byHand: {
      0: [
        'GRANT ALL ON d_all TO authenticated, anonymous',
        'GRANT ALL ON SEQUENCE d_all_number_seq TO authenticated, anonymous',
      ],
    },
    often: true,
  },
  {
    name: 'a table is granted to everybody by hand',
    versions: touched('d_public'),
    byHand: { 0: ['GRANT SELECT, UPDATE ON d_public TO PUBLIC', 'GRANT INSERT (id) ON d_public TO PUBLIC'] },
    often: true,
  },
  {
    name: 'single columns are granted by hand',
    versions: touched('d_columns'),
    byHand: { 0: ['GRANT UPDATE (user_id), INSERT (id) ON d_columns TO authenticated'] },
  },
  {
    name: 'a grant can be passed on, and has been',
    versions: touched('d_passed'),
    byHand: {
      0: [
        'GRANT SELECT ON d_passed TO authenticated WITH GRANT OPTION; SET ROLE authenticated; GRANT SELECT ON d_passed TO anonymous',
      ],
    },
  },
  {
    name: 'row level security is switched off by hand',
    versions: touched('d_off'),
    byHand: { 0: ['ALTER TABLE d_off DISABLE ROW LEVEL SECURITY'] },
  },
  {
    name: 'a policy is dropped and another is altered by hand',
    versions: [
      table('d_policies', `${view()}, ${view('sql`false`', 'other')}`),
      table('d_policies', `${view('sql`true`')}, ${view('sql`${t.id} > 0`', 'other')}`),
    ],
    byHand: { 0: ['DROP POLICY view ON d_policies', 'ALTER POLICY other ON d_policies USING (true)'] },
  },
  {
    name: 'new tables, views and sequences go to everybody by default',
    versions: [
      table('d_default', view()),
      `${table('d_default', view())} ${table('d_more', view(), 'number: serial(), other: integer().generatedAlwaysAsIdentity(),')} ${table('d_bare')}
       export const d_view = pg.pgView('d_view').as((qb) => qb.select().from(d_default));
       export const d_copy = pg.pgMaterializedView('d_copy').as((qb) => qb.select().from(d_default));
       export const d_count = pg.pgSequence('d_count');`,
    ],
    ownerViews: ['d_view', 'd_copy'],
    byHand: {
      0: [byOwner(`GRANT ALL ON TABLES TO ${roles}`), byOwner(`GRANT ALL ON SEQUENCES TO ${roles}`)],
    },
    often: true,
  },
  {
    name: 'the database had default privileges before it had the auth schema',
    versions: [table('d_old', view()) + table('d_older'), table('d_old', view()) + table('d_older', view())],
    setup: [
      'CREATE SCHEMA d_before',
      ...['TABLES', 'SEQUENCES'].flatMap((kind) => [
        `ALTER DEFAULT PRIVILEGES GRANT ALL ON ${kind} TO PUBLIC`,
        `ALTER DEFAULT PRIVILEGES IN SCHEMA d_before GRANT ALL ON ${kind} TO PUBLIC`,
      ]),
    ],
  },
  {
    name: 'new tables of a schema go to everybody by default',
    versions: ['', table('d_new', view(), 'number: serial(),', 'd_app.table')].map(
      (more) => `export const d_app = pgSchema('d_app'); ${table('d_in', view(), '', 'd_app.table')} ${more}`,
    ),
    byHand: {
      0: [
        byOwner(`IN SCHEMA d_app GRANT ALL ON TABLES TO ${roles}`),
        byOwner(`IN SCHEMA d_app GRANT ALL ON SEQUENCES TO ${roles}`),
      ],
    },
  },
  {
    name: 'a role that no schema names keeps what it was given',
    versions: ['', 'note: text(),', ''].map(
      (column) =>
        `export const d_house = pgSchema('d_house'); ${table('d_kept', view(), `number: serial(), ${column}`, 'd_house.table')}`,
    ),
    setup: [
      'DO $$ BEGIN CREATE ROLE test_clerk; EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; END $$',
    ],
    custom: {
      0: [
        'GRANT USAGE ON SCHEMA d_house TO test_clerk;',
        'GRANT SELECT, INSERT, TRUNCATE ON d_house.d_kept TO test_clerk;',
        'GRANT UPDATE (user_id) ON d_house.d_kept TO test_clerk;',
        'GRANT USAGE ON SEQUENCE d_house.d_kept_number_seq TO test_clerk;',
      ].join('\n--> statement-breakpoint\n'),
    },
    given: [
      'test_clerk: INSERT on d_house.d_kept',
      'test_clerk: SELECT on d_house.d_kept',
      'test_clerk: TRUNCATE on d_house.d_kept',
      'test_clerk: UPDATE (user_id) on d_house.d_kept',
      'test_clerk: USAGE on schema d_house',
      'test_clerk: USAGE on the sequence of d_house.d_kept.number',
    ],
  },
  {
    name: 'a role loses the way into a schema by hand',
    versions: ['', 'note: text(),'].map(
      (column) =>
        `export const d_hall = pgSchema('d_hall'); ${table('d_shut', view(), column, 'd_hall.table')}`,
    ),
    byHand: { 0: ['REVOKE USAGE ON SCHEMA d_hall FROM authenticated'] },
  },
];
