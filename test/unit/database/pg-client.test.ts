import * as neon from '@neondatabase/serverless';
import pg from 'pg';
import { describe, expect, it } from 'vitest';

import { codecOf, type PgClient } from '../../../src/database/pg-client.ts';

// Never connected: what is learnt of a client needs none.
const clients = {
  pg: new pg.Client(),
  '@neondatabase/serverless': new neon.Client({ host: 'localhost' }),
} as unknown as Record<string, PgClient>;

describe.each(Object.entries(clients))('a client of %s', (_, client) => {
  it('shows how it writes values', () => {
    const { writeValue } = codecOf(client);
    const written = [null, undefined, 1, true, 10n, 'text', { a: [1] }, ['a"b', null, [1]], []].map((value) =>
      writeValue(value),
    );
    expect(written).toEqual([
      null,
      null,
      '1',
      'true',
      '10',
      'text',
      '{"a":[1]}',
      '{"a\\"b",NULL,{"1"}}',
      '{}',
    ]);
    expect(writeValue(new Date('2026-01-02T03:04:05.006Z'))).toMatch(/^2026-01-0\dT\d\d:\d\d:05\.006[+-]/u);
    expect([...(writeValue(Buffer.from('bytes')) as Uint8Array)]).toEqual([...Buffer.from('bytes')]);
    expect(writeValue({ toPostgres: () => 'own' })).toBe('own');
  });

  it('shows how it reads rows, by its own type parsers or others', () => {
    const { newResult } = codecOf(client);
    const field = (name: string, dataTypeID: number) => ({
      name,
      dataTypeID,
      tableID: 0,
      columnID: 0,
      dataTypeSize: -1,
      dataTypeModifier: -1,
    });
    const objects = newResult(undefined, client);
    objects.addFields([field('n', 23), field('t', 25)]);
    objects.addRow(objects.parseRow(['42', null]));
    objects.addCommandComplete({ text: 'SELECT 1' });
    expect(objects).toMatchObject({ command: 'SELECT', rowCount: 1, rows: [{ n: 42, t: null }] });

    const arrays = newResult('array', { getTypeParser: (typeId) => (text) => `${typeId}: ${text}` });
    arrays.addFields([field('n', 23)]);
    expect(arrays.parseRow(['42'])).toEqual(['23: 42']);
  });
});

it('a client of another kind is refused', () => {
  expect(() => codecOf({ connection: {} } as unknown as PgClient)).toThrow(/pg\.native cannot/u);
});
