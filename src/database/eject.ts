import { doBlock } from './do-block.ts';
import { quoteLiteral } from './quote-literal.ts';

/** The setting that readers of the claims look at once there are no seals any more: as others name it, too. */
export const plainSetting = 'request.jwt.claims';

const plainReader = 'LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp';

/**
 * Takes what is ours out of the auth schema. One statement an element, in one transaction or not.
 *
 * The functions that policies call stay, of the same names and results, and read the setting {@link plainSetting}, which
 * anybody who can send SQL can set. Without it they give NULL. Seals, their keys, and what checks them go; policies,
 * grants, roles and the functions behind `memberOf()` stay.
 */
export function ejectStatements(authSchema: string): readonly string[] {
  const claims = `coalesce(nullif(current_setting('${plainSetting}', true), ''), 'null')::jsonb`;
  const reader = (signature: string, result: string, expression: string): string =>
    `CREATE OR REPLACE FUNCTION ${authSchema}.${signature} RETURNS ${result} ${plainReader} AS ${quoteLiteral(`SELECT ${expression}`)}`;
  return [
    reader('session()', 'jsonb', claims),
    reader('jwt()', 'jsonb', claims),
    reader('user_id()', 'text', `${claims} ->> 'sub'`),
    reader('claim(name text)', 'text', `${claims} ->> name`),
    `COMMENT ON FUNCTION ${authSchema}.session() IS ${quoteLiteral(`The claims in the setting ${plainSetting}: whoever can send SQL can set it.`)}`,
    `DROP FUNCTION ${authSchema}.has_identity(text), ${authSchema}.check(text), ${authSchema}.refuse(text)`,
    `DROP TABLE ${authSchema}.seal_keys, ${authSchema}.identity_roles, ${authSchema}.revocations`,
    `DROP FUNCTION ${authSchema}.note_revocation()`,
    `COMMENT ON SCHEMA ${authSchema} IS NULL`,
    nobodyIsIn(authSchema),
  ];
}

// Of a connection that carries no claims, as all of them do until an application sets some.
const nobodyIsIn = (authSchema: string): string =>
  doBlock(`BEGIN
  PERFORM set_config('${plainSetting}', '', true);
  IF ${authSchema}.user_id() IS NOT NULL OR ${authSchema}.claim('sub') IS NOT NULL OR ${authSchema}.session() <> 'null' THEN
    RAISE EXCEPTION 'the auth schema tells of somebody where nobody asks';
  END IF;
END`);
