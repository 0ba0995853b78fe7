import { table, view, type Change } from './change.ts';

// What drizzle-kit writes alone needs the role, and no function of the auth schema.
const setup = [
  'DO $$ BEGIN CREATE ROLE authenticated; EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; END $$',
];
const open = view("sql`${t.userId} <> 'bob'`");
const hold = `pgPolicy('hold', { as: 'restrictive', for: 'select', to: 'authenticated', using: sql\`\${t.userId} = 'open'\` })`;
const objects = `const objects = pgSchema('a_storage').table('objects', { id: integer() });`;
const linked = (name: string, using: string): string =>
  `export const ${name} = pgPolicy('${name}', { for: 'select', to: 'authenticated', using: sql\`${using}\` }).link(objects);`;

/** What the first run with drizzle-authorize finds, and changes at once. */
export const adoptionChanges: readonly Change[] = [
  {
    name: 'a database that drizzle-kit alone has migrated is taken over',
    before: table('a_kept', `${open}, ${hold}`) + table('a_changed', open) + table('a_bare'),
    versions: [table('a_kept', `${open}, ${hold}`) + table('a_changed', view()) + table('a_bare')],
    setup,
  },
  {
    name: 'a table is renamed in the first run',
    before: table('a_old', `${open}, ${view('sql`false`', 'other')}`),
    versions: [table('a_new', open)],
    renamed: ['a_old › a_new'],
    setup,
  },
  {
    name: 'a table is dropped in the first run',
    before: table('a_gone', open) + table('a_there', view('sql`exists (select from a_gone)`')),
    versions: [table('a_there', open)],
    setup,
  },
  {
    name: 'linked policies are altered and dropped in the first run',
    before: `${objects} ${linked('altered', 'true')} ${linked('dropped', 'true')}`,
    versions: [`${objects} ${linked('altered', 'false')}`],
    setup: [...setup, 'CREATE SCHEMA a_storage', 'CREATE TABLE a_storage.objects (id integer)'],
  },
  {
    name: 'all linked policies of a table are dropped in the first run',
    before: `${objects} ${linked('dropped', 'true')}`,
    versions: [''],
    setup: [...setup, 'CREATE SCHEMA a_storage', 'CREATE TABLE a_storage.objects (id integer)'],
  },
];
