import { expect, it } from 'vitest';

import { compileGlob, literalPrefix } from '../../../src/migration/glob.ts';

it.each([
  ['/a/*.ts', ['/a/x.ts', '/a/x.schema.ts'], ['/a/b/x.ts', '/a/.x.ts', '/a/x.tsx']],
  ['/a/**/*.ts', ['/a/x.ts', '/a/b/c/x.ts'], ['/a/.git/x.ts', '/b/x.ts']],
  ['/a/**', ['/a/x', '/a/b/x'], ['/a']],
  ['/a/{todos,posts}.{ts,js}', ['/a/todos.ts', '/a/posts.js'], ['/a/users.ts', '/a/todos.json']],
  ['/a/{b,c/{d,e}}/*.ts', ['/a/b/x.ts', '/a/c/e/x.ts'], ['/a/c/x.ts']],
  ['/a/x?.[jt]s', ['/a/x1.ts', '/a/x2.js'], ['/a/x.ts', '/a/x1.cs']],
  ['/a/[!x]*.ts', ['/a/y.ts'], ['/a/x.ts']],
  ['/a/!(x|y).ts', ['/a/z.ts', '/a/xx.ts'], ['/a/x.ts', '/a/y.ts']],
  ['/a/@(x|y).ts', ['/a/x.ts', '/a/y.ts'], ['/a/xy.ts']],
  ['/a(b)/x+y.*', ['/a(b)/x+y.ts'], ['/ab/xxy.ts']],
])('%s', (pattern, matching, others) => {
  const glob = compileGlob(pattern);
  expect(matching.filter((path) => !glob.test(path))).toEqual([]);
  expect(others.filter((path) => glob.test(path))).toEqual([]);
});

it('the search starts in the folder before the first wildcard', () => {
  expect(literalPrefix('/a/b/schema.ts')).toBe('/a/b/schema.ts');
  expect(literalPrefix('/a/b/**/x.ts')).toBe('/a/b');
  expect(literalPrefix('/a/b{c,d}/x.ts')).toBe('/a');
  expect(literalPrefix('/*/x.ts')).toBe('/');
});
