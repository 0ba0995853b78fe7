import { describe, it } from 'vitest';

import { columnChanges } from './changes/columns.ts';
import { policyChanges } from './changes/policies.ts';
import { roleChanges } from './changes/roles.ts';
import { tableChanges } from './changes/tables.ts';
import { expectHistoryToHold } from './history.ts';

describe.each([
  ['policies', policyChanges],
  ['tables', tableChanges],
  ['columns', columnChanges],
  ['roles', roleChanges],
])('%s', (_what, changes) => {
  it.each(changes.map((change) => [change.name, change] as const))('%s', (_name, change) =>
    expectHistoryToHold(change),
  );
});
