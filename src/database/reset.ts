/**
 * What takes a connection back to where its login left it, one statement an element. Each can run in a transaction.
 *
 * DISCARD ALL would do most of it, but also throws cached plans and prepared statements away, cannot run together
 * with anything else, and leaves the state of `random()`, with which one user could foretell the next one's numbers.
 * Settings given in the startup packet are what RESET ALL goes back to.
 *
 * @see https://www.postgresql.org/docs/current/sql-discard.html
 */
export const resetStatements: readonly string[] = [
  'CLOSE ALL',
  'SET SESSION AUTHORIZATION DEFAULT',
  'RESET ALL',
  'UNLISTEN *',
  'SELECT pg_catalog.pg_advisory_unlock_all()',
  'DISCARD TEMP',
  'DISCARD SEQUENCES',
  'SELECT pg_catalog.setseed(pg_catalog.hashtext(pg_catalog.gen_random_uuid()::text) / 2147483648::float8)',
];

/** As {@link resetStatements}, for connections on which PREPARE was possible. */
export const resetStatementsAndPrepared: readonly string[] = [...resetStatements, 'DEALLOCATE ALL'];

/** {@link resetStatements} for the simple protocol, outside a transaction. */
export const resetSession = resetStatements.join('; ');

/** As {@link resetSession}, and prepared statements too: for connections on which PREPARE was possible. */
export const resetSessionAndStatements = resetStatementsAndPrepared.join('; ');
