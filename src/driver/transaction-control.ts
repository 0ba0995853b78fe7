import { firstKeyword } from '../database/first-keyword.ts';
import { AuthorizeError, StatementError } from '../errors.ts';

/** Whether a statement, of which `keyword` is the first, is the end of the transaction that it runs in. */
export function endsTransaction(text: string, keyword: string): boolean {
  if (keyword === 'commit' || keyword === 'end' || keyword === 'abort') return true;
  return keyword === 'rollback' && !/^\s*rollback\s+(?:work\s+|transaction\s+)?to\s/iu.test(text);
}

/** Whether it is about the transaction that it runs in, and leaves it open. */
export function staysInTransaction(text: string, keyword: string): boolean {
  if (keyword === 'savepoint' || keyword === 'release' || keyword === 'rollback') return true;
  return setsTransaction(text);
}

/** Whether it sets the level of the transaction, which must come before any query of it. */
export function setsTransaction(text: string): boolean {
  return /^\s*set\s+transaction\s/iu.test(text);
}

const transactionControl: ReadonlySet<string> = new Set([
  'begin',
  'start',
  'commit',
  'end',
  'rollback',
  'abort',
]);

/** Whether it begins or ends a transaction, where the identity lives as long as the one that is open. */
export function controlsTransaction(text: string, keyword: string): boolean {
  return transactionControl.has(keyword) || (keyword === 'prepare' && /\btransaction\b/iu.test(text));
}

/**
 * Lets no statement begin or end the transaction that holds the identity, whatever else is allowed.
 *
 * @throws StatementError `ERR_STATEMENT_REFUSED`
 */
export function assertNoTransactionControl(text: string): void {
  const keyword = firstKeyword(text);
  if (!controlsTransaction(text, keyword)) return;
  throw new StatementError(
    'ERR_STATEMENT_REFUSED',
    `the statement ${keyword.toUpperCase()} would begin or end the transaction that holds the identity; use transaction()`,
  );
}

export function transactionEnded(): AuthorizeError {
  return new AuthorizeError('ERR_TRANSACTION_ENDED', 'the transaction that this handle belongs to has ended');
}
