import { describe, expect, it, vi } from 'vitest';

import { AuthorizeError, isAuthorizeError, TokenError } from '../../src/errors.ts';

describe('isAuthorizeError', () => {
  it('knows the refusals of this package, whatever their class', () => {
    expect(isAuthorizeError(new AuthorizeError('ERR_USAGE', 'wrong'))).toBe(true);
    expect(isAuthorizeError(new TokenError('ERR_TOKEN_EXPIRED', 'the token has expired'))).toBe(true);
  });

  it('knows those of another copy of this package', async () => {
    vi.resetModules();
    const copy = await import('../../src/errors.ts');
    const error = new copy.TokenError('ERR_TOKEN_EXPIRED', 'the token has expired');
    expect(error).not.toBeInstanceOf(AuthorizeError);
    expect(isAuthorizeError(error)).toBe(true);
  });

  it('takes no other error for one, by its code or by its name', () => {
    const error = Object.assign(new Error('no'), { name: 'TokenError', code: 'ERR_TOKEN_EXPIRED' });
    for (const other of [error, new TypeError('no'), { code: 'ERR_USAGE' }, null, undefined, 'ERR_USAGE']) {
      expect(isAuthorizeError(other)).toBe(false);
    }
  });

  it('leaves no mark among the fields of an error', () => {
    expect(Reflect.ownKeys(new AuthorizeError('ERR_USAGE', 'wrong')).toSorted(byText)).toEqual(
      ['code', 'hint', 'message', 'name', 'stack'].toSorted(byText),
    );
  });
});

function byText(a: string | symbol, b: string | symbol): number {
  return String(a) < String(b) ? -1 : 1;
}
