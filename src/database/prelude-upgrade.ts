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
  2: 'seals of people, sessions and tokens in auth.revocations are refused',
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
export function upgradeStatements(from: number, identityRoles: readonly string[]): readonly string[] {
  return [
    isOurs,
    ...preludeTables
      .filter(({ since }) => since > from)
      .flatMap(({ name, columns, comment }) => [
        `CREATE TABLE IF NOT EXISTS auth.${name} (${columns})`,
        `COMMENT ON TABLE auth.${name} IS ${quoteLiteral(comment)}`,
      ]),
    ...preludeTables.flatMap(({ name, added = {} }) =>
      Object.entries(added)
        .filter(([version]) => Number(version) > from)
        .flatMap(([, columns]) => columns)
        .map((column) => `ALTER TABLE auth.${name} ADD COLUMN IF NOT EXISTS ${column}`),
    ),
    closePreludeTables(identityRoles),
    ...preludeFunctions().map((statement) =>
      statement.replace(/^CREATE FUNCTION /, 'CREATE OR REPLACE FUNCTION '),
    ),
    revocationTrigger,
    noteWhetherRevoking,
    `COMMENT ON SCHEMA auth IS ${quoteLiteral(preludeComment)}`,
    isClosed,
  ];
}

const isOurs = doBlock(`BEGIN
  IF coalesce(obj_description(to_regnamespace('auth'), 'pg_namespace'), '') !~ '^drizzle-authorize prelude [0-9]+$' THEN
    RAISE EXCEPTION 'the schema auth does not say that drizzle-authorize made it'
      USING HINT = 'Apply the migrations in their order, or restore the comment on the schema.';
  END IF;
END`);

// Behind a lock, for the reason that is given beside the trigger.
const noteWhetherRevoking = doBlock(`BEGIN
  LOCK TABLE auth.revocations IN SHARE ROW EXCLUSIVE MODE;
  UPDATE auth.seal_keys SET revoking = NOT revoking WHERE revoking <> EXISTS (SELECT FROM auth.revocations);
END`);

const isClosed = doBlock(`DECLARE opened text; BEGIN
  SELECT string_agg(format('%s to %s', class.oid::regclass, role.rolname), ', ') INTO opened
  FROM pg_catalog.pg_class AS class, pg_catalog.pg_roles AS role JOIN auth.identity_roles ON name = role.rolname
  WHERE class.relnamespace = 'auth'::regnamespace AND class.relkind IN ('r', 'p', 'v', 'm')
    AND (has_table_privilege(role.oid, class.oid, 'SELECT, INSERT, UPDATE, DELETE, TRUNCATE')
      OR has_any_column_privilege(role.oid, class.oid, 'SELECT, INSERT, UPDATE'));
  IF opened IS NOT NULL THEN
    RAISE EXCEPTION 'the auth schema is open: %', opened USING HINT = 'Revoke what was granted by hand.';
  END IF;
END`);
