import { describe, expect, it } from 'vitest';

import { assertServerSupported } from '../../../src/database/server-version.ts';

describe('a server', () => {
  it.each([150014, 150018, 160010, 170006, 180000, 180004, 190000])(
    'of version %i is supported',
    (version) => {
      expect(() => {
        assertServerSupported(version);
      }).not.toThrow();
    },
  );

  it.each([140020, 150013, 160009, 170005])('of version %i is refused', (version) => {
    expect(() => {
      assertServerSupported(version);
    }).toThrow(expect.objectContaining({ code: 'ERR_SERVER_UNSUPPORTED' }));
  });
});
