/**
 * Postgres tells here, without a word of whom, that somebody has been revoked.
 *
 * @see https://www.postgresql.org/docs/current/sql-notify.html
 */
export const revocationChannel = 'authorize_revocations';
