import { describe, expect, it } from 'vitest';

import { createWirePolicy } from '../../../src/gateway/wire/wire-policy.ts';

const judge = await createWirePolicy();

/** The effects of the statements of a text, or the code of the refusal. */
function effectsOf(text: string): unknown {
  const judged = judge(text);
  return 'verdict' in judged ? judged.verdict.code : judged.statements.map(({ effect }) => effect);
}

describe('a session may', () => {
  const allowed: Record<string, readonly string[]> = {
    'begin isolation level serializable read only': ['begin'],
    'start transaction': ['begin'],
    'set transaction isolation level serializable': ['set transaction'],
    commit: ['end'],
    end: ['end'],
    abort: ['end'],
    'commit and chain': ['end and chain'],
    'rollback to savepoint a': ['roll back to savepoint'],
    'savepoint a': ['none'],
    'release a': ['none'],
    'reset all': ['reset all'],
    'discard all': ['discard all'],
    'discard temp': ['none'],
    'deallocate all': ['deallocate all'],
    'deallocate mine': ['none'],
    "set my.setting = 'x'": ['none'],
    "set local time zone 'UTC'": ['none'],
    'set session characteristics as transaction read only': ['none'],
    'reset "DateStyle"': ['none'],
    'show all': ['none'],
    'prepare mine as update todos set done = true where id = $1': ['none'],
    'execute mine(1)': ['none'],
    'declare mine cursor for select 1': ['none'],
    'fetch all from mine': ['none'],
    'move 1 in mine': ['none'],
    'close all': ['none'],
    'merge into todos using notes on false when matched then delete': ['none'],
    'begin; select 1; commit': ['begin', 'none', 'end'],
    '': [],
    ' ; -- nothing': [],
  };

  it.each(Object.entries(allowed))('%s', (text, effects) => {
    expect(effectsOf(text)).toEqual(effects);
  });
});

it('each statement of several is judged, and keeps its own text, also behind characters of several bytes', () => {
  const judged = judge("select 'é', '😀'; select 2; -- end");
  expect('statements' in judged && judged.statements.map(({ text }) => text.trim())).toEqual([
    "select 'é', '😀'",
    'select 2',
  ]);
  expect(effectsOf('select 1; listen x')).toBe('42501');
  expect(effectsOf('select 1; selec')).toBe('42601');
});

it('what a session may not has its nearest neighbour refused', () => {
  for (const text of [
    'commit prepared x',
    "commit prepared 'x'",
    "set transaction snapshot 'x'",
    'set authorize.seal = 1',
    'set search_path = x',
    'prepare mine as insert into todos select lo_creat(1)',
    'declare mine cursor with hold for select 1',
    'explain select 1',
    'prepare "drizzle-authorize:check" as select 1',
  ])
    expect(effectsOf(text)).toMatch(/^42[56]01$/u);
});
