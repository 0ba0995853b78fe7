import type { KitLine } from '../kit-line.ts';
import { hasFolders, readFolders } from './folders.ts';
import { planPush } from './push.ts';

/** drizzle-kit 1.0, from 1.0.0-rc.5 on. */
export const kit10: KitLine = {
  name: '1.0',
  pushFault: 'drizzle-kit push does not see that the expression of a policy has changed, and grants nothing',
  // It gives each migration a later second than the one before.
  oneASecond: () => false,
  notesExistingViews: false,
  readMigrations: readFolders,
  holds: hasFolders,
  afterOthers: 'Run `npx drizzle-kit up`, which makes them ones of drizzle-kit 1.0.',
  afterMerge:
    'After a merge, delete the folder of the one that no database has yet, and run `npx drizzle-kit generate`.',
  planPush,
  assertUsable: () => {},
};
