import { describe, expect, it } from 'vitest';

import { toPostgresText } from '../../../src/gateway/http/parameters.ts';

describe('a parameter of the HTTP body as Postgres text', () => {
  it.each([
    [null, null],
    [true, 'true'],
    [1.5, '1.5'],
    ['', ''],
    [`it's`, `it's`],
    [{ a: [1, 'x'] }, '{"a":[1,"x"]}'],
    [[], '{}'],
    [[1, true, null, 'NULL'], '{1,true,NULL,"NULL"}'],
    [['a"b', 'c\\d', 'e,f', ''], '{"a\\"b","c\\\\d","e,f",""}'],
    [
      [
        [1, 2],
        [3, null],
      ],
      '{{1,2},{3,NULL}}',
    ],
    [[{ a: 'b' }], '{"{\\"a\\":\\"b\\"}"}'],
  ])('%j', (value, expected) => {
    expect(toPostgresText(value)).toBe(expected);
  });
});
