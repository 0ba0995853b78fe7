import { parseAuthSchema } from '../auth-schema.ts';
import { AuthorizeError } from '../errors.ts';

// Reserved by PostgreSQL, which would want them in quotes.
const reserved = new Set(
  (
    'all analyse analyze and any array as asc asymmetric authorization binary both case cast check collate collation column ' +
    'concurrently constraint create cross default deferrable desc distinct do else end except false fetch for foreign freeze from ' +
    'full grant group having ilike in initially inner intersect into is isnull join lateral leading left like limit localtime ' +
    'localtimestamp natural not notnull null offset on only or order outer overlaps placing primary references returning right ' +
    'select similar some symmetric table tablesample then to trailing true union unique user using variadic verbose when where ' +
    'window with'
  ).split(' '),
);

/**
 * The name of an auth schema that migrations are to make: a word that needs no quotes.
 *
 * @returns `auth` when nothing is given
 * @throws AuthorizeError `ERR_AUTH_SCHEMA`
 */
export function newAuthSchema(name: unknown): string {
  const authSchema = parseAuthSchema(name, 'withAuthorize: authSchema');
  if (!reserved.has(authSchema)) return authSchema;
  throw new AuthorizeError(
    'ERR_AUTH_SCHEMA',
    `withAuthorize: authSchema must not be ${authSchema}, which is a reserved word of SQL`,
  );
}
