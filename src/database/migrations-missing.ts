import { defaultAuthSchema } from '../auth-schema.ts';
import { AuthorizeError } from '../errors.ts';

/** The database has not had the first migration, which makes the auth schema. */
export function migrationsMissing(database: string, authSchema: string): AuthorizeError {
  return new AuthorizeError(
    'ERR_MIGRATIONS_MISSING',
    `the database '${database}' has no auth schema${authSchema === defaultAuthSchema ? '' : ` named ${authSchema}`}`,
    {
      hint: 'run npx drizzle-kit generate and npx drizzle-kit migrate with the config wrapped in withAuthorize()',
    },
  );
}
