import { defaultAuthSchema, isAuthSchema, parseAuthSchema } from '../auth-schema.ts';
import { withConnection } from '../database/connect.ts';
import { AuthorizeError } from '../errors.ts';

// Of the role that migrates alone: whoever else may make schemas could have keys put into one of theirs.
const ownPreludes = `SELECT nspname::text AS name FROM pg_catalog.pg_namespace
  WHERE nspowner = (SELECT oid FROM pg_catalog.pg_roles WHERE rolname = current_user)
    AND obj_description(oid, 'pg_namespace') ~ '^drizzle-authorize prelude [0-9]+$' ORDER BY 1`;

/**
 * The name of a database's auth schema: what `--auth-schema` says, else AUTHORIZE_SCHEMA, else the one that the migrations of
 * the role have made there.
 *
 * @throws AuthorizeError `ERR_AUTH_SCHEMA`, `ERR_DATABASE_UNREACHABLE`
 */
export async function authSchemaOf(
  ownerUrl: string,
  option: string | undefined,
  environment: Readonly<Record<string, string | undefined>>,
): Promise<string> {
  if (option !== undefined) return parseAuthSchema(option, '--auth-schema');
  const variable = environment['AUTHORIZE_SCHEMA'];
  if (variable !== undefined && variable !== '') return parseAuthSchema(variable, 'AUTHORIZE_SCHEMA');
  return withConnection(ownerUrl, 'DATABASE_URL', async (client) => {
    const { rows } = await client.query<{ name: string }>(ownPreludes);
    const [first = defaultAuthSchema, ...others] = rows.map(({ name }) => name).filter(isAuthSchema);
    if (others.length === 0) return first;
    throw new AuthorizeError(
      'ERR_AUTH_SCHEMA',
      `the database has several auth schemas: ${[first, ...others].join(', ')}`,
      { hint: 'say which with --auth-schema or AUTHORIZE_SCHEMA' },
    );
  });
}

/** The line of an env file that says it, where it has to be said. */
export function authSchemaVariable(authSchema: string): Readonly<Record<string, string>> {
  return authSchema === defaultAuthSchema ? {} : { AUTHORIZE_SCHEMA: authSchema };
}
