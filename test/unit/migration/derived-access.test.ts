import { eq, sql } from 'drizzle-orm';
import { integer, pgSchema, pgSequence, pgTable, pgView, text } from 'drizzle-orm/pg-core';
import { describe, expect, it } from 'vitest';

import { anonymousRole, authenticatedRole, insertPolicy, selectPolicy } from '../../../src/index.ts';
import { readAccessModel } from '../../../src/migration/access-model.ts';

const yes = sql`true`;
const both = pgTable('both', { id: integer(), word: text() }, () => [
  selectPolicy('p', { to: [authenticatedRole, anonymousRole], using: yes }),
]);
const members = pgTable('members', { id: integer() }, () => [
  selectPolicy('p', { to: authenticatedRole, using: yes }),
]);
const open = pgTable('open', { id: integer() }, () => [selectPolicy('p', { to: 'public', using: yes })]);
const nobody = pgTable('nobody', { id: integer() }, () => [
  insertPolicy('p', { to: authenticatedRole, withCheck: yes }),
]);

function granteesOf(...exported: readonly unknown[]): Readonly<Record<string, readonly string[]>> {
  return Object.fromEntries(
    readAccessModel(exported).derived.map(({ schema, name, grantees }) => [`${schema}.${name}`, grantees]),
  );
}

const byCaller = { securityInvoker: true } as const;

describe('a view that reads as whoever asks', () => {
  it('is for those who may read all of its tables', () => {
    const one = pgView('one')
      .with(byCaller)
      .as((qb) => qb.select().from(both));
    const two = pgView('two')
      .with(byCaller)
      .as((qb) => qb.select({ id: both.id }).from(both).innerJoin(members, eq(both.id, members.id)));
    const three = pgView('three')
      .with(byCaller)
      .as((qb) => qb.select({ id: both.id }).from(both).innerJoin(nobody, eq(both.id, nobody.id)));
    expect(granteesOf(both, members, nobody, one, two, three)).toEqual({
      'public.one': ['anonymous', 'authenticated'],
      'public.two': ['authenticated'],
    });
  });

  it('is for everybody only where each table is', () => {
    const one = pgView('one')
      .with(byCaller)
      .as((qb) => qb.select().from(open));
    const two = pgView('two')
      .with(byCaller)
      .as((qb) => qb.select({ id: open.id }).from(open).innerJoin(both, eq(both.id, open.id)));
    expect(granteesOf(both, open, one, two)).toEqual({
      'public.one': ['public'],
      'public.two': ['anonymous', 'authenticated'],
    });
  });

  it('is followed through other views of its kind', () => {
    const inner = pgView('inner')
      .with(byCaller)
      .as((qb) => qb.select({ id: members.id }).from(members));
    const outer = pgSchema('app')
      .view('outer')
      .with(byCaller)
      .as((qb) => qb.select({ id: inner.id }).from(inner));
    expect(granteesOf(members, inner, outer)).toEqual({
      'app.outer': ['authenticated'],
      'public.inner': ['authenticated'],
    });
  });

  it('is for nobody when it reads no table of the schema', () => {
    const foreign = pgView('foreign', { id: integer() })
      .with(byCaller)
      .as(sql`select 1 as id`);
    expect(granteesOf(both, foreign)).toEqual({});
  });
});

it('a view that reads with the rights of its owner, or that somebody else makes, is given to nobody', () => {
  const owner = pgView('owner').as((qb) => qb.select().from(both));
  const existing = pgView('existing', { id: integer() }).existing();
  expect(granteesOf(both, owner, existing)).toEqual({});
});

describe('a sequence', () => {
  const table = (value: string): unknown =>
    pgTable('numbered', { number: integer().default(sql.raw(value)) }, () => [
      insertPolicy('add', { to: authenticatedRole, withCheck: yes }),
      selectPolicy('see', { to: anonymousRole, using: yes }),
    ]);

  it.each([
    `nextval('numbers')`,
    `nextval('Public.NUMBERS'::regclass)`,
    `10 + pg_catalog.nextval ( '"public"."numbers"' )`,
  ])('is for those who may insert where it makes a default: %s', (value) => {
    expect(granteesOf(pgSequence('numbers'), table(value))).toEqual({ 'public.numbers': ['authenticated'] });
  });

  it('by its own name alone', () => {
    const mixed = pgSchema('My').sequence(`Num"s`);
    expect(granteesOf(mixed, pgSequence('numbers'), table(`nextval('"My"."Num""s"')`))).toEqual({
      'My.Num"s': ['authenticated'],
    });
    expect(granteesOf(pgSequence('numbers'), table(`nextval('others')`))).toEqual({});
    expect(granteesOf(table(`nextval('numbers')`))).toEqual({});
  });
});
