import { describe, it } from 'vitest';

import { adoptionChanges } from './changes/adoption.ts';
import { driftChanges } from './changes/drift.ts';
import { expressionChanges } from './changes/expressions.ts';
import { forceChanges } from './changes/force.ts';
import { memberChanges } from './changes/members.ts';
import { nameChanges } from './changes/names.ts';
import { neighbourChanges } from './changes/neighbours.ts';
import { expectHistoryToHold } from './history.ts';

// Each kind of change alone; the other half is in structure-changes.full.test.ts, so that two run at a time.
describe.each([
  ['expressions', expressionChanges],
  ['names', nameChanges],
  ['what stands beside', neighbourChanges],
  ['drift', driftChanges],
  ['adoption', adoptionChanges],
  ['force', forceChanges],
  ['members', memberChanges],
])('%s', (_what, changes) => {
  it.each(changes.map((change) => [change.name, change] as const))('%s', (_name, change) =>
    expectHistoryToHold(change),
  );
});
