import { expect, it } from 'vitest';

import { columnChanges } from '../integration/migration/changes/columns.ts';
import { driftChanges } from '../integration/migration/changes/drift.ts';
import { forceChanges } from '../integration/migration/changes/force.ts';
import { memberChanges } from '../integration/migration/changes/members.ts';
import { nameChanges } from '../integration/migration/changes/names.ts';
import { neighbourChanges } from '../integration/migration/changes/neighbours.ts';
import { policyChanges } from '../integration/migration/changes/policies.ts';
import { roleChanges } from '../integration/migration/changes/roles.ts';
import { tableChanges } from '../integration/migration/changes/tables.ts';
import { expectHistoryToHold, together } from '../integration/migration/history.ts';

// The first of each kind, all at once; `npm run test:full` takes drizzle-kit 1.0 through all of them, each alone.
it('what the schema declares is what the database enforces, after changes of every kind', async () => {
  const kinds = [
    [policyChanges, tableChanges, columnChanges, roleChanges],
    [nameChanges, neighbourChanges, driftChanges, forceChanges, memberChanges],
  ].flat();
  const changes = kinds.flatMap((kind) => kind.find((change) => change.often) ?? []);
  expect(changes).toHaveLength(kinds.length);
  await expectHistoryToHold(together(changes));
}, 120_000);
