import { it } from 'vitest';

import { expectMutatedSealsToBeRefused } from './mutated-seals.ts';

it('100,000 mutated seals are refused', async () => {
  await expectMutatedSealsToBeRefused(100_000);
});
