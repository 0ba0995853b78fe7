import { fingerprintSync } from 'libpg-query';

import { parseStatements, rememberByText } from './statement-policy.ts';

/**
 * Tells statements apart by what they do, and not by their values: PostgreSQL's own parser reads them, and constants, aliases
 * and spacing do not count. The parser must have been loaded.
 *
 * @returns 16 hexadecimal digits; undefined for what is no statement
 * @see https://github.com/pganalyze/libpg_query/wiki/Fingerprinting
 */
export function fingerprintOf(text: string | undefined): string | undefined {
  return text === undefined ? undefined : remembered(text);
}

const remembered = rememberByText((text) => {
  // What is too much for the parser is not given to it here either.
  const parsed = parseStatements(text);
  return 'message' in parsed || parsed.length === 0 ? undefined : fingerprintSync(text);
});
