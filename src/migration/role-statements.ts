import { doBlock } from '../database/do-block.ts';
import { quoteIdentifier } from '../database/quote-identifier.ts';
import { quoteLiteral } from '../database/quote-literal.ts';

/** What drizzle-kit does with a role. */
export type RoleStatement =
  | { readonly kind: 'create role'; readonly role: string }
  | { readonly kind: 'alter role'; readonly role: string; readonly attributes: readonly RoleAttribute[] }
  | { readonly kind: 'rename role'; readonly role: string; readonly to: string }
  | { readonly kind: 'drop role'; readonly role: string };

type RoleAttribute = keyof typeof attributeTests;

// True of a role that does not have the attribute.
const attributeTests = {
  CREATEDB: 'NOT rolcreatedb',
  NOCREATEDB: 'rolcreatedb',
  CREATEROLE: 'NOT rolcreaterole',
  NOCREATEROLE: 'rolcreaterole',
  INHERIT: 'NOT rolinherit',
  NOINHERIT: 'rolinherit',
} as const;

export function classifyRoleStatement(statement: string): RoleStatement | undefined {
  const [, verb, quoted, rest = ''] =
    /^(CREATE|ALTER|DROP) ROLE "((?:[^"]|"")*)"([^]*)$/.exec(statement) ?? [];
  if (quoted === undefined) return undefined;
  const role = unquote(quoted);
  if (verb === 'CREATE') return { kind: 'create role', role };
  if (verb === 'DROP') return { kind: 'drop role', role };
  const to = /^ RENAME TO "((?:[^"]|"")*)"$/.exec(rest)?.[1];
  if (to !== undefined) return { kind: 'rename role', role, to: unquote(to) };
  const attributes = rest.split(' ').filter(isRoleAttribute);
  return attributes.length > 0 ? { kind: 'alter role', role, attributes } : undefined;
}

function unquote(name: string): string {
  return name.replaceAll('""', '"');
}

function isRoleAttribute(word: string): word is RoleAttribute {
  return word in attributeTests;
}

/**
 * The same for a cluster in which the migrations of another database may have done it: roles belong to the whole
 * cluster, and to whoever has made them.
 *
 * @param statement drizzle-kit's own
 */
export function guardRoleStatement(
  role: Exclude<RoleStatement, { kind: 'drop role' }>,
  statement: string,
): string {
  switch (role.kind) {
    case 'create role':
      return createRoleUnlessExists(role.role, statement);
    case 'alter role':
      return alterRoleWhereDifferent(role.role, role.attributes);
    default:
      return renameRoleUnlessRenamed(role.role, role.to);
  }
}

function createRoleUnlessExists(role: string, statement: string): string {
  return doBlock(`BEGIN
  IF to_regrole(${quoteLiteral(quoteIdentifier(role))}) IS NULL THEN
    ${statement};
  END IF;
EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;
END`);
}

// drizzle-kit names every attribute, and who may not create databases may not even say that a role may not, either.
function alterRoleWhereDifferent(role: string, attributes: readonly RoleAttribute[]): string {
  const missing = attributes.map(
    (attribute) => `CASE WHEN ${attributeTests[attribute]} THEN '${attribute}' END`,
  );
  return doBlock(`DECLARE missing text; BEGIN
  SELECT concat_ws(' ', ${missing.join(', ')}) INTO missing
  FROM pg_catalog.pg_roles WHERE rolname = ${quoteLiteral(role)};
  IF missing <> '' THEN EXECUTE format('ALTER ROLE %I WITH %s', ${quoteLiteral(role)}, missing); END IF;
END`);
}

// Where both names exist, another database has renamed the role, and this one has made the old one anew before.
function renameRoleUnlessRenamed(role: string, to: string): string {
  return doBlock(`BEGIN
  IF to_regrole(${quoteLiteral(quoteIdentifier(to))}) IS NULL THEN
    ALTER ROLE ${quoteIdentifier(role)} RENAME TO ${quoteIdentifier(to)};
  END IF;
END`);
}

/** Drops the role unless another database of the cluster still needs it, or somebody else has made it. */
export function dropRoleUnlessNeeded(role: string): string {
  return doBlock(`BEGIN
  DROP ROLE IF EXISTS ${quoteIdentifier(role)};
EXCEPTION WHEN dependent_objects_still_exist OR insufficient_privilege THEN
  RAISE NOTICE 'the role % stays: other objects depend on it, or it belongs to somebody else', ${quoteLiteral(role)};
END`);
}
