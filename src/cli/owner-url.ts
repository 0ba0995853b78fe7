import { AuthorizeError } from '../errors.ts';

/**
 * The owner's connection: what `--url` says, else DATABASE_URL.
 *
 * @throws AuthorizeError `ERR_USAGE` when neither is given
 */
export function ownerUrlOf(
  option: string | undefined,
  environment: Readonly<Record<string, string | undefined>>,
): string {
  const url = option ?? environment['DATABASE_URL'];
  if (url !== undefined && url !== '') return url;
  throw new AuthorizeError(
    'ERR_USAGE',
    'DATABASE_URL is not set; it is the connection of the role that migrates',
    { hint: 'set it, or pass --url' },
  );
}
