import { readFileSync } from 'node:fs';

import { AuthorizeError, isAuthorizeError } from '../errors.ts';

/**
 * A file that belongs to a migration.
 *
 * @param hint what to do when it is not there
 * @throws AuthorizeError `ERR_MIGRATION_INCOMPLETE`
 */
export function readText(file: string, hint: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (cause) {
    throw new AuthorizeError('ERR_MIGRATION_INCOMPLETE', `${file} is missing or cannot be read`, {
      cause,
      hint,
    });
  }
}

/**
 * What a parser makes of a file.
 *
 * @throws AuthorizeError `ERR_MIGRATION_INCOMPLETE` also when the parser throws, unless that is an AuthorizeError
 */
export function parseFile<T>(file: string, parser: (text: string) => T, hint: string): T {
  const text = readText(file, hint);
  try {
    return parser(text);
  } catch (cause) {
    if (isAuthorizeError(cause)) throw cause;
    throw new AuthorizeError('ERR_MIGRATION_INCOMPLETE', `${file} is damaged`, {
      cause,
      hint: 'Restore it from version control.',
    });
  }
}
