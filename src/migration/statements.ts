import { classifyRoleStatement, type RoleStatement } from './role-statements.ts';

/** What stands between two statements of a migration. */
export const breakpoint = '--> statement-breakpoint';

/** The statements of a migration, without their semicolons. */
export function splitStatements(sql: string): readonly string[] {
  return sql
    .split(breakpoint)
    .map(trimStatement)
    .filter((statement) => statement !== '');
}

/** A statement without what stands around it, and without its semicolon. */
export function trimStatement(statement: string): string {
  return statement.trim().replace(/;$/, '');
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
  | RoleStatement
  | { readonly kind: 'rename schema'; readonly schema: string }
  /** Takes away or retypes something that a policy may mention, which Postgres refuses or cascades. */
  | { readonly kind: 'destructive' }
  | { readonly kind: 'other' };

export function classify(statement: string): KitStatement {
  if (/^(CREATE|ALTER|DROP) POLICY /.test(statement)) return { kind: 'access' };
  if (/^ALTER TABLE [^]+ (ENABLE|DISABLE) ROW LEVEL SECURITY$/.test(statement)) return { kind: 'access' };

  const role = classifyRoleStatement(statement);
  if (role) return role;
  const schema = /^ALTER SCHEMA "((?:[^"]|"")*)" RENAME TO /.exec(statement)?.[1];
  if (schema !== undefined) return { kind: 'rename schema', schema: schema.replaceAll('""', '"') };

  // A match inside a name or a literal costs a few policies dropped and created in vain. drizzle-kit writes some of
  // these words in lower case, such as for a generated column that gets another expression.
  return /\b(DROP (COLUMN|TABLE|TYPE|SCHEMA|VIEW|MATERIALIZED VIEW)|SET DATA TYPE)\b/i.test(statement)
    ? { kind: 'destructive' }
    : { kind: 'other' };
}

/** True for a statement that makes a table, a view or a sequence, that of a column included. */
export function createsRelation(statement: string): boolean {
  if (/^CREATE (TABLE|VIEW|MATERIALIZED VIEW|SEQUENCE) /.test(statement)) return true;
  return /^ALTER TABLE [^]+ ADD [^]*\b(smallserial|serial|bigserial|AS IDENTITY)\b/.test(statement);
}
