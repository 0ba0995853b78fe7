import { quoteIdentifier } from '../database/quote-identifier.ts';
import { quoteLiteral } from '../database/quote-literal.ts';

/** What stands between two statements of a migration. */
export const breakpoint = '--> statement-breakpoint';

/** The statements of a migration, without their semicolons. */
export function splitStatements(sql: string): readonly string[] {
  return sql
    .split(breakpoint)
    .map((statement) => statement.trim().replace(/;$/, ''))
    .filter((statement) => statement !== '');
}

/**
 * Joins statements as drizzle's migrators take them apart: one a breakpoint, which PGlite and Neon's HTTP
 * driver need.
 */
export function joinStatements(statements: readonly string[]): string {
  if (statements.length === 0) return 'SELECT 1;\n'; // not every driver takes an empty query
  return `${statements.join(`;\n${breakpoint}\n`)};\n`;
}

/** What a statement of drizzle-kit is to us. */
export type KitStatement =
  /** A policy or a row level security switch: written from the schema instead. */
  | { readonly kind: 'access' }
  | { readonly kind: 'create role'; readonly role: string }
  | { readonly kind: 'drop role'; readonly role: string }
  /** Takes away or retypes something that a policy may mention, which Postgres refuses or cascades. */
  | { readonly kind: 'destructive' }
  | { readonly kind: 'other' };

export function classify(statement: string): KitStatement {
  if (/^(CREATE|ALTER|DROP) POLICY /.test(statement)) return { kind: 'access' };
  if (/^ALTER TABLE [^]+ (ENABLE|DISABLE) ROW LEVEL SECURITY$/.test(statement)) return { kind: 'access' };

  const role = /^(CREATE|DROP) ROLE "((?:[^"]|"")*)"/.exec(statement);
  const name = role?.[2]?.replaceAll('""', '"');
  if (name !== undefined) return { kind: role?.[1] === 'CREATE' ? 'create role' : 'drop role', role: name };

  // A match inside a name or a literal costs a few policies dropped and created in vain. drizzle-kit writes some of
  // these words in lower case, such as for a generated column that gets another expression.
  return /\b(DROP (COLUMN|TABLE|TYPE|SCHEMA|VIEW|MATERIALIZED VIEW)|SET DATA TYPE)\b/i.test(statement)
    ? { kind: 'destructive' }
    : { kind: 'other' };
}

/** Runs drizzle-kit's CREATE ROLE unless the cluster has the role: another database may have made it. */
export function createRoleUnlessExists(role: string, statement: string): string {
  return doBlock(`BEGIN
  IF to_regrole(${quoteLiteral(quoteIdentifier(role))}) IS NULL THEN
    ${statement};
  END IF;
EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;
END`);
}

/** Drops the role unless another database of the cluster still needs it. */
export function dropRoleUnlessNeeded(role: string): string {
  return doBlock(`BEGIN
  DROP ROLE IF EXISTS ${quoteIdentifier(role)};
EXCEPTION WHEN dependent_objects_still_exist THEN
  RAISE NOTICE 'the role % stays: other objects depend on it', ${quoteLiteral(role)};
END`);
}

/** `DO` with a quote that the body does not contain. */
export function doBlock(body: string): string {
  let quote = '$$';
  for (let n = 1; body.includes(quote); n += 1) quote = `$body${n}$`;
  return `DO ${quote} ${body} ${quote}`;
}
