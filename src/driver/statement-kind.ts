import { firstKeyword } from '../database/first-keyword.ts';
import { StatementError } from '../errors.ts';

const dataStatements: ReadonlySet<string> = new Set([
  'select',
  'insert',
  'update',
  'delete',
  'merge',
  'values',
  'with',
  'table',
]);

/**
 * Lets statements pass that read and write rows, and nothing else: a utility statement can outlive the person's turn
 * (`ALTER ROLE … SET`, `PREPARE`, `LISTEN`).
 *
 * @throws StatementError `ERR_STATEMENT_REFUSED`
 */
export function assertDataStatement(text: string): void {
  const keyword = firstKeyword(text);
  if (dataStatements.has(keyword)) return;
  const named = keyword === '' ? 'an empty statement' : `the statement ${keyword.toUpperCase()}`;
  throw new StatementError(
    'ERR_STATEMENT_REFUSED',
    `${named} is not among those that a handle of $withAuth runs; it reads and writes rows`,
    { hint: "pass statements: 'any' to withAuth() to lift this, or run it on the owner's connection" },
  );
}
