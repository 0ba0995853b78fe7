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
