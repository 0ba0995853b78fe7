import pg from 'pg';

import type { FunctionAccess } from '../access-model.ts';
import { compareText } from '../table-name.ts';

const members = `
  SELECT proname AS name, pg_get_functiondef(oid) AS definition, ARRAY(
      SELECT coalesce(rolname, 'public')::text FROM aclexplode(coalesce(proacl, acldefault('f', proowner))) AS held
      LEFT JOIN pg_catalog.pg_roles ON pg_roles.oid = held.grantee WHERE held.grantee <> proowner) AS callers
  FROM pg_catalog.pg_proc
  WHERE pronamespace = 'auth'::regnamespace AND proname ~ '^member_of_' AND pronargs = 0 AND prokind = 'f'`;

interface EnforcedFunction {
  readonly name: string;
  readonly definition: string;
  readonly callers: readonly string[];
}

/**
 * The functions of `memberOf()` that are not as the schema has them, each with what it is instead, by name. It writes
 * them anew, to compare what PostgreSQL makes of them, and takes that back.
 *
 * @param client in a transaction of the owner's
 */
export async function changedMemberFunctions(
  client: pg.ClientBase,
  functions: readonly FunctionAccess[],
): Promise<ReadonlyMap<string, string>> {
  const read = async (): Promise<ReadonlyMap<string, EnforcedFunction>> => {
    const { rows } = await client.query<EnforcedFunction>(members);
    return new Map(rows.map((row) => [row.name, row]));
  };
  const enforced = await read();
  const changed = new Map<string, string>();
  const say = (name: string, what: string): void => {
    const said = changed.get(`auth.${name}()`);
    changed.set(`auth.${name}()`, said === undefined ? what : `${said}; ${what}`);
  };
  for (const name of enforced.keys()) {
    if (!functions.some((each) => each.name === name)) say(name, 'is in the database alone');
  }
  for (const { name, create, grantees } of functions) {
    const there = enforced.get(name);
    if (there === undefined) {
      say(name, 'is in the schema alone');
      continue;
    }
    await client.query('SAVEPOINT member');
    try {
      await client.query(create);
      const written = (await read()).get(name);
      if (written?.definition !== there.definition) say(name, 'is not as the schema has it');
    } catch (error) {
      if (!(error instanceof pg.DatabaseError)) throw error;
      say(name, `cannot be compared: ${error.message}`);
    }
    await client.query('ROLLBACK TO SAVEPOINT member');
    const [may, should] = [namesOf(there.callers), namesOf(grantees)];
    if (may !== should) say(name, `may be called by ${may} in the database; the schema says ${should}`);
  }
  return changed;
}

function namesOf(roles: readonly string[]): string {
  const names = roles.map((role) => (role === 'public' ? 'everybody' : role)).toSorted(compareText);
  return names.length > 0 ? names.join(', ') : 'nobody';
}
