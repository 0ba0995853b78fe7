import { describe, expect, it } from 'vitest';

import { parseAuthSchema } from '../../src/auth-schema.ts';
import { createAuth } from '../../src/index.ts';
import { checkOptions } from '../../src/migration/authorize-options.ts';
import { prologue } from '../../src/session/prologue.ts';

describe('the name of the auth schema', () => {
  it('is auth unless another is given', () => {
    expect(parseAuthSchema(undefined, 'x')).toBe('auth');
    expect(parseAuthSchema('authorize', 'x')).toBe('authorize');
    expect(prologue('seal').text).toContain('select auth.check(');
    expect(prologue('seal', { authSchema: 'authorize' })).toMatchObject({
      name: 'drizzle-authorize:check authorize',
      text: expect.stringContaining('select authorize.check('),
    });
  });

  it.each([
    '',
    'Auth',
    '1a',
    'a-b',
    'a"b',
    `a'; drop table x; --`,
    'a.b',
    'pg_auth',
    'public',
    'drizzle',
    'information_schema',
    'a'.repeat(33),
    'ä',
    'a\n',
    null,
    7,
    {},
  ])('is refused when it is %j', (name) => {
    for (const refused of [
      () => parseAuthSchema(name, 'x'),
      () => createAuth({ schema: name as string }),
      () => checkOptions({ authSchema: name as string }),
    ]) {
      expect(refused).toThrow(expect.objectContaining({ code: 'ERR_AUTH_SCHEMA' }));
    }
  });

  it('is no reserved word where it is made', () => {
    expect(() => checkOptions({ authSchema: 'user' })).toThrow('a reserved word');
  });
});
