import type { Login } from './login.ts';
import { quoteLiteral } from './quote-literal.ts';
import { resetStatements, resetStatementsAndPrepared } from './reset.ts';

/**
 * The reset of a connection whose backend is another one in each transaction, as behind a transaction pooler. A pooler hands a
 * backend on when that says ReadyForQuery outside a transaction: a reset that came later would reach somebody else's, and
 * leave this one's to whoever comes next. So it is part of the transaction, whichever way that ends; and when it fails itself,
 * the transaction is still open, so that the pooler closes the backend when the connection is closed. One statement an element.
 */
export interface PooledReset {
  /**
   * Ahead of a COMMIT, in the transaction: should that fail, nothing is left all the same. When one of them fails,
   * {@link PooledReset.instead} has to be sent.
   */
  readonly ahead: readonly string[];
  /**
   * In place of a ROLLBACK, where the transaction is open or has failed, with a COMMIT behind it. A rollback takes settings and
   * temporary tables back, but no lock, sequence or seed: so another transaction begins with it, in which they are seen to.
   */
  readonly instead: readonly string[];
}

/**
 * @param login whose `clientSettings` are what the pooler keeps for this client. RESET ALL takes them back to what the backend
 *   began with; the pooler is told, and would take it for the client's wish
 */
export function pooledReset(
  { clientSettings }: Pick<Login, 'clientSettings'>,
  { anyStatement }: { readonly anyStatement: boolean },
): PooledReset {
  const kept = Object.entries(clientSettings).map(
    ([name, value]) => `pg_catalog.set_config(${quoteLiteral(name)}, ${quoteLiteral(value)}, false)`,
  );
  const reset = [
    ...(anyStatement ? resetStatementsAndPrepared : resetStatements),
    `SELECT ${kept.join(', ')}`,
  ];
  return {
    // What is looked at by the end of a transaction is looked at as the person: triggers may ask who it is.
    ahead: ['SET CONSTRAINTS ALL IMMEDIATE', ...reset],
    // The other transaction has the level of the first, which could be one that waits for whoever is at work.
    instead: ['ROLLBACK AND CHAIN', 'SET TRANSACTION ISOLATION LEVEL READ COMMITTED', ...reset],
  };
}
