import { table, view, type Change } from './change.ts';

const inSchema = (schema: string, body: string): string =>
  `export const ${schema} = pgSchema('${schema}');\n${body}`;
const reporting = `selectPolicy('reporting', { to: anonymousRole, using: sql\`\${t.userId} = 'open'\` })`;

export const tableChanges: readonly Change[] = [
  {
    name: 'a table is added, with and without policies',
    versions: [
      table('t_first', view()),
      table('t_first', view()) +
        table(
          't_second',
          `${view()}, insertPolicy('add', { to: authenticatedRole, withCheck: authUid(t.userId) })`,
        ) +
        table('t_bare'),
    ],
  },
  {
    name: 'a table is renamed',
    versions: [table('t_old', view()), table('t_new', view())],
    renamed: ['t_old › t_new'],
    often: true,
  },
  {
    name: 'a table is renamed, and its policies change at once',
    versions: [table('t_from', view()), table('t_to', `${view('sql`false`', 'look')}, ${reporting}`)],
    renamed: ['t_from › t_to'],
  },
  {
    name: 'a table is renamed, and loses its last policy at once',
    versions: [
      table('t_policed', view()),
      table('t_closed'),
      `${table('t_closed')}\n${table('t_later', view())}`,
    ],
    renamed: ['t_policed › t_closed'],
  },
  {
    name: 'a table with a new name is another table',
    versions: [table('t_one', view()), table('t_other', view())],
  },
  {
    name: 'a table is renamed under a policy of another table that reads it',
    versions: ['t_group', 't_team'].map(
      (name) =>
        table(name, view('sql`true`')) +
        table(
          't_task',
          view(
            `sql\`exists (select from \${${name}} where \${${name}.userId} = \${t.userId} and \${${name}.userId} <> 'bob')\``,
          ),
        ),
    ),
    renamed: ['t_group › t_team'],
  },
  {
    name: 'a table is dropped',
    versions: [
      table('t_stays', view()) +
        table(
          't_goes',
          `${view()}, selectPolicy('all', { to: 'public', using: sql\`true\` })`,
          'number: serial(),',
        ),
      table('t_stays', view()),
    ],
    often: true,
  },
  {
    name: 'a table is dropped that a policy of another table has read',
    versions: [
      table('t_list', view('sql`true`')) +
        table('t_entry', view('sql`${t.userId} in (select user_id from t_list)`')),
      table('t_entry', view()),
    ],
    often: true,
  },
  {
    name: 'a table is dropped and comes again, with other access',
    versions: [
      table('t_again', view(), 'number: serial(),'),
      '',
      table('t_again', reporting, 'number: serial(),'),
    ],
  },
  {
    name: 'a table moves to another schema',
    versions: [
      inSchema(
        't_app',
        table(
          't_moved',
          `${view()}, insertPolicy('add', { to: authenticatedRole, withCheck: sql\`true\` })`,
          'number: serial(),',
        ),
      ),
      inSchema(
        't_app',
        table(
          't_moved',
          `${view()}, insertPolicy('add', { to: authenticatedRole, withCheck: sql\`true\` })`,
          'number: serial(),',
          't_app.table',
        ),
      ),
      inSchema('t_app', table('t_moved', view(), 'number: serial(),')),
    ],
    renamed: ['t_moved › t_app.t_moved', 't_app.t_moved › t_moved'],
    often: true,
  },
  {
    name: 'a table is made anew in another schema',
    versions: [
      inSchema(
        't_from_schema',
        inSchema('t_to_schema', table('t_remade', view(), '', 't_from_schema.table')),
      ),
      inSchema('t_from_schema', inSchema('t_to_schema', table('t_remade', view(), '', 't_to_schema.table'))),
    ],
  },
  {
    name: 'a schema is renamed',
    versions: ['t_old_schema', 't_new_schema'].map((schema) =>
      inSchema(schema, table('t_inside', `${view()}, ${reporting}`, 'number: serial(),', `${schema}.table`)),
    ),
    renamed: ['t_old_schema › t_new_schema'],
    often: true,
  },
  {
    name: 'a schema is renamed, and a role has no business in it any more',
    versions: [
      inSchema('t_wide', table('t_narrowed', `${view()}, ${reporting}`, '', 't_wide.table')),
      inSchema('t_narrow', table('t_narrowed', view(), '', 't_narrow.table')),
    ],
    renamed: ['t_wide › t_narrow'],
  },
  {
    name: 'a schema with another name is another schema',
    versions: ['t_this', 't_that'].map((schema) =>
      inSchema(schema, table('t_within', view(), '', `${schema}.table`)),
    ),
  },
  {
    name: 'a schema is dropped with its tables, and comes again',
    versions: [
      inSchema('t_brief', table('t_short', view(), '', 't_brief.table')),
      '',
      inSchema('t_brief', table('t_short', reporting, '', 't_brief.table')),
    ],
  },
  {
    name: 'the last table of a role in a schema is closed to it',
    versions: [
      inSchema(
        't_hall',
        table('t_door', view(), '', 't_hall.table') + table('t_window', reporting, '', 't_hall.table'),
      ),
      inSchema(
        't_hall',
        table('t_door', view(), '', 't_hall.table') + table('t_window', '', '', 't_hall.table'),
      ),
    ],
  },
  {
    name: 'tables of one name in two schemas change, one of them only',
    versions: ['sql`true`', 'sql`false`'].map(
      (using) =>
        inSchema('t_left', table('t_twin', view(using), '', 't_left.table')) +
        inSchema(
          't_right',
          table('t_twin', view('sql`true`'), '', 't_right.table').replace(
            'const t_twin',
            'const t_twin_right',
          ),
        ),
    ),
  },
];
