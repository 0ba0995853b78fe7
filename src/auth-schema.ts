import { AuthorizeError } from './errors.ts';

/** The schema that holds what turns a seal into an identity, unless another is named. */
export const defaultAuthSchema = 'auth';

const form = /^[a-z_][a-z0-9_]{0,31}$/;
const theirs = /^(pg_.*|public|information_schema|drizzle)$/;

/**
 * The name of the auth schema, as it may stand in SQL without quotes: this is the one place through which it gets there.
 *
 * @param source what messages call it, such as `withAuthorize: authSchema`
 * @returns `auth` when nothing is given
 * @throws AuthorizeError `ERR_AUTH_SCHEMA`
 */
export function parseAuthSchema(name: unknown, source: string): string {
  if (name === undefined) return defaultAuthSchema;
  if (isAuthSchema(name)) return name;
  throw new AuthorizeError('ERR_AUTH_SCHEMA', `${source} ${authSchemaRule}`);
}

/** What is asked of the name, as the end of a sentence. */
export const authSchemaRule =
  'must be 1 to 32 of a-z, 0-9 and _, not begin with a digit or pg_, and be neither public nor drizzle';

export function isAuthSchema(name: unknown): name is string {
  return typeof name === 'string' && form.test(name) && !theirs.test(name);
}
