import fc from 'fast-check';
import { it } from 'vitest';

import { expectHistoryToHold } from './history.ts';
import { randomHistory } from './random-history.ts';

// HISTORIES=200 takes so many new ones; without it, there are the same few each time. A failure prints its seed and path,
// and the schemas; with both given here, the same history comes again.
const runs = Number(process.env['HISTORIES'] ?? 0);

it(
  'whatever a schema goes through, the database enforces its last version',
  () =>
    fc.assert(fc.asyncProperty(randomHistory(), expectHistoryToHold), {
      ...(runs > 0 ? { numRuns: runs } : { numRuns: 12, seed: 20_261_125 }),
      endOnFailure: true,
    }),
  Math.max(300, runs * 30) * 1000,
);
