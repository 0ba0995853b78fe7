import { expect, it } from 'vitest';

import { parseSnapshot } from '../../../src/migration/kit-0.31/snapshot.ts';

const tables = {
  'public.todos': {
    name: 'todos',
    schema: '',
    columns: { id: {} },
    policies: { p: { name: 'p', as: 'RESTRICTIVE' } },
    isRLSEnabled: false,
  },
};

it('reads tables under their qualified names', () => {
  const { tables: read } = parseSnapshot(JSON.stringify({ tables }));
  expect([...read]).toMatchObject([
    [
      '"public"."todos"',
      {
        schema: 'public',
        name: 'todos',
        columns: ['id'],
        policies: [{ name: 'p', restrictive: true }],
        rowSecurity: true,
      },
    ],
  ]);
});

it('reads linked policies by the table that they are linked to', () => {
  const policies = {
    p: { name: 'p', as: 'PERMISSIVE', on: '"storage"."objects"' },
    q: { name: 'q', as: 'RESTRICTIVE', on: '"storage"."objects"' },
  };
  expect([...parseSnapshot(JSON.stringify({ policies })).linked]).toEqual([
    [
      '"storage"."objects"',
      {
        schema: 'storage',
        name: 'objects',
        policies: [
          { name: 'p', restrictive: false },
          { name: 'q', restrictive: true },
        ],
      },
    ],
  ]);
});

it.each([
  [{ type: 'bigserial' }, true],
  [{ type: 'integer', identity: { type: 'always' } }, true],
  [{ type: 'integer' }, false],
])('knows whether %o has a sequence', (column, expected) => {
  const snapshot = parseSnapshot(JSON.stringify({ tables: { t: { name: 't', columns: { column } } } }));
  expect(snapshot.tables.get('"public"."t"')?.sequences).toBe(expected);
});

it('is the same content under other ids, in another order and with empty parts filled in', () => {
  const one = parseSnapshot(JSON.stringify({ id: '1', prevId: '0', version: '7', tables, _meta: { a: 1 } }));
  const two = parseSnapshot(JSON.stringify({ views: {}, tables, version: '7', id: '2', prevId: '1' }));
  const other = parseSnapshot(JSON.stringify({ tables: {}, version: '7' }));
  expect(two.content).toBe(one.content);
  expect(other.content).not.toBe(one.content);
});
