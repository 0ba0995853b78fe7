import { createHash } from 'node:crypto';

import { is, SQL, sql, type SQLChunk } from 'drizzle-orm';
import { getTableConfig, PgTable, type AnyPgColumn, type PgDialect } from 'drizzle-orm/pg-core';

import { doBlock } from '../database/do-block.ts';
import { quoteIdentifier } from '../database/quote-identifier.ts';
import { quoteLiteral } from '../database/quote-literal.ts';
import { withLiterals } from '../policy/literals.ts';
import { membershipOf, type Membership } from '../policy/metadata.ts';
import { quoteRole } from './quote-role.ts';
import { qualifiedName, type TableName } from './table-name.ts';

/** Who writes it, and for which auth schema. */
export interface MemberFunctionOptions {
  readonly dialect: PgDialect;
  readonly authSchema: string;
}

/** A function of the auth schema that says what the caller belongs to. Its name stands for all that it does. */
export interface MemberFunction {
  /** Without the schema; a name that needs no quotes. */
  readonly name: string;
  readonly create: string;
  /** Tables that it reads with the owner's rights. */
  readonly reads: readonly TableName[];
}

/** The expression with the functions that `memberOf()` in it stands for. Its values are literals already. */
export function resolveMemberships(
  expression: SQL,
  { dialect, authSchema }: MemberFunctionOptions,
): { readonly expression: SQL; readonly functions: readonly MemberFunction[] } {
  const functions = new Map<string, MemberFunction>();
  const resolve = (chunk: SQLChunk): SQLChunk => {
    if (Array.isArray(chunk)) return chunk.map(resolve);
    if (is(chunk, SQL)) return new SQL(chunk.queryChunks.map(resolve));
    const membership = membershipOf(chunk);
    if (!membership) return chunk;
    const made = memberFunction(membership, { dialect, authSchema });
    functions.set(made.name, made);
    return sql.raw(`${authSchema}.${made.name}()`);
  };
  return { expression: new SQL(expression.queryChunks.map(resolve)), functions: [...functions.values()] };
}

/**
 * How the function is written, and why:
 * - With the rights of its owner, it reads past the policies of the membership table, which may call it themselves.
 * - Nobody is its argument: it tells of the caller alone.
 * - A body that is parsed when it is made keeps no name to look up later, in whatever search path.
 * - It is STABLE and has no argument, so that `array(select …)` around it is evaluated once a query.
 *
 * @throws TypeError for a column that cannot hold a `sub`; the message continues "the policy …"
 */
function memberFunction(
  { user, group, on, where }: Membership,
  { dialect, authSchema }: MemberFunctionOptions,
): MemberFunction {
  const write = (chunk: SQL): string => {
    const query = dialect.sqlToQuery(sql`${withLiterals(chunk)}`.inlineParams());
    if (query.params.length > 0)
      throw new TypeError('asks memberOf() with a placeholder, for which nobody can give a value');
    return query.sql;
  };
  const [from, joined] = [tableOf(user), tableOf(group)];
  const joins = qualifiedName(from) === qualifiedName(joined) ? [] : [joined];
  const conditions = [
    `${write(sql`${user}`)} = ${callerAs(user, authSchema)}`,
    ...(joins.length === 0 && on ? [`(${write(on)}\n)`] : []),
    ...(where ? [`(${write(where)}\n)`] : []),
  ];
  const type = `${qualifiedName(joined)}.${quoteIdentifier(nameOfColumn(group, write))}%TYPE`;
  const definition = [
    `RETURNS SETOF ${type} LANGUAGE sql STABLE PARALLEL RESTRICTED SECURITY DEFINER SET search_path = pg_catalog, pg_temp`,
    'BEGIN ATOMIC',
    `  SELECT ${write(sql`${group}`)} FROM ${qualifiedName(from)}${
      joins.length > 0 ? ` JOIN ${qualifiedName(joined)} ON (${write(on ?? sql`true`)}\n)` : ''
    } WHERE ${conditions.join(' AND ')};`,
    'END',
  ].join('\n');
  const digest = createHash('sha256').update(definition).digest('hex').slice(0, 12);
  const readable = from.name
    .toLowerCase()
    .replaceAll(/[^a-z0-9_]/g, '')
    .slice(0, 40);
  const name = `member_of_${readable}_${digest}`;
  return {
    name,
    create: `CREATE OR REPLACE FUNCTION ${authSchema}.${name}() ${definition}`,
    reads: [from, ...joins],
  };
}

function tableOf(column: AnyPgColumn): TableName {
  if (!is(column.table, PgTable))
    throw new TypeError('asks memberOf() about a column that is none of a table');
  const { schema, name } = getTableConfig(column.table);
  return { schema: schema ?? 'public', name };
}

// As `casing` has it.
function nameOfColumn(column: AnyPgColumn, write: (chunk: SQL) => string): string {
  const quoted = /"((?:[^"]|"")*)"$/.exec(write(sql`${column}`))?.[1];
  return quoted === undefined ? column.name : quoted.replaceAll('""', '"');
}

// In the type of the column, so that its index serves: a `sub` of another form is nobody's.
function callerAs(user: AnyPgColumn, authSchema: string): string {
  const { columns } = getTableConfig(user.table);
  // The columns that the third argument of pgTable is called with have no type of their own.
  const type = columns.find((column) => column.name === user.name)?.getSQLType() ?? '';
  if (/^(text|varchar|char|citext)\b/.test(type)) return `(SELECT ${authSchema}.user_id())`;
  if (type === 'uuid') return `(SELECT ${authSchema}.uid())`;
  if (/^(smallint|integer|bigint|(small|big)?serial)$/.test(type)) {
    return `(SELECT CASE WHEN sub ~ '^[0-9]{1,18}$' THEN sub::bigint END FROM ${authSchema}.user_id() AS sub)`;
  }
  throw new TypeError(`asks memberOf() for the column "${user.name}", which is no text, uuid or integer`);
}

/** Takes the function from everybody, whoever may have given it. It may be gone. */
export function revokeFunction(name: string, authSchema: string): string {
  return doBlock(`DECLARE grantee text; BEGIN
  FOR grantee IN
    SELECT coalesce(quote_ident(role.rolname), 'PUBLIC') FROM pg_catalog.pg_proc AS function
    CROSS JOIN LATERAL aclexplode(function.proacl) AS acl LEFT JOIN pg_catalog.pg_roles AS role ON role.oid = acl.grantee
    WHERE function.oid = to_regprocedure(${quoteLiteral(`${authSchema}.${name}()`)}) AND acl.grantee <> function.proowner
  LOOP
    EXECUTE format('REVOKE ALL ON FUNCTION %s FROM %s CASCADE', ${quoteLiteral(`${authSchema}.${name}()`)}, grantee);
  END LOOP;
END`);
}

export function dropFunction(name: string, authSchema: string): string {
  return `DROP FUNCTION IF EXISTS ${authSchema}.${name}()`;
}

/** Makes the function, which everybody may call until the second statement. It tells nobody of anybody else. */
export function createFunction(
  { name, create }: Pick<MemberFunction, 'name' | 'create'>,
  authSchema: string,
): readonly string[] {
  return [create, `REVOKE ALL ON FUNCTION ${authSchema}.${name}() FROM PUBLIC`];
}

export function grantFunction(
  { name, grantees: roles }: { readonly name: string; readonly grantees: readonly string[] },
  authSchema: string,
): readonly string[] {
  if (roles.length === 0) return [];
  return [`GRANT EXECUTE ON FUNCTION ${authSchema}.${name}() TO ${roles.map(quoteRole).join(', ')}`];
}
