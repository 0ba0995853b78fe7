import { describe, expect, it } from 'vitest';

import { loadStatementJudge } from '../../../src/database/statement-judge.ts';

const judge = await loadStatementJudge();
const isPlainRead = (text: string): boolean => judge(text, 'auth').isPlainRead;

describe('a plain read', () => {
  it.each([
    'select "id", "title" from "todos" where "todos"."user_id" = $1 order by "id" desc limit $2 offset 3',
    'select distinct on (id) t.*, count(*) over (partition by x) from todos t left join notes n on n.id = t.id',
    'with own as (select 1 as a union all select 2) select a from own where a in (1, 2) and a between $1 and 3',
    `select coalesce(json_agg(json_build_array("t"."id")), '[]'::json) as data from (select * from todos) "t"`,
    'select a from todos left join lateral (select json_agg(b) as a from notes) x on true for update',
    'select (select auth.user_id()), auth.claim($1), pg_catalog.lower(title) from todos group by 1, 2, 3',
    'select case when done then array[1, 2] else null end, current_date, title collate "C" from app.todos',
    `select title from todos where title ~ '^[a-z]''s'`,
    'values (1), (2)',
    'table todos',
  ])('is %s', (text) => {
    expect(isPlainRead(text)).toBe(true);
  });
});

describe('what could leave something behind is not a plain read', () => {
  it.each([
    `select set_config('search_path', 'nowhere', false)`,
    'select 1 from todos where pg_advisory_lock(1) is null',
    'select (select nextval($1))',
    'select setseed(0.5)',
    'select random()',
    'select my_function(id) from todos',
    'select app.lower(title) from todos',
    'select other.user_id()',
    'select (42::bigint).pg_advisory_lock',
    'select o.pg_advisory_lock from abs(42::bigint) as o',
    'select o.lo_unlink from unnest($1::oid[]) as o',
    'select * from generate_series(1, 2)',
    'select * from json_table($1, $2 columns (a int path $3)) as t',
    'select array_agg(x order by pg_try_advisory_lock(x)) from todos',
    'select count(*) filter (where pg_advisory_lock(1) is null) from todos',
    'select row_number() over (order by nextval($1)) from todos',
    'with own as materialized (select lo_create(1)) select * from own',
    'with own as (delete from todos returning *) select * from own',
    'select 1 limit (select nextval($1))',
    'select * from todos tablesample my_method(1)',
    'select 1 into temp zz',
    'insert into todos values (1)',
    'update todos set done = true',
    'delete from todos',
    'prepare p as select 1',
    'declare c cursor with hold for select 1',
    'listen x',
    // A string to this parser; with standard_conforming_strings off, a string, a lock and a comment.
    String.raw`select '\'', (select pg_advisory_lock(1))--'`,
    'select 1; select 2',
    'select 1 \0',
    'select',
    'selec 1',
    '',
    `select ${'(select '.repeat(4_000)}1${')'.repeat(4_000)}`,
    `select '${'x'.repeat(20_000)}'`,
  ])('such as %.60s', (text) => {
    expect(isPlainRead(text)).toBe(text === 'select');
  });
});

describe('a text without a value', () => {
  it.each([
    'select "id" from "todos" where "id" = $1 and done is true limit 1',
    `select coalesce(json_agg(json_build_array("t"."id")), '[]'::json) as data from (select * from todos) "t"`,
    'insert into "todos" ("id", "title") values (default, $1), (default, null) returning "id"',
    'update "todos" set "done" = true where "id" = $1',
  ])('is %s', (text) => {
    expect(judge(text, 'auth').holdsNoValue).toBe(true);
  });

  it.each([
    `select * from patients where name = 'Alice'`,
    'select * from patients where id = 42',
    'select * from patients where weight = 1.5',
    `select * from patients where born = date '1970-01-01'`,
    `update patients set note = e'\\u0041'`,
    `insert into patients values (-17)`,
    `select b'101'`,
    `select $$Alice$$`,
    'select * from patients -- for alice@example.com',
    "/* user_id='42' */ select * from patients",
    'not sql',
  ])('is not %s', (text) => {
    expect(judge(text, 'auth').holdsNoValue).toBe(false);
  });
});

it('takes the identity functions of the auth schema for harmless, and not those of another one', () => {
  const text = 'select auth.user_id(), id from todos';
  expect(judge(text, 'auth').isPlainRead).toBe(true);
  expect(judge(text, 'authorize').isPlainRead).toBe(false);
  expect(judge('select authorize.user_id(), id from todos', 'authorize').isPlainRead).toBe(true);
});
