import type { Config } from 'drizzle-kit';

import { AuthorizeError } from '../errors.ts';
import type { KitInvocation } from './drizzle-kit.ts';
import type { GenerateOptions } from './generate.ts';

/** What of drizzle-kit's config decides what `generate` writes. */
export type GenerateConfig = Pick<Config, 'dialect' | 'schema' | 'out' | 'casing' | 'migrations'>;

/**
 * What `generate` needs to know.
 *
 * @throws AuthorizeError `ERR_KIT_UNSUPPORTED`, `ERR_SCHEMA_UNREADABLE` for what cannot be done safely
 */
export function generateOptions(config: GenerateConfig, kit: KitInvocation): GenerateOptions {
  requirePostgres(config);
  if (!kit.version.startsWith('0.31.')) {
    throw new AuthorizeError(
      'ERR_KIT_UNSUPPORTED',
      `migrations need drizzle-kit 0.31; ${kit.version} is not supported`,
      {
        hint: kit.version.startsWith('1.')
          ? 'Generate them with drizzle-kit 0.31 and drizzle-orm 0.45; $withAuth runs on drizzle-orm 1.0 as well.'
          : 'Install drizzle-kit 0.31.',
      },
    );
  }
  const schema = requireSchema(config);
  if (config.migrations?.prefix === 'none' || kit.options.includes('--prefix=none')) {
    throw new AuthorizeError(
      'ERR_KIT_UNSUPPORTED',
      "migrations.prefix 'none' leaves drizzle-kit without a history",
      {
        hint: "Use another prefix, such as 'index'.",
      },
    );
  }
  return { schema, out: config.out ?? 'drizzle', casing: config.casing, kit };
}

/** @throws AuthorizeError `ERR_KIT_UNSUPPORTED` for a config of another database */
export function requirePostgres(config: Pick<Config, 'dialect'>): void {
  if (config.dialect === 'postgresql') return;
  throw new AuthorizeError(
    'ERR_KIT_UNSUPPORTED',
    `row level security needs PostgreSQL, not ${config.dialect}`,
    {
      hint: "Set `dialect` to 'postgresql'.",
    },
  );
}

/** @throws AuthorizeError `ERR_SCHEMA_UNREADABLE` for a config without a schema */
export function requireSchema({ schema }: Pick<Config, 'schema'>): string | readonly string[] {
  if (schema !== undefined) return schema;
  throw new AuthorizeError('ERR_SCHEMA_UNREADABLE', 'drizzle.config.ts names no schema', {
    hint: 'Set `schema` to the path of the schema file.',
  });
}
