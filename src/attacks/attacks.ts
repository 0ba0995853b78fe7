import type { Attack } from './attack.ts';
import { impersonation } from './impersonation.ts';
import { leftovers } from './leftovers.ts';
import { oracles } from './oracles.ts';
import { reach } from './reach.ts';
import { schemaFaults } from './schema-faults.ts';

/** Every attack, each of which succeeds against the pattern that people write by hand. */
export const attacks: readonly Attack[] = [
  ...impersonation,
  ...leftovers,
  ...schemaFaults,
  ...reach,
  ...oracles,
];
