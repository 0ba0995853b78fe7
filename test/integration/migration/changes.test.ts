import { describe, it } from 'vitest';

import type { Change } from './changes/change.ts';
import { columnChanges } from './changes/columns.ts';
import { driftChanges } from './changes/drift.ts';
import { expressionChanges } from './changes/expressions.ts';
import { forceChanges } from './changes/force.ts';
import { memberChanges } from './changes/members.ts';
import { nameChanges } from './changes/names.ts';
import { neighbourChanges } from './changes/neighbours.ts';
import { policyChanges } from './changes/policies.ts';
import { roleChanges } from './changes/roles.ts';
import { tableChanges } from './changes/tables.ts';
import { expectHistoryToHold, together } from './history.ts';

// One of each kind, several at once; changes.full.test.ts has all of them, each alone.
describe('what the schema declares is what the database enforces, after changes of', () => {
  it.each<[string, readonly Change[]]>([
    ['policies', [...policyChanges, ...forceChanges, ...memberChanges]],
    ['tables and columns', [...tableChanges, ...columnChanges]],
    ['roles and names', [...roleChanges, ...nameChanges]],
    ['values, views, and by hand', [...expressionChanges, ...neighbourChanges, ...driftChanges]],
  ])(
    '%s',
    (_what, changes) => expectHistoryToHold(together(changes.filter((change) => change.often))),
    300_000, // drizzle-kit runs six times, on a machine that may have other things to do
  );
});
