import fc from 'fast-check';
import { it } from 'vitest';

import { expectHistoryToHold } from './history.ts';
import { randomHistory } from './random-history.ts';

// A failure prints its seed and path, and the schemas; with both given here, the same history comes again.
it('whatever a schema goes through, the database enforces its last version', async () => {
  await fc.assert(fc.asyncProperty(randomHistory(), expectHistoryToHold), {
    numRuns: 12,
    endOnFailure: true,
  });
});
