import pg from 'pg';

import { preludeStatements } from '../../database/prelude.ts';
import type { AccessModel } from '../access-model.ts';
import { compareText } from '../table-name.ts';

const functionsOf = (authSchema: string): string => `
  SELECT pg_proc.oid::regprocedure::text AS signature, pg_get_functiondef(pg_proc.oid) AS definition, ARRAY(
      SELECT coalesce(rolname, 'public')::text FROM aclexplode(coalesce(proacl, acldefault('f', proowner))) AS held
      LEFT JOIN pg_catalog.pg_roles ON pg_roles.oid = held.grantee WHERE held.grantee <> proowner) AS callers
  FROM pg_catalog.pg_proc WHERE pronamespace = '${authSchema}'::regnamespace AND prokind = 'f'`;

interface EnforcedFunction {
  readonly signature: string;
  readonly definition: string;
  readonly callers: readonly string[];
}

/**
 * The functions of the auth schema that are not as this release and the schema have them, each with what it is
 * instead. It writes them anew, to compare what PostgreSQL makes of them, and takes that back: other sessions do not
 * see it.
 *
 * @param client in a transaction of the owner's
 * @param model what `memberOf()` needs, and where
 */
export async function changedFunctions(
  client: pg.ClientBase,
  { functions: members, authSchema }: Pick<AccessModel, 'functions' | 'authSchema'>,
): Promise<ReadonlyMap<string, string>> {
  const enforced = await readFunctions(client, authSchema);
  const changed = new Map<string, string>();
  const say = (signature: string, what: string): void => {
    const said = changed.get(signature);
    changed.set(signature, said === undefined ? what : `${said}; ${what}`);
  };
  const creations = [
    ...preludeStatements(['authenticated'], { authSchema }).filter((statement) =>
      statement.startsWith('CREATE FUNCTION '),
    ),
    ...members.map(({ create }) => create),
  ];
  for (const create of creations) {
    const { signature, what } = await compareFunction(client, create, { enforced, authSchema });
    if (what !== undefined) say(signature, what);
  }
  for (const { name, grantees } of members) {
    const there = enforced.get(`${authSchema}.${name}()`);
    const [may, should] = [namesOf(there?.callers ?? grantees), namesOf(grantees)];
    if (may !== should) {
      say(`${authSchema}.${name}()`, `may be called by ${may} in the database; the schema says ${should}`);
    }
  }
  for (const signature of enforced.keys()) {
    const name = /^\w+\.(member_of_\w+)\(\)$/.exec(signature)?.[1];
    if (name !== undefined && !members.some((each) => each.name === name)) {
      say(signature, 'is in the database alone');
    }
  }
  return changed;
}

async function compareFunction(
  client: pg.ClientBase,
  create: string,
  {
    enforced,
    authSchema,
  }: { readonly enforced: ReadonlyMap<string, EnforcedFunction>; readonly authSchema: string },
): Promise<{ readonly signature: string; readonly what: string | undefined }> {
  await client.query('SAVEPOINT one');
  try {
    await client.query(create.replace(/^CREATE FUNCTION /, 'CREATE OR REPLACE FUNCTION '));
    const written = [...(await readFunctions(client, authSchema)).values()].find(
      ({ signature, definition }) => enforced.get(signature)?.definition !== definition,
    );
    const signature = written?.signature ?? '';
    if (written === undefined) return { signature, what: undefined };
    return { signature, what: enforced.has(signature) ? 'is not as it should be' : 'is missing' };
  } catch (error) {
    if (!(error instanceof pg.DatabaseError)) throw error;
    const signature = /FUNCTION (\w+\.\w+)/.exec(create)?.[1] ?? authSchema;
    return { signature, what: `cannot be compared: ${error.message}` };
  } finally {
    await client.query('ROLLBACK TO SAVEPOINT one');
  }
}

async function readFunctions(
  client: pg.ClientBase,
  authSchema: string,
): Promise<ReadonlyMap<string, EnforcedFunction>> {
  const { rows } = await client.query<EnforcedFunction>(functionsOf(authSchema));
  return new Map(rows.map((row) => [row.signature, row]));
}

function namesOf(roles: readonly string[]): string {
  const names = roles.map((role) => (role === 'public' ? 'everybody' : role)).toSorted(compareText);
  return names.length > 0 ? names.join(', ') : 'nobody';
}
