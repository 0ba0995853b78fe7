import { it } from 'vitest';

import { expectMutatedSealsToBeRefused } from './mutated-seals.ts';

it('2,000 mutated seals are refused', async () => {
  await expectMutatedSealsToBeRefused(2_000);
});
