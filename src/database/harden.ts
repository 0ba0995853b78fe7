import { defaultAuthSchema } from '../auth-schema.ts';
import pg from 'pg';

import { withConnection } from './connect.ts';
import { identityRoles } from './setup.ts';
import { quoteIdentifier } from './quote-identifier.ts';

/** One thing that stock PostgreSQL leaves open to everybody. */
interface Measure {
  readonly what: string;
  /** What an identity role can do as long as it stays open. */
  readonly leavesOpen: string;
  readonly statements: (database: string, roles: string) => readonly string[];
}

export interface HardenReport {
  readonly done: readonly string[];
  /** Steps that this login may not take, with what they leave open. */
  readonly notPermitted: readonly { readonly what: string; readonly leavesOpen: string }[];
}

// Functions of PostgreSQL that everybody may call and that reach beyond the caller's rows. The reset after each use
// needs pg_advisory_unlock_all and setseed, so those stay.
const reachingFunctions = {
  'functions that run SQL from text': [
    'query_to_xml',
    'query_to_xmlschema',
    'query_to_xml_and_xmlschema',
    'table_to_xml',
    'table_to_xmlschema',
    'table_to_xml_and_xmlschema',
    'schema_to_xml',
    'schema_to_xmlschema',
    'schema_to_xml_and_xmlschema',
    'database_to_xml',
    'database_to_xmlschema',
    'database_to_xml_and_xmlschema',
    'cursor_to_xml',
    'cursor_to_xmlschema',
    'ts_stat',
  ],
  'functions on large objects, which have no policies': [
    'lo_creat',
    'lo_create',
    'lo_from_bytea',
    'lo_open',
    'lo_put',
    'lo_get',
    'lo_unlink',
    'lo_truncate',
    'lo_truncate64',
    'loread',
    'lowrite',
  ],
  'functions that reach other sessions': [
    'pg_terminate_backend',
    'pg_cancel_backend',
    'pg_notify',
    'pg_logical_emit_message',
    'pg_export_snapshot',
    'pg_advisory_lock',
    'pg_advisory_lock_shared',
    'pg_try_advisory_lock',
    'pg_try_advisory_lock_shared',
    'pg_advisory_xact_lock',
    'pg_advisory_xact_lock_shared',
    'pg_try_advisory_xact_lock',
    'pg_try_advisory_xact_lock_shared',
  ],
  "functions that show what other people's statements say": [
    'pg_stat_get_activity',
    // The statements that a pool has prepared serve everybody who uses the connection.
    'pg_prepared_statement',
  ],
} as const;

const measures: readonly Measure[] = [
  {
    what: 'TEMP and CREATE on the database revoked from PUBLIC',
    leavesOpen: 'temporary tables, which can stand in front of real ones',
    statements: (database, roles) => [
      `REVOKE TEMPORARY, CREATE ON DATABASE ${database} FROM PUBLIC, ${roles}`,
    ],
  },
  {
    what: 'CREATE on the schema public revoked from PUBLIC',
    leavesOpen: 'tables and functions of an identity role in the schema public',
    statements: (_, roles) => [`REVOKE CREATE ON SCHEMA public FROM PUBLIC, ${roles}`],
  },
  ...Object.entries(reachingFunctions).map(([kind, names]): Measure => ({
    what: `EXECUTE on ${kind} revoked from PUBLIC`,
    leavesOpen: kind,
    statements: () => [
      `DO $$ DECLARE routine regprocedure; BEGIN
          FOR routine IN SELECT oid FROM pg_catalog.pg_proc
            WHERE pronamespace = 'pg_catalog'::regnamespace AND proname IN (${names.map((name) => `'${name}'`).join(', ')})
          LOOP EXECUTE format('REVOKE EXECUTE ON FUNCTION %s FROM PUBLIC', routine); END LOOP;
        END $$`,
    ],
  })),
];

/**
 * Takes away what stock PostgreSQL gives to everybody, as far as the login may. Each measure stands alone: one that the
 * host does not permit is reported with what it leaves open, and the others are taken.
 *
 * @throws AuthorizeError `ERR_DATABASE_UNREACHABLE`
 * @see https://www.postgresql.org/docs/current/ddl-priv.html
 */
export async function harden(
  ownerUrl: string,
  authSchema: string = defaultAuthSchema,
): Promise<HardenReport> {
  return withConnection(ownerUrl, 'DATABASE_URL', async (client) => {
    const { rows } = await client.query<{ database: string }>('SELECT current_database() AS database');
    const database = quoteIdentifier(rows[0]?.database ?? '');
    const roles = (await identityRoles(client, authSchema)).map(quoteIdentifier).join(', ');
    const done: string[] = [];
    const notPermitted: { what: string; leavesOpen: string }[] = [];
    for (const { what, leavesOpen, statements } of measures) {
      if (await isTaken(client, statements(database, roles))) done.push(what);
      else notPermitted.push({ what, leavesOpen });
    }
    return { done, notPermitted };
  });
}

// REVOKE by somebody without the right to is an error for some objects and a warning without effect for others.
async function isTaken(client: pg.Client, statements: readonly string[]): Promise<boolean> {
  let warned = false;
  const onNotice = (notice: { code?: string | undefined }): void => {
    if (notice.code === '01006' || notice.code === '01007') warned = true;
  };
  client.on('notice', onNotice);
  try {
    await client.query('BEGIN');
    for (const statement of statements) await client.query(statement);
    await client.query('COMMIT');
    return !warned;
  } catch (error) {
    await client.query('ROLLBACK');
    if (error instanceof pg.DatabaseError && error.code === '42501') return false;
    throw error;
  } finally {
    client.off('notice', onNotice);
  }
}
