import { describe, expect, it } from 'vitest';

import { createStatementPolicy } from '../../../src/gateway/statement-policy.ts';

const allow = await createStatementPolicy();

function codeOf(text: string): unknown {
  try {
    allow(text);
    return undefined;
  } catch (error) {
    return error instanceof Error && 'code' in error ? error.code : error;
  }
}

describe('a statement that would break the parser for everybody after it', () => {
  const deep: Record<string, string> = {
    operators: `select 1${' + 1'.repeat(50_000)}`,
    'sub-selects': `select ${'(select '.repeat(4_000)}1${')'.repeat(4_000)}`,
    unions: Array.from({ length: 12_000 }, () => 'select 1').join(' union '),
    functions: `select ${'f('.repeat(20_000)}1${')'.repeat(20_000)}`,
    'operators on both sides of brackets': `select ${'('.repeat(40)}1${`${' + 1'.repeat(500)})`.repeat(40)}`,
    'operators between strings with commas': `select 'a'${` || 'b,('`.repeat(20_000)}`,
    casts: `select 1${'::int'.repeat(30_000)}`,
    'brackets that never close': `select ${'(select '.repeat(4_000)}`,
    'a string that never ends': `select '${'x'.repeat(3_000)}`,
  };

  it.each(Object.entries(deep))('by %s is refused', (_, text) => {
    expect(codeOf(text)).toBe('54001');
    expect(codeOf('select title from todos where id = 1')).toBeUndefined();
  });

  it('by its length, or with a byte that ends it for the parser and not for us, is refused', () => {
    expect(codeOf(`select '${'x'.repeat(262_144)}'`)).toBe('54000');
    expect(codeOf('select 1\0; drop table todos')).toBe('22021');
  });

  it('is told from one that is only long', () => {
    const rows = Array.from({ length: 5_000 }, (_, n) => `($${2 * n + 1}, $${2 * n + 2})`).join(', ');
    expect(codeOf(`insert into todos (title, done) values ${rows}`)).toBeUndefined();
    const terms = Array.from({ length: 500 }, (_, n) => `id = ${n}`).join(' or ');
    expect(codeOf(`select title from todos where ${terms}`)).toBeUndefined();
    // As deep as it may be, on both sides of the limit.
    expect(codeOf(`select 1${' + 1'.repeat(1_490)}`)).toBeUndefined();
    expect(codeOf(`select ${'(select '.repeat(990)}1${')'.repeat(990)}`)).toBeUndefined();
    expect(codeOf(`select 1${' + 1'.repeat(1_510)}`)).toBe('54001');
  });

  it('leaves the parser as it was after two hundred of them', () => {
    for (let n = 0; n < 200; n += 1) codeOf(`select ${n}${' + 1'.repeat(5_000)}`);
    expect(codeOf('select title from todos where id = 1')).toBeUndefined();
    expect(codeOf('lock table todos')).toBe('42501');
  });
});
