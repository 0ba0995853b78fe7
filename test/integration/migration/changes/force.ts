import { table, view, type Change } from './change.ts';

const forced = (name: string, policies = view(), columns = ''): string =>
  table(name, policies, columns).replace('= pgTable(', '= forceRLS(pgTable(').replace(/;$/, ');');

/** FORCE ROW LEVEL SECURITY, of which drizzle-kit knows nothing. */
export const forceChanges: readonly Change[] = [
  {
    name: 'a table binds its owner, and lets go of it',
    versions: [table('f_owner', view()), forced('f_owner'), table('f_owner', view())],
    often: true,
  },
  {
    name: 'a table that binds its owner gets another name',
    versions: [forced('f_here'), forced('f_there')],
    renamed: ['f_here › f_there'],
  },
  {
    name: 'a table gets another name and lets go of its owner at once',
    versions: [forced('f_bound'), table('f_free', view())],
    renamed: ['f_bound › f_free'],
    often: true,
  },
  {
    name: 'a table that binds its owner loses its last policy',
    versions: [forced('f_last'), forced('f_last', ''), table('f_last')],
  },
  {
    name: 'the owner is let go of by hand, and row level security is switched off',
    versions: [forced('f_drift'), forced('f_drift', view(), 'note: text(),')],
    byHand: {
      0: [
        'ALTER TABLE f_drift NO FORCE ROW LEVEL SECURITY',
        'ALTER TABLE f_drift DISABLE ROW LEVEL SECURITY',
      ],
    },
    often: true,
  },
  {
    name: 'a table that binds its owner is dropped beside a new one that does not',
    versions: [
      forced('f_gone') + table('f_stays', view()),
      table('f_stays', view()) + table('f_new', view()),
    ],
  },
];
