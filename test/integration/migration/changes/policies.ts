import { table, view, type Change } from './change.ts';

const own = 'authUid(t.userId)';
const hold = (name: string, rest = ''): string =>
  `pgPolicy('${name}', { as: 'restrictive', for: 'select', to: 'authenticated', using: sql\`\${t.userId} <> 'open'\`, ${rest} })`;
const change = (withCheck: string): string =>
  `updatePolicy('change', { to: authenticatedRole, using: ${own}, ${withCheck} })`;

export const policyChanges: readonly Change[] = [
  {
    name: 'a policy is added',
    versions: [
      table('p_added', view()),
      table('p_added', `${view()}, deletePolicy('remove', { to: authenticatedRole, using: ${own} })`),
    ],
    often: true,
  },
  {
    name: 'using is altered',
    versions: [table('p_using', view()), table('p_using', view("sql`${t.userId} = 'bob'`"))],
    often: true,
  },
  {
    name: 'withCheck is altered',
    versions: [
      table('p_check', change(`withCheck: ${own}`)),
      table('p_check', change('withCheck: sql`${t.id} > 0`')),
    ],
  },
  {
    name: 'withCheck is removed, which drizzle-kit forgets',
    versions: [table('p_unchecked', change('withCheck: sql`${t.id} > 0`')), table('p_unchecked', change(''))],
    often: true,
  },
  {
    name: 'withCheck is added',
    versions: [table('p_checked', change('')), table('p_checked', change('withCheck: sql`${t.id} > 0`'))],
  },
  {
    name: '`to` is changed to another role, to more and to fewer',
    versions: ['authenticatedRole', '[anonymousRole, authenticatedRole]', 'anonymousRole'].map((to) =>
      table('p_to', `selectPolicy('view', { to: ${to}, using: sql\`\${t.userId} = 'alice'\` })`),
    ),
    often: true,
  },
  {
    name: 'the roles of `to` change places, which is no change',
    versions: ['[anonymousRole, authenticatedRole]', '[authenticatedRole, anonymousRole]'].map((to) =>
      table('p_order', `selectPolicy('view', { to: ${to}, using: sql\`true\` })`),
    ),
  },
  {
    name: '`to` is removed and given again',
    versions: [`to: 'authenticated',`, '', `to: 'anonymous',`].map((to) =>
      table('p_default', `pgPolicy('view', { for: 'select', ${to} using: sql\`\${t.userId} = 'open'\` })`),
    ),
  },
  {
    name: 'a policy goes to everybody and back',
    versions: ['authenticatedRole', `'public'`, 'authenticatedRole'].map((to) =>
      table('p_public', `selectPolicy('view', { to: ${to}, using: sql\`\${t.userId} = 'open'\` })`),
    ),
    often: true,
  },
  {
    name: 'the command is changed, to all of them and to one',
    versions: ['select', 'all', 'delete'].map((command) =>
      table(
        'p_command',
        `pgPolicy('rule', { for: '${command}', to: 'authenticated', using: sql\`\${t.userId} = 'bob'\` })`,
      ),
    ),
    often: true,
  },
  {
    name: 'a permissive policy becomes restrictive and permissive again',
    versions: ['permissive', 'restrictive', 'permissive'].map((as) =>
      table(
        'p_as',
        `${view()}, pgPolicy('rule', { as: '${as}', for: 'select', to: 'authenticated', using: sql\`\${t.userId} <> 'bob'\` })`,
      ),
    ),
    often: true,
  },
  {
    name: 'a restrictive policy is altered beside a permissive one that stays',
    versions: [`'open'`, `'bob'`].map((who) =>
      table(
        'p_held',
        `${view('sql`true`')}, pgPolicy('hold', { as: 'restrictive', for: 'select', to: 'public', using: sql\`\${t.userId} = ${who}\` })`,
      ),
    ),
    setup: [
      'DO $$ BEGIN CREATE ROLE test_bystander; EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; END $$',
    ],
    // Somebody whose grants are none of ours reads by the same policies, while they are written anew.
    byHand: { 0: ['GRANT SELECT ON p_held TO test_bystander', 'GRANT authenticated TO test_bystander'] },
    bystanders: ['test_bystander'],
    custom: { 1: 'REVOKE SELECT ON p_held FROM test_bystander' },
    often: true,
  },
  {
    name: 'a restrictive policy is dropped',
    versions: [table('p_released', `${view()}, ${hold('hold')}`), table('p_released', view())],
  },
  {
    name: 'there is a restrictive policy and no other',
    versions: [table('p_only', `${view()}, ${hold('hold')}`), table('p_only', hold('hold'))],
  },
  ...(['rename', 'create'] as const).flatMap((answer): readonly Change[] => [
    {
      name: `a policy is renamed (answered: ${answer})`,
      versions: [table(`p_name_${answer}`, view()), table(`p_name_${answer}`, view(own, 'look'))],
      renamed: answer === 'rename' ? ['view › look'] : [],
    },
    {
      name: `a policy is renamed and altered, of which drizzle-kit loses the second (answered: ${answer})`,
      versions: [table(`p_both_${answer}`, view()), table(`p_both_${answer}`, view('sql`false`', 'look'))],
      renamed: answer === 'rename' ? ['view › look'] : [],
      ...(answer === 'rename' ? { often: true } : {}),
    },
  ]),
  {
    name: 'two policies swap their names',
    versions: [
      table('p_swapped', `${view(own, 'a')}, ${view('sql`false`', 'b')}`),
      table('p_swapped', `${view(own, 'b')}, ${view('sql`false`', 'a')}`),
    ],
  },
  {
    name: 'one policy of several is dropped',
    versions: [
      table(
        'p_fewer',
        `${view()}, ${view("sql`${t.userId} = 'open'`", 'open')}, deletePolicy('remove', { to: anonymousRole, using: sql\`true\` })`,
      ),
      table('p_fewer', view()),
    ],
    often: true,
  },
  {
    name: 'the last policy is dropped, and one comes again',
    versions: [table('p_last', view()), table('p_last'), table('p_last', view('sql`false`'))],
    often: true,
  },
  {
    name: 'enableRLS comes and goes',
    versions: [
      table('p_switch'),
      table('p_switch').replace(/\);$/, ').enableRLS();'),
      table('p_switch'),
      table('p_switch', view()),
    ],
  },
  {
    name: 'policies of one name on two tables change, one of them only',
    versions: [
      table('p_here', view()) + table('p_there', view()),
      table('p_here', view('sql`false`')) + table('p_there', view()),
    ],
  },
  {
    name: 'a policy reads another table, whose policy changes',
    versions: ['alice', 'bob'].map(
      (who) =>
        table('p_team', view(`sql\`\${t.userId} = '${who}'\``)) +
        table('p_work', view('sql`${t.userId} in (select user_id from p_team)`')),
    ),
    often: true,
  },
  {
    name: 'a policy for whoever migrates',
    versions: [
      table('p_mine', `pgPolicy('mine', { to: 'current_user', using: sql\`true\` }), ${view()}`),
      table('p_mine', `pgPolicy('mine', { to: ['current_user', 'authenticated'], using: sql\`true\` })`),
    ],
  },
  {
    name: 'a policy is linked to a table of the schema, altered and unlinked',
    versions: ['alice', 'bob', undefined].map(
      (who) =>
        table('p_linked') +
        (who === undefined
          ? ''
          : `export const link = pgPolicy('linked', { for: 'select', to: authenticatedRole, using: eq(p_linked.userId, '${who}') }).link(p_linked);`),
    ),
    often: true,
  },
  {
    name: 'a policy is linked to a table of somebody else, altered, renamed and unlinked',
    versions: [`'view', 'alice'`, `'view', 'bob'`, `'look', 'bob'`, undefined].map((policy) => {
      const [name, who] = policy?.split(', ') ?? [];
      return `const objects = pgSchema('test_storage').table('objects', { id: integer(), owner: text() });
        ${name === undefined ? '' : `export const view = pgPolicy(${name}, { for: 'select', to: anonymousRole, using: sql\`\${objects.owner} = ${who}\` }).link(objects);`}`;
    }),
    setup: ['CREATE SCHEMA test_storage', 'CREATE TABLE test_storage.objects (id integer, owner text)'],
  },
  {
    name: 'a policy was linked to a table that its owner has dropped since',
    versions: [
      `const objects = pgSchema('p_storage').table('objects', { id: integer() });
        export const view = pgPolicy('view', { for: 'select', to: [authenticatedRole, 'public'], using: sql\`true\` }).link(objects);`,
      table('p_own', view()),
    ],
    setup: ['CREATE SCHEMA p_storage', 'CREATE TABLE p_storage.objects (id integer)'],
    byHand: { 0: ['DROP TABLE p_storage.objects'] },
  },
];
