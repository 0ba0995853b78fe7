import { existsSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { dirname, join, relative, sep } from 'node:path';
import { fileURLToPath } from 'node:url';

import { AuthorizeError } from '../errors.ts';
import type { GenerateOptions } from '../migration/generate.ts';
import { findSchemaFiles } from '../migration/schema-files.ts';
import { unwrapConfig } from './wrap-config.ts';

/** What `eject` will change in the project's files. */
export interface EjectPlan {
  /** New text by path. */
  readonly changes: ReadonlyMap<string, string>;
  /** Files of the package that move into the project, by path. */
  readonly copies: ReadonlyMap<string, string>;
  /** What only people can change, one sentence each. */
  readonly byHand: readonly string[];
}

/** Where the helpers that the schema files go on using are copied to. */
const folder = 'authorize';

const built = fileURLToPath(new URL('..', import.meta.url));
const specifier = /(\bfrom\s*|\bimport\s*\(\s*)(['"])drizzle-authorize\2/g;
const refusals = /\b(AuthorizeError|isAuthorizeError|ErrorCode)\b/;

/**
 * @param config the file that drizzle-kit reads, and whether `withAuthorize()` has made what it exports
 * @throws AuthorizeError `ERR_USAGE` where it would write over a file of the project's
 */
export async function planEject(
  config: { readonly file: string; readonly wrapped: boolean },
  options: GenerateOptions,
): Promise<EjectPlan> {
  const changes = new Map<string, string>();
  const byHand: string[] = [];

  if (config.wrapped) {
    const unwrapped = unwrapConfig(await readFile(config.file, 'utf8'));
    if (unwrapped === undefined)
      byHand.push(`${config.file}: take withAuthorize() away from around the config`);
    else changes.set(config.file, unwrapped);
  }

  for (const file of findSchemaFiles(options.schema, process.cwd())) {
    const text = await readFile(file, 'utf8');
    const path = relative(process.cwd(), file);
    const target = relative(dirname(path), join(folder, 'index.js')).split(sep).join('/');
    const local = target.startsWith('.') ? target : `./${target}`;
    const changed = text.replaceAll(
      specifier,
      (_, before: string, quote: string) => `${before}${quote}${local}${quote}`,
    );
    if (changed === text) continue;
    changes.set(path, changed);
    if (refusals.test(text)) byHand.push(`${path}: AuthorizeError and isAuthorizeError are gone`);
    if (/\bmemberOf\b/.test(text)) {
      byHand.push(
        `${path}: a new or changed memberOf() needs a function in the auth schema, which nobody writes any more`,
      );
    }
  }
  const copies = await helpers();
  for (const [path, text] of copies) await refuseToOverwrite(path, text);
  return { changes, copies, byHand };
}

async function refuseToOverwrite(path: string, text: string): Promise<void> {
  if (!existsSync(path) || (await readFile(path, 'utf8')) === text) return;
  throw new AuthorizeError('ERR_USAGE', `${path} is there already, and is not what eject would write`, {
    hint: `Give the folder ${folder} another name first.`,
  });
}

/** The schema entry of this package, which needs drizzle-orm alone, without what it exports of errors. */
async function helpers(): Promise<ReadonlyMap<string, string>> {
  const files = [
    'index.js',
    'index.d.ts',
    ...['auth-schema', 'errors'].flatMap((name) => [`${name}.js`, `${name}.d.ts`]),
    ...(await readdir(join(built, 'policy'))).map((name) => join('policy', name)),
  ];
  const copies = new Map<string, string>();
  for (const file of files) {
    const text = await readFile(join(built, file), 'utf8');
    const kept = text.split('\n').filter((line) => !/^export .* from '\.\/errors\.(js|ts)';$/.test(line));
    copies.set(join(folder, file), [licence, ...kept].join('\n'));
  }
  return copies;
}

const licence = '// From drizzle-authorize, by `drizzle-authorize eject`. Apache-2.0.';
