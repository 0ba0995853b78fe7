import type { Config } from 'drizzle-kit';

import { AuthorizeError } from '../errors.ts';
import { optionsOf } from './authorize-options.ts';
import type { KitInvocation } from './drizzle-kit.ts';
import type { GenerateOptions } from './generate.ts';
import { kitLine } from './kit-line.ts';

/** What of drizzle-kit's config decides what `generate` writes. */
export type GenerateConfig = Pick<Config, 'dialect' | 'schema' | 'out' | 'casing' | 'migrations'>;

/**
 * What `generate` needs to know.
 *
 * @throws AuthorizeError `ERR_KIT_UNSUPPORTED`, `ERR_SCHEMA_UNREADABLE` for what cannot be done safely
 */
export function generateOptions(config: GenerateConfig, kit: KitInvocation): GenerateOptions {
  const schema = schemaOptions(config);
  const line = kitLine(kit.version);
  line.assertUsable(config, kit.options);
  return { ...schema, out: config.out ?? 'drizzle', kit, line };
}

/**
 * What is needed to read the schema files alone.
 *
 * @throws AuthorizeError `ERR_KIT_UNSUPPORTED`, `ERR_SCHEMA_UNREADABLE`
 */
export function schemaOptions(config: GenerateConfig): Omit<GenerateOptions, 'out' | 'kit' | 'line'> {
  requirePostgres(config);
  return { ...optionsOf(config), schema: requireSchema(config), casing: config.casing };
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
