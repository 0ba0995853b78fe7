import { defaultAuthSchema } from '../auth-schema.ts';
import { doBlock } from './do-block.ts';
import { closePreludeTables, preludeFunctions, preludeTables, revocationTrigger } from './prelude.ts';
import { preludeComment } from './prelude-version.ts';
import { quoteLiteral } from './quote-literal.ts';

/**
 * What each version of the prelude has brought, as half a sentence.
 *
 * To change the prelude: change what `prelude.ts` writes, count `preludeVersion` up, say here what is new, and freeze
 * what the version before has written beside the other fixtures of the tests. A database of the version before, and one of
 * the version after, go on working with a release. So a version keeps what the one before has: the signature and the
 * result of each function, the columns of each table, and which seals are genuine.
 */
const brought: Readonly<Record<number, string>> = {
  2: 'the tokens of people and sessions that are revoked are refused',
  3: 'gateways are told when somebody is revoked, and end open sessions',
};

/** What an upgrade from a version means, one line a version. */
export function upgradeWords(from: number): readonly string[] {
  return Object.entries(brought)
    .filter(([version]) => Number(version) > from)
    .map(([version, what]) => `the auth schema becomes version ${version}: ${what}`);
}

/**
 * Takes an auth schema of an older version to this one, in place: keys, roles and whatever else is in its tables stay, and
 * policies go on calling the functions that they call. One statement an element. Each can be run again, so that a
 * migration that is not one transaction can be taken up where it stopped.
 *
 * Emits `CREATE TABLE IF NOT EXISTS`, `ALTER TABLE … ADD COLUMN IF NOT EXISTS`, `CREATE OR REPLACE FUNCTION`, `REVOKE`, `COMMENT ON SCHEMA`.
 */
export function upgradeStatements(
  from: number,
  identityRoles: readonly string[],
  authSchema: string = defaultAuthSchema,
): readonly string[] {
  return [
    isOurs(authSchema),
    ...preludeTables
      .filter(({ since }) => since > from)
      .flatMap(({ name, columns, comment }) => [
        `CREATE TABLE IF NOT EXISTS ${authSchema}.${name} (${columns})`,
        `COMMENT ON TABLE ${authSchema}.${name} IS ${quoteLiteral(comment)}`,
      ]),
    ...preludeTables.flatMap(({ name, added = {} }) =>
      Object.entries(added)
        .filter(([version]) => Number(version) > from)
        .flatMap(([, columns]) => columns)
        .map((column) => `ALTER TABLE ${authSchema}.${name} ADD COLUMN IF NOT EXISTS ${column}`),
    ),
    closePreludeTables(identityRoles, authSchema),
    ...preludeFunctions(authSchema).map((statement) =>
      statement.replace(/^CREATE FUNCTION /, 'CREATE OR REPLACE FUNCTION '),
    ),
    revocationTrigger(authSchema),
    noteWhetherRevoking(authSchema),
    `COMMENT ON SCHEMA ${authSchema} IS ${quoteLiteral(preludeComment)}`,
    isClosed(authSchema),
  ];
}

const isOurs = (authSchema: string): string =>
  doBlock(`BEGIN
  IF coalesce(obj_description(to_regnamespace('${authSchema}'), 'pg_namespace'), '') !~ '^drizzle-authorize prelude [0-9]+$' THEN
    RAISE EXCEPTION 'the schema ${authSchema} does not say that drizzle-authorize made it'
      USING HINT = 'Apply the migrations in their order, or restore the comment on the schema.';
  END IF;
END`);

// Behind a lock, for the reason that is given beside the trigger.
const noteWhetherRevoking = (authSchema: string): string =>
  doBlock(`BEGIN
  LOCK TABLE ${authSchema}.revocations IN SHARE ROW EXCLUSIVE MODE;
  UPDATE ${authSchema}.seal_keys SET revoking = NOT revoking WHERE revoking <> EXISTS (SELECT FROM ${authSchema}.revocations);
END`);

const isClosed = (authSchema: string): string =>
  doBlock(`DECLARE opened text; BEGIN
  SELECT string_agg(format('%s to %s', class.oid::regclass, role.rolname), ', ') INTO opened
  FROM pg_catalog.pg_class AS class, pg_catalog.pg_roles AS role JOIN ${authSchema}.identity_roles ON name = role.rolname
  WHERE class.relnamespace = '${authSchema}'::regnamespace AND class.relkind IN ('r', 'p', 'v', 'm')
    AND (has_table_privilege(role.oid, class.oid, 'SELECT, INSERT, UPDATE, DELETE, TRUNCATE')
      OR has_any_column_privilege(role.oid, class.oid, 'SELECT, INSERT, UPDATE'));
  IF opened IS NOT NULL THEN
    RAISE EXCEPTION 'the auth schema is open: %', opened USING HINT = 'Revoke what was granted by hand.';
  END IF;
END`);
