import { table, view, type Change } from './change.ts';

const states = (...values: readonly string[]): string =>
  `export const k_state = pgEnum('k_state', [${values.map((value) => `'${value}'`).join(', ')}]);`;
const stated = (using: string): string => table('k_stated', view(using), 'state: k_state(),');

/** What drizzle-kit changes next to policies, and what people write themselves. */
export const neighbourChanges: readonly Change[] = [
  {
    name: 'an enum gains a value under a policy',
    versions: [states('open', 'shut'), states('open', 'ajar', 'shut')].map(
      (state) => state + stated(`eq(t.state, 'open')`),
    ),
  },
  {
    name: 'an enum loses a value under a policy, which drizzle-kit alone cannot migrate',
    versions: [states('open', 'shut', 'lost'), states('open', 'shut')].map(
      (state) => state + stated(`eq(t.state, 'open')`),
    ),
    byHand: { 0: [`UPDATE k_stated SET state = 'open' WHERE state = 'lost'`] },
  },
  {
    name: 'an enum is renamed under a policy',
    versions: ['k_before', 'k_after'].map(
      (name) =>
        `export const kind = pgEnum('${name}', ['open', 'shut']); ${table('k_renamed', view(`eq(t.state, 'open')`), 'state: kind(),')}`,
    ),
    renamed: ['k_before › k_after'],
  },
  {
    name: 'a view comes, changes and goes between policies',
    ownerViews: ['k_view'],
    versions: [
      '',
      'export const k_view = pg.pgView("k_view").with({ securityInvoker: true }).as((qb) => qb.select().from(k_viewed));',
      'export const k_view = pg.pgView("k_view").with({ securityInvoker: true }).as((qb) => qb.select({ id: k_viewed.id }).from(k_viewed));',
      'export const k_view = pg.pgView("k_view").as((qb) => qb.select({ id: k_viewed.id }).from(k_viewed));',
      '',
    ].map((k_view, index) => table('k_viewed', view(index < 2 ? undefined : 'sql`true`')) + k_view),
  },
  {
    name: 'those who may read the tables of a view change, then its name, then its schema',
    renamed: ['k_seen › k_shown'],
    versions: [
      ['k_seen', 'authenticatedRole', 'pg.pgView'],
      ['k_seen', "'public'", 'pg.pgView'],
      ['k_shown', 'authenticatedRole', 'pg.pgView'],
      ['k_shown', 'anonymousRole', 'k_place.view'],
    ].map(
      ([name, role, make]) => `export const k_place = pgSchema('k_place');
        ${table('k_one', `selectPolicy('one', { to: ${role}, using: sql\`true\` })`)}
        ${table('k_two', `selectPolicy('two', { to: [authenticatedRole, anonymousRole], using: sql\`true\` })`)}
        export const k_seen = ${make}('${name}').with({ securityInvoker: true })
          .as((qb) => qb.select({ id: k_one.id }).from(k_one).innerJoin(k_two, eq(k_one.id, k_two.id)));`,
    ),
    byHand: { 1: ['GRANT ALL ON k_seen TO anonymous, PUBLIC'] },
  },
  {
    name: 'a sequence of the schema makes a default, then another one does',
    versions: ['k_first', 'k_second', undefined].map((sequence) => {
      const column =
        sequence === undefined ? '' : `number: integer().default(sql\`nextval('"${sequence}"')\`),`;
      return `export const k_first = pg.pgSequence('k_first'); export const k_second = pg.pgSequence('k_second');
        ${table('k_numbered', `insertPolicy('add', { to: authenticatedRole, withCheck: sql\`true\` })`, column)}`;
    }),
    often: true,
  },
  {
    name: 'a policy reads a view that changes',
    ownerViews: ['k_lens'],
    versions: ['{ id: k_base.id }', '{ id: k_base.id, who: k_base.userId }', undefined].map(
      (fields) =>
        table('k_base', view()) +
        (fields === undefined
          ? table('k_through', view())
          : `export const k_lens = pg.pgView('k_lens').as((qb) => qb.select(${fields}).from(k_base));
           ${table('k_through', view('sql`${t.id} in (select id from k_lens)`'))}`),
    ),
    often: true,
  },
  {
    name: 'a materialized view and a sequence come, and nobody may use them',
    ownerViews: ['k_copy'],
    versions: [
      table('k_source', view()),
      `${table('k_source', view())} export const k_copy = pg.pgMaterializedView('k_copy').as((qb) => qb.select().from(k_source)); export const k_count = pg.pgSequence('k_count');`,
    ],
  },
  {
    name: 'people write migrations in between',
    versions: [
      table('k_mine', view()),
      table('k_mine', view('sql`false`'), 'note: text(),'),
      table('k_mine', view(), 'note: text(),'),
    ],
    custom: {
      0: "CREATE FUNCTION k_mine_hello() RETURNS text LANGUAGE sql AS $$ SELECT 'DROP TABLE k_mine' $$;\n--> statement-breakpoint\nGRANT SELECT ON k_mine TO anonymous;",
      1: 'CREATE VIEW k_mine_view WITH (security_invoker = true) AS SELECT id FROM k_mine;\n--> statement-breakpoint\nGRANT SELECT ON k_mine_view TO authenticated;',
    },
    given: ['authenticated: SELECT on public.k_mine_view'],
    often: true,
  },
  {
    name: 'foreign keys, indexes and primary keys change next to policies',
    versions: [
      table('k_parent', view()) + table('k_child', view(), 'parent: integer(),'),
      table('k_parent', view()) +
        table(
          'k_child',
          `${view()}, index().on(t.parent)`,
          'parent: integer().references(() => k_parent.id),',
        ),
      table('k_parent', view()) + table('k_child', view(), 'parent: integer(),'),
    ],
    byHand: { 0: ['UPDATE k_child SET parent = NULL'] },
  },
];
