import { createJiti } from 'jiti';

import { AuthorizeError } from '../errors.ts';

/**
 * The default export of a TypeScript or JavaScript file, or the content of a JSON file, evaluated in this process;
 * undefined when it has none.
 *
 * @param name what messages call the file
 * @param options.anew also what it imports, outside of packages: what was evaluated earlier may have changed
 * @throws AuthorizeError `ERR_CONFIG_INVALID` with the reason
 */
export async function evaluateFile(
  path: string,
  name: string,
  { anew = false }: { readonly anew?: boolean } = {},
): Promise<unknown> {
  try {
    // Nothing is left on disk, and imports follow the `paths` of tsconfig.json, as drizzle-kit does.
    const jiti = createJiti(path, { fsCache: false, tsconfigPaths: true });
    if (anew) forgetOwnFiles(jiti.cache);
    const loaded: unknown = await jiti.import(path);
    return typeof loaded === 'object' && loaded !== null && 'default' in loaded ? loaded.default : undefined;
  } catch (cause) {
    throw new AuthorizeError('ERR_CONFIG_INVALID', `${name} could not be loaded: ${reasonOf(cause)}`, {
      cause,
    });
  }
}

/** @param cache by path: that of require(), which jiti uses too */
function forgetOwnFiles(cache: Record<string, unknown>): void {
  for (const path of Object.keys(cache)) {
    if (!/[\\/]node_modules[\\/]/u.test(path)) Reflect.deleteProperty(cache, path);
  }
}

/** Why a file could not be evaluated, in a few words and with the place of a mistake in its text. */
export function reasonOf(cause: unknown): string {
  if (!(cause instanceof Error)) return 'it throws something that is no error';
  // Thrown by JSON.parse, whose message quotes what it was given: a secret, perhaps.
  if (cause.name === 'SyntaxError') return 'it throws a SyntaxError';
  const [first = ''] = cause.message.trim().split('\n');
  const reason = first.trim().replace(/\.$/u, '');
  if (!reason.startsWith(parseError)) return reason;
  // jiti has the place on the last line.
  const place = /:(\d+:\d+)\s*$/u.exec(cause.message)?.[1] ?? '?';
  return `${reason.slice(parseError.length)} (${place})`;
}

const parseError = 'ParseError: ';
