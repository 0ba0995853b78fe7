import { quoteLiteral } from '../database/quote-literal.ts';

export interface PinnedSettingsOptions {
  readonly statementTimeoutMs: number;
  readonly searchPath: string;
  /** Others, behind the pinned ones. */
  readonly settings?: Readonly<Record<string, string>>;
}

/**
 * A connection URL with the settings in its startup packet that a role could set for its own future sessions
 * (`ALTER ROLE … SET`): they outrank that, and are what RESET ALL goes back to.
 *
 * In the URL, behind what it has itself: its options would take the place of those that stand beside it.
 *
 * @see https://www.postgresql.org/docs/current/config-setting.html#CONFIG-SETTING-SHELL
 */
export function withPinnedSettings(connectionString: string, options: PinnedSettingsOptions): string {
  const startup = Object.entries(pinned(options))
    .map(([name, value]) => `-c ${name}=${value.replaceAll('\\', '\\\\').replaceAll(' ', '\\ ')}`)
    .join(' ');
  const url = new URL(connectionString);
  const own = url.searchParams.get('options');
  url.searchParams.set('options', own === null ? startup : `${own} ${startup}`);
  return url.href;
}

/**
 * The statement that pins the same in one transaction, for where a startup packet may have none, as behind PgBouncer. Behind it
 * a statement can change them for itself.
 */
export function pinInTransaction(options: PinnedSettingsOptions): string {
  const calls = Object.entries(pinned(options)).map(
    ([name, value]) => `pg_catalog.set_config(${quoteLiteral(name)}, ${quoteLiteral(value)}, true)`,
  );
  return `SELECT ${calls.join(', ')}`;
}

function pinned({
  statementTimeoutMs,
  searchPath,
  settings = {},
}: PinnedSettingsOptions): Readonly<Record<string, string>> {
  return {
    search_path: searchPath,
    statement_timeout: String(statementTimeoutMs),
    lock_timeout: '0',
    idle_in_transaction_session_timeout: '60000',
    row_security: 'on',
    default_transaction_read_only: 'off',
    default_transaction_isolation: 'read committed',
    standard_conforming_strings: 'on',
    datestyle: 'ISO, MDY',
    intervalstyle: 'postgres',
    bytea_output: 'hex',
    extra_float_digits: '1',
    ...settings,
  };
}
