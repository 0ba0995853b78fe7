import { spawnSync } from 'node:child_process';
import { createRequire } from 'node:module';

import { AuthorizeError } from '../errors.ts';

const require = createRequire(import.meta.url);

// PostgreSQL's parser loads asynchronously, and drizzle-kit waits for nothing in its config file.
const program = `
const { loadModule, parseSync } = require(process.argv[1]);
const texts = JSON.parse(require('node:fs').readFileSync(0, 'utf8'));
const parse = (text) => { try { return parseSync(text); } catch { return null; } };
loadModule().then(() => process.stdout.write(JSON.stringify(texts.map(parse))));
`;

/**
 * The trees of PostgreSQL's own parser, in order; null for what is not SQL, of which Postgres will complain itself.
 *
 * @throws AuthorizeError `ERR_SCHEMA_UNREADABLE` when the parser cannot be started
 */
export function parseSql(texts: readonly string[]): readonly unknown[] {
  if (texts.length === 0) return [];
  const parser = require.resolve('libpg-query');
  const loaded = alreadyLoaded(parser);
  if (loaded) return texts.map((text) => parseOrNull(loaded, text));
  const { status, stdout, stderr, error } = spawnSync(process.execPath, ['--eval', program, parser], {
    input: JSON.stringify(texts),
    encoding: 'utf8',
    maxBuffer: 1024 ** 3,
  });
  if (status === 0) return JSON.parse(stdout) as readonly unknown[];
  throw new AuthorizeError(
    'ERR_SCHEMA_UNREADABLE',
    'the parser for the expressions of policies could not be started',
    {
      hint: `It said: ${error?.message ?? stderr.trim().split('\n').at(-1) ?? ''}`,
    },
  );
}

type Parse = (text: string) => unknown;

// Somebody who could wait has loaded it into this process.
function alreadyLoaded(parser: string): Parse | undefined {
  const exported: unknown = require.cache[parser]?.exports;
  if (typeof exported !== 'object' || exported === null || !('parseSync' in exported)) return undefined;
  const parse = exported.parseSync as Parse;
  return parseOrNull(parse, 'SELECT 1') === null ? undefined : parse;
}

function parseOrNull(parse: Parse, text: string): unknown {
  try {
    return parse(text);
  } catch {
    return null;
  }
}
