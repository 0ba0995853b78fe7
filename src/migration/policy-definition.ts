import { createHash } from 'node:crypto';

import { quoteIdentifier } from '../database/quote-identifier.ts';
import type { MemberFunction } from './member-function.ts';
import { quoteRole } from './quote-role.ts';
import { qualifiedName, type TableName } from './table-name.ts';

export type PolicyCommand = 'all' | 'select' | 'insert' | 'update' | 'delete';

/** A policy as it goes into the database, with drizzle's defaults filled in. */
export interface PolicyDefinition {
  readonly name: string;
  readonly as: 'permissive' | 'restrictive';
  readonly for: PolicyCommand;
  /** Names of roles and keywords, in order. */
  readonly to: readonly string[];
  /** Who gets the privilege that the policy presupposes: `to`, or every identity role where no `to` is written. */
  readonly grantees: readonly string[];
  readonly using: string | undefined;
  readonly withCheck: string | undefined;
  /** Columns that the privilege is limited to. */
  readonly columns: readonly string[] | undefined;
  /** What `memberOf()` in the expressions stands for. */
  readonly functions: readonly MemberFunction[];
}

/** The statement that creates the policy. @see https://www.postgresql.org/docs/current/sql-createpolicy.html */
export function createPolicy(table: TableName, policy: PolicyDefinition): string {
  return [
    `CREATE POLICY ${quoteIdentifier(policy.name)} ON ${qualifiedName(table)}`,
    `AS ${policy.as.toUpperCase()} FOR ${policy.for.toUpperCase()} TO ${policy.to.map(quoteRole).join(', ')}`,
    ...(policy.using === undefined ? [] : [`USING ${inParentheses(policy.using)}`]),
    ...(policy.withCheck === undefined ? [] : [`WITH CHECK ${inParentheses(policy.withCheck)}`]),
  ].join(' ');
}

// A comment at the end of the expression would take the parenthesis with it.
function inParentheses(expression: string): string {
  return expression.includes('--') ? `(${expression}\n)` : `(${expression})`;
}

/** Changes whenever the policy has to be written anew. */
export function policyDigest(table: TableName, policy: PolicyDefinition): string {
  return createHash('sha256').update(createPolicy(table, policy)).digest('hex').slice(0, 16);
}
