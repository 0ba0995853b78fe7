import { createHmac, randomBytes } from 'node:crypto';

import { expect, it } from 'vitest';

import { nodeCrypto } from '../../../src/node-crypto.ts';
import { createMac } from '../../../src/session/mac.ts';

it('is the same with WebCrypto and with node:crypto', async () => {
  expect(nodeCrypto).toBeDefined();
  for (const length of [0, 1, 63, 64, 65, 10_000]) {
    const [key, message] = [randomBytes(32), Uint8Array.from(randomBytes(length))];
    const expected = createHmac('sha256', key).update(message).digest('hex');
    for (const implementation of [nodeCrypto, undefined]) {
      const mac = await (await createMac(key, implementation))(message);
      expect(Buffer.from(mac).toString('hex')).toBe(expected);
    }
  }
});
