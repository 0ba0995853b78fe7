import { AuthorizeError } from '../../errors.ts';
import type { KitLine } from '../kit-line.ts';
import { readJournal } from './journal.ts';

/** drizzle-kit 0.31. */
export const kit031: KitLine = {
  pushFault: 'drizzle-kit push creates policies without their expressions',
  // Of the prefixes that there are, `timestamp` and `unix`.
  oneASecond: (tag) => /^\d{5,}_/.test(tag),
  notesExistingViews: true,
  readMigrations: readJournal,
  assertUsable: (config, options) => {
    if (config.migrations?.prefix !== 'none' && !options.includes('--prefix=none')) return;
    throw new AuthorizeError(
      'ERR_KIT_UNSUPPORTED',
      "migrations.prefix 'none' leaves drizzle-kit without a history",
      { hint: "Use another prefix, such as 'index'." },
    );
  },
};
