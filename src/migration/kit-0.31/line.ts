import { AuthorizeError } from '../../errors.ts';
import type { KitLine } from '../kit-line.ts';
import { hasJournal, readJournal } from './journal.ts';
import { planPush } from './push.ts';

/** drizzle-kit 0.31. */
export const kit031: KitLine = {
  name: '0.31',
  pushFault: 'drizzle-kit push creates policies without their expressions',
  // Of the prefixes that there are, `timestamp` and `unix`.
  oneASecond: (tag) => /^\d{5,}_/.test(tag),
  notesExistingViews: true,
  readMigrations: readJournal,
  holds: hasJournal,
  afterOthers: 'Use drizzle-kit 1.0 and drizzle-orm 1.0, which have made them.',
  afterMerge:
    'After a merge, delete the file of the one that no database has yet, and its entry in meta/_journal.json, leave the snapshot of the other in meta, and run `npx drizzle-kit generate`.',
  planPush,
  assertUsable: (config, options) => {
    if (config.migrations?.prefix !== 'none' && !options.includes('--prefix=none')) return;
    throw new AuthorizeError(
      'ERR_KIT_UNSUPPORTED',
      "migrations.prefix 'none' leaves drizzle-kit without a history",
      { hint: "Use another prefix, such as 'index'." },
    );
  },
};
