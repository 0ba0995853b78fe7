import pg from 'pg';

import { seal } from '../../../src/session/seal.ts';
import type { SealKey } from '../../../src/session/seal-key.ts';
import { clusterUrl } from '../../support/cluster.ts';

/** What can be done in a database at one moment, whoever does it. */
export interface Exposure {
  /** `role as person: table row`, for every row that somebody can read. */
  readonly rows: ReadonlySet<string>;
  /** Every privilege on a table, view, sequence or column that somebody other than its owner has. */
  readonly privileges: ReadonlySet<string>;
}

/**
 * Measures, as every role that may have something to do with a database, which rows it can read.
 *
 * Rows are told apart by their `id`, which has to be unique in the whole database; a table without one does not count.
 */
export async function createExposureMeter(database: string, key: SealKey): Promise<ExposureMeter> {
  const url = new URL(await clusterUrl());
  url.pathname = `/${database}`;
  // A connection for each role: what one has called before, another may find in the session's plans.
  const clients = new Map<string, pg.Client>();
  const clientOf = async (role: string): Promise<pg.Client> => {
    const known = clients.get(role);
    if (known) return known;
    const client = new pg.Client({ connectionString: url.href });
    clients.set(role, client);
    await client.connect();
    await client.query(readableFunction);
    return client;
  };
  return {
    measure: async (roles) => {
      const rows: string[] = [];
      for (const role of roles)
        rows.push(...(await readableRows(await clientOf(role), { key, database, role })));
      return { rows: new Set(rows), privileges: new Set(await heldPrivileges(await clientOf(''))) };
    },
    close: async () => {
      for (const client of clients.values()) await client.end();
    },
  };
}

export interface ExposureMeter {
  /** @param roles those that may not exist count for nothing */
  measure(roles: readonly string[]): Promise<Exposure>;
  close(): Promise<void>;
}

/** What is open at a moment and was open neither before nor after. */
export function opened(during: Exposure, before: Exposure, after: Exposure): readonly string[] {
  const fresh = (part: keyof Exposure): readonly string[] =>
    [...during[part]].filter((line) => !before[part].has(line) && !after[part].has(line));
  return [...fresh('rows'), ...fresh('privileges')];
}

const people = ['alice', 'bob'];

// One call a measurement, whatever there is to read: a migration of fifty statements is measured fifty times.
const readableFunction = `
CREATE FUNCTION pg_temp.readable(role text, people text[], seals text[]) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
  relations text[] := ARRAY(
    SELECT format('%I.%I', nspname, relname)
    FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace JOIN pg_attribute a ON attrelid = c.oid AND attname = 'id'
    WHERE relkind IN ('r', 'p', 'v', 'm') AND nspname NOT IN ('auth', 'drizzle', 'information_schema') AND nspname !~ '^pg_');
  relation text; row text;
BEGIN
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = role) THEN RETURN; END IF;
  FOR index IN 1..cardinality(people) LOOP
    FOREACH relation IN ARRAY relations LOOP
      BEGIN
        PERFORM set_config('role', role, true), set_config('authorize.seal', seals[index], true);
        FOR row IN EXECUTE format('SELECT id FROM %s WHERE id IS NOT NULL', relation) LOOP
          RETURN NEXT format('%s as %s reads %s', role, people[index], row);
        END LOOP;
      EXCEPTION
        -- Not a single row, then; anything but a refusal is a mistake of the test.
        WHEN insufficient_privilege OR invalid_authorization_specification THEN NULL;
      END;
      PERFORM set_config('role', 'none', true);
    END LOOP;
  END LOOP;
END $$`;

async function readableRows(
  client: pg.Client,
  { key, database, role }: { readonly key: SealKey; readonly database: string; readonly role: string },
): Promise<readonly string[]> {
  const now = { database, backendPid: 0, nowSeconds: Date.now() / 1000 };
  const seals = people.map((person) => seal({ role, claims: { sub: person } }, key, now));
  return column(client, 'SELECT pg_temp.readable($1, $2, $3) AS value', [
    role,
    people,
    await Promise.all(seals),
  ]);
}

// By object id, which a new name does not change.
function heldPrivileges(client: pg.Client): Promise<readonly string[]> {
  return column(
    client,
    `SELECT format('%s may %s on relation %s, column %s', grantee, privilege_type, oid, number) AS value FROM (
       SELECT oid, relowner AS owner, 0 AS number, acl.* FROM pg_class, aclexplode(relacl) AS acl
       WHERE relkind IN ('r', 'p', 'v', 'm', 'S')
       UNION ALL
       SELECT c.oid, relowner, attnum, acl.* FROM pg_attribute JOIN pg_class c ON c.oid = attrelid, aclexplode(attacl) AS acl
     ) AS held WHERE grantee <> owner AND oid >= 16384`,
    [],
  );
}

async function column(
  client: pg.Client,
  text: string,
  values: readonly unknown[],
): Promise<readonly string[]> {
  const { rows } = await client.query<{ value: string }>(text, [...values]);
  return rows.map((row) => row.value);
}
