import { it } from 'vitest';

import { expectGatewayToSurvive } from './mutated-packets.ts';

it('150 random and mutated conversations neither end the gateway nor hang nor leave a backend', async () => {
  await expectGatewayToSurvive(150);
});
