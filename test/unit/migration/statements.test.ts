import { expect, it } from 'vitest';

import { doBlock } from '../../../src/database/do-block.ts';
import { classify, joinStatements, splitStatements } from '../../../src/migration/statements.ts';

it('statements come apart and together at the breakpoints', () => {
  const kit =
    'CREATE TABLE "a" (\n\t"id" text\n);\n--> statement-breakpoint\nSELECT 1;--> statement-breakpoint\nSELECT 2;';
  const statements = splitStatements(kit);
  expect(statements).toEqual(['CREATE TABLE "a" (\n\t"id" text\n)', 'SELECT 1', 'SELECT 2']);
  expect(splitStatements(joinStatements(statements))).toEqual(statements);
  expect(splitStatements('SELECT 1;\r\n--> statement-breakpoint\r\nSELECT 2;\r\n')).toEqual([
    'SELECT 1',
    'SELECT 2',
  ]);
});

it('a migration without statements is still one that every driver takes', () => {
  expect(joinStatements([])).toBe('SELECT 1;\n');
});

it.each([
  ['CREATE POLICY "p" ON "t" AS PERMISSIVE FOR ALL TO public USING (true)', { kind: 'access' }],
  ['ALTER POLICY "p" ON "t" RENAME TO "q"', { kind: 'access' }],
  ['DROP POLICY "p" ON "s"."t" CASCADE', { kind: 'access' }],
  ['ALTER TABLE "s"."t" DISABLE ROW LEVEL SECURITY', { kind: 'access' }],
  ['CREATE ROLE "a ""b" WITH CREATEDB', { kind: 'create role', role: 'a "b' }],
  ['DROP ROLE "a"', { kind: 'drop role', role: 'a' }],
  ['ALTER ROLE "a" RENAME TO "b ""c"', { kind: 'rename role', role: 'a', to: 'b "c' }],
  [
    'ALTER ROLE "a" WITH NOCREATEDB CREATEROLE INHERIT',
    { kind: 'alter role', role: 'a', attributes: ['NOCREATEDB', 'CREATEROLE', 'INHERIT'] },
  ],
  ['ALTER TABLE "line\nbreak" ENABLE ROW LEVEL SECURITY', { kind: 'access' }],
  ['ALTER TABLE "t" DROP COLUMN "c"', { kind: 'destructive' }],
  ['ALTER TABLE "t" drop column "c"', { kind: 'destructive' }],
  ['ALTER SCHEMA "a" RENAME TO "b"', { kind: 'rename schema', schema: 'a' }],
  ['ALTER TABLE "t" DROP CONSTRAINT "c"', { kind: 'other' }],
  ['CREATE TABLE "t" ("policy" text)', { kind: 'other' }],
])('%s is known for what it is', (statement, expected) => {
  expect(classify(statement)).toEqual(expected);
});

it('a block takes quotes that its body does not contain', () => {
  expect(doBlock('BEGIN END')).toBe('DO $$ BEGIN END $$');
  expect(doBlock("BEGIN '$$ $body1$' END")).toBe("DO $body2$ BEGIN '$$ $body1$' END $body2$");
});
