import { table, view, type Change } from './change.ts';

const role = (exported: string, name: string, rest = ''): string =>
  `export const ${exported} = pgRole('${name}'${rest});`;
const works = (name: string, to: string, columns = ''): string =>
  table(name, `${view()}, allPolicy('work', { to: ${to}, using: sql\`\${t.userId} = 'open'\` })`, columns);

export const roleChanges: readonly Change[] = [
  {
    name: 'a role is added, and dropped with what it was granted',
    versions: [
      table('r_plain', view(), 'number: serial(),'),
      works('r_plain', `'test_r_worker'`, 'number: serial(),') + role('worker', 'test_r_worker'),
      table('r_plain', view(), 'number: serial(),'),
    ],
    often: true,
  },
  {
    name: 'a role is dropped that may use a schema',
    versions: [
      `export const r_app = pgSchema('r_app'); ${works('r_inside', 'visitor', 'number: serial(),').replace('pgTable', 'r_app.table')} ${role('visitor', 'test_r_visitor')}`,
      `export const r_app = pgSchema('r_app'); ${table('r_inside', view(), 'number: serial(),', 'r_app.table')}`,
    ],
  },
  {
    name: 'a role is renamed',
    versions: ['test_r_old', 'test_r_new'].map(
      (name) => works('r_renamed', 'renamed', 'number: serial(),') + role('renamed', name),
    ),
    renamed: ['test_r_old › test_r_new'],
    often: true,
  },
  {
    name: 'a role is renamed and loses its grants',
    versions: [
      `export const r_hall = pgSchema('r_hall'); ${works('r_lost', 'lost').replace('pgTable', 'r_hall.table')} ${role('lost', 'test_r_before')}`,
      `export const r_hall = pgSchema('r_hall'); ${table('r_lost', view(), '', 'r_hall.table')} ${role('lost', 'test_r_after')}`,
    ],
    renamed: ['test_r_before › test_r_after'],
  },
  {
    name: 'a role with another name is another role',
    versions: ['test_r_this', 'test_r_that'].map((name) => works('r_other', 'other') + role('other', name)),
  },
  {
    name: 'a role becomes one that exists, and one of ours again, without being dropped',
    versions: [
      role('known', 'test_r_existing'),
      role('known', 'test_r_existing').replace(/;$/, '.existing();'),
      role('known', 'test_r_existing'),
    ].map((declaration) => works('r_existing', 'known') + declaration),
    often: true,
  },
  {
    name: 'a role is no longer exported, and policies name it still',
    versions: [
      works('r_named', `'test_r_named'`) + role('named', 'test_r_named'),
      works('r_named', `'test_r_named'`),
    ],
  },
  {
    name: 'names of roles with capitals and dashes, which drizzle-kit does not quote',
    versions: [`'open'`, `'alice'`].map(
      (
        who,
      ) => `${table('r_mixed', `selectPolicy('view', { to: ['Test R-Mixed', 'test-r-dashed'], using: sql\`\${t.userId} = ${who}\` })`, 'number: serial(),')}
        ${role('mixed', 'Test R-Mixed')} export const dashed = pgRole('test-r-dashed');`,
    ),
    often: true,
  },
  {
    name: 'what a role may do besides is changed',
    versions: [', { inherit: false }', ', { inherit: true }'].map(
      (rest) => works('r_attributes', 'limited') + role('limited', 'test_r_attributes', rest),
    ),
  },
  {
    name: 'an identity role is added, gets more and is taken back',
    versions: [
      table('r_identity', view()),
      `export const editor = identityRole('test_r_editor'); ${table('r_identity', view())}`,
      `export const editor = identityRole('test_r_editor'); ${works('r_identity', 'editor', 'number: serial(),')}`,
      table('r_identity', view(), 'number: serial(),'),
    ],
    often: true,
  },
  {
    name: 'an identity role gets another name',
    versions: ['test_r_author', 'test_r_writer'].map(
      (name) => `export const author = identityRole('${name}'); ${works('r_author', 'author')}`,
    ),
  },
  {
    name: 'a role of the schema becomes an identity role and a role of the schema again',
    versions: [`pgRole('test_r_person')`, `identityRole('test_r_person')`, `pgRole('test_r_person')`].map(
      (declaration) => `export const person = ${declaration}; ${works('r_person', 'person')}`,
    ),
  },
  {
    name: 'a plain policy for nobody in particular follows the identity roles',
    versions: ['', `export const guest = identityRole('test_r_guest');`, ''].map(
      (declaration) =>
        declaration +
        table('r_everyone', `pgPolicy('view', { for: 'select', using: sql\`\${t.userId} = 'open'\` })`),
    ),
  },
  {
    name: 'an identity role comes as a policy for everybody goes',
    versions: [
      table('r_public', `selectPolicy('view', { to: ['public'], using: authUid(t.userId) })`),
      `export const late = identityRole('test_r_late');`,
    ],
  },
  {
    name: 'privileges become fewer and more',
    versions: ['allPolicy', 'selectPolicy', 'allPolicy'].map((helper) =>
      table(
        'r_width',
        `${helper}('work', { to: authenticatedRole, using: authUid(t.userId) })`,
        'number: serial(),',
      ),
    ),
    often: true,
  },
];
