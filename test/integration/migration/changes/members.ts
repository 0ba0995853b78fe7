import { table, view, type Change } from './change.ts';

const memberships = (name: string, { columns = '', policies = '', group = 'integer' } = {}): string =>
  `export const ${name} = pgTable('${name}', {
    id: integer().primaryKey(), userId: text('user_id'), groupId: ${group}('group_id'), ${columns}
  }, (t) => [${policies}]);`;
const ours = (name: string, rest = ''): string =>
  `memberOf(t.group, { user: ${name}.userId, group: ${name}.groupId, ${rest} })`;
const grouped = (name: string, using: string, type = 'integer'): string =>
  table(name, view(using), `group: ${type}('group_id'),`);
const colleagues = view('memberOf(t.groupId, { user: t.userId, group: t.groupId })', 'colleagues');

/** Access through a membership table, for which the migration makes a function. */
export const memberChanges: readonly Change[] = [
  {
    name: 'rows belong to groups, to which people belong, and then do not',
    versions: [
      memberships('m_first') + grouped('m_row', 'authUid(t.userId)'),
      memberships('m_first') + grouped('m_row', ours('m_first')),
      memberships('m_first') + grouped('m_row', 'authUid(t.userId)'),
    ],
    often: true,
  },
  {
    name: 'which memberships count is changed',
    versions: [`'bob'`, `'alice'`].map(
      (who) =>
        memberships('m_counted') +
        grouped('m_by_role', ours('m_counted', `where: eq(m_counted.userId, ${who})`)),
    ),
  },
  {
    name: 'the membership table gets another name under policies of its own',
    versions: ['m_old', 'm_new'].map(
      (name) => memberships(name, { policies: colleagues }) + grouped('m_named', ours(name)),
    ),
    renamed: ['m_old › m_new'],
    often: true,
  },
  {
    name: 'a column of the membership table goes, and another gets another type',
    versions: [
      memberships('m_typed', { columns: 'note: text(),' }) + grouped('m_of_type', ours('m_typed')),
      memberships('m_typed', { group: 'bigint' }).replace(
        `bigint('group_id')`,
        `pg.bigint('group_id', { mode: 'number' })`,
      ) + grouped('m_of_type', ours('m_typed')),
    ],
  },
  {
    name: 'the membership table is dropped with what it gave access to',
    versions: [
      memberships('m_gone') + grouped('m_left', ours('m_gone')),
      grouped('m_left', 'authUid(t.userId)'),
    ],
    often: true,
  },
  {
    name: 'another role belongs to groups as well, gets another name, and goes',
    versions: ['m_clerk', 'm_scribe', undefined].map((role) => {
      const to = role === undefined ? 'authenticatedRole' : `[authenticatedRole, '${role}']`;
      return `${role === undefined ? '' : `export const m_role = pgRole('${role}', { createDb: false });`}
        ${memberships('m_shared')} ${table(
          'm_for_roles',
          `selectPolicy('view', { to: ${to}, using: ${ours('m_shared')} })`,
          `group: integer('group_id'),`,
        )}`;
    }),
    renamed: ['m_clerk › m_scribe'],
  },
  {
    name: 'two hops, by a table in another schema',
    versions: [true, false].map(
      (all) =>
        `export const m_app = pgSchema('m_app');
        ${memberships('m_team').replace('pgTable(', 'm_app.table(')}
        export const m_project = pgTable('m_project', { id: integer().primaryKey(), teamId: integer('team_id') });
        ${grouped(
          'm_task',
          `memberOf(t.group, { user: m_team.userId, group: m_project.id,
            on: sql\`\${m_project.teamId} = \${m_team.groupId}\`, ${all ? '' : 'where: sql`${m_project.teamId} > 1`'} })`,
        )}`,
    ),
    often: true,
  },
  {
    name: 'the function is altered and given away by hand',
    versions: ['', 'note: text(),'].map(
      (columns) =>
        memberships('m_drift') +
        table('m_drifting', view(ours('m_drift')), `group: integer('group_id'), ${columns}`),
    ),
    byHand: {
      0: [
        `DO $$ DECLARE f text := (SELECT oid::regprocedure FROM pg_proc WHERE proname ~ '^member_of_m_drift'); BEGIN
           EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO PUBLIC, anonymous', f);
           EXECUTE format('REVOKE EXECUTE ON FUNCTION %s FROM authenticated', f);
           EXECUTE format('ALTER FUNCTION %s SECURITY INVOKER', f); END $$`,
      ],
    },
    often: true,
  },
];
