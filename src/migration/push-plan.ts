import { createRequire } from 'node:module';
import { join } from 'node:path';

import type { Config } from 'drizzle-kit';
import type { NodePgDatabase } from 'drizzle-orm/node-postgres';

import { AuthorizeError } from '../errors.ts';

/** What of drizzle-kit's config says what is pushed. */
export type PushConfig = Pick<
  Config,
  'casing' | 'entities' | 'extensionsFilters' | 'schemaFilter' | 'tablesFilter'
>;

/** What one line of drizzle-kit is asked. */
export interface PushQuestion {
  /** What the schema files export. */
  readonly imports: Readonly<Record<string, unknown>>;
  readonly database: NodePgDatabase;
  readonly config: PushConfig;
  /** The schemas that the schema files have, `public` among them. */
  readonly schemas: readonly string[];
}

/** What drizzle-kit would do to a database so that it has what the schema files have. */
export interface StructurePlan {
  /** Without their semicolons; what it says about policies and roles is in it, too. */
  readonly statements: readonly string[];
  /** What would be lost, or taken for new, one sentence each. */
  readonly warnings: readonly string[];
}

/**
 * Loads the programming interface of the project's drizzle-kit.
 *
 * @throws AuthorizeError `ERR_KIT_UNSUPPORTED` when it has none
 */
export function loadKitApi(name: string): unknown {
  try {
    return createRequire(join(process.cwd(), 'package.json'))(name);
  } catch (cause) {
    throw new AuthorizeError('ERR_KIT_UNSUPPORTED', `${name} could not be loaded`, {
      cause,
      hint: 'Install drizzle-kit in this project.',
    });
  }
}

/** The filters of a config as lists; `undefined` where there is none. */
export function filterOf(filter: string | readonly string[] | undefined): string[] | undefined {
  return filter === undefined ? undefined : [filter].flat();
}
