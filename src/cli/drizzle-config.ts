import { existsSync } from 'node:fs';
import { resolve } from 'node:path';

import { evaluateFile } from '../config/evaluate-file.ts';
import { AuthorizeError, ConfigError, type ConfigProblem } from '../errors.ts';
import { isWrapped } from '../migration/authorize-options.ts';
import type { GenerateConfig } from '../migration/generate-options.ts';
import type { PushConfig } from '../migration/push-plan.ts';
import { readEnvFile, withEnvironment } from './env-file.ts';

export interface DrizzleConfig extends GenerateConfig, PushConfig {
  readonly breakpoints?: boolean;
  readonly dbCredentials?: unknown;
}

export interface DrizzleConfigFile {
  readonly file: string;
  readonly config: DrizzleConfig;
  /** `withAuthorize()` has made it. */
  readonly wrapped: boolean;
}

const fileNames = ['drizzle.config.ts', 'drizzle.config.js', 'drizzle.config.json'];

/** The config that drizzle-kit would read in the working directory; undefined when there is none. */
export function findDrizzleConfig(): string | undefined {
  return fileNames.find((name) => existsSync(name));
}

/**
 * Evaluates drizzle-kit's config as drizzle-kit does, with what `.env` adds to the environment.
 *
 * @throws AuthorizeError `ERR_CONFIG_MISSING`, `ERR_CONFIG_INVALID`
 */
export async function readDrizzleConfig(file = findDrizzleConfig()): Promise<DrizzleConfigFile> {
  if (file === undefined || !existsSync(file)) {
    throw new AuthorizeError(
      'ERR_CONFIG_MISSING',
      `there is no ${file ?? 'drizzle.config.ts'} in this folder`,
      {
        hint: 'npx drizzle-authorize init writes one',
      },
    );
  }
  Object.assign(process.env, withEnvironment(await readEnvFile('.env')));
  const config = await evaluateFile(resolve(file), file);
  assertConfig(config, file);
  return { file, config, wrapped: isWrapped(config) };
}

// drizzle-kit judges all of it; here is what we read before it does.
function assertConfig(config: unknown, file: string): asserts config is DrizzleConfig & object {
  const problems: ConfigProblem[] = [];
  const given = typeof config === 'object' && config !== null ? { ...config } : undefined;
  const { schema, out, casing }: Readonly<Record<string, unknown>> = given ?? {};
  const schemas: readonly unknown[] = Array.isArray(schema) ? schema : [schema ?? ''];
  if (given === undefined) problems.push({ path: 'default export', message: 'must be an object' });
  if (!schemas.every((path) => typeof path === 'string')) {
    problems.push({ path: 'schema', message: 'must be a path or a list of paths' });
  }
  if (out !== undefined && typeof out !== 'string') problems.push({ path: 'out', message: 'must be a path' });
  if (casing !== undefined && casing !== 'snake_case' && casing !== 'camelCase') {
    problems.push({ path: 'casing', message: "must be 'snake_case' or 'camelCase'" });
  }
  if (problems.length > 0) throw new ConfigError(`${file} cannot be used`, problems);
}
