import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';

import { AuthorizeError, ConfigError } from '../errors.ts';
import { checkConfig, type CheckedConfig } from './check-config.ts';
import type { Environment } from './check-connections.ts';
import { evaluateFile } from './evaluate-file.ts';
import { Problems, readSection } from './fields.ts';
import { checkPersonas, type Persona } from './personas.ts';

const fileNames = ['ts', 'mts', 'js', 'mjs'].map((extension) => `authorize.config.${extension}`);

/** The config file of a folder; undefined when it has none. */
export function findConfigFile(directory: string): string | undefined {
  return fileNames.find((name) => existsSync(join(directory, name)));
}

export interface LoadConfigOptions {
  /** The file; default: `authorize.config.ts`, `.mts`, `.js` or `.mjs` in the working directory. */
  readonly file?: string | undefined;
  readonly environment: Environment;
  /** It was loaded before, and may have changed. Default: false. */
  readonly anew?: boolean;
}

export interface LoadedConfig {
  readonly file: string;
  readonly config: CheckedConfig;
}

/**
 * Evaluates authorize.config.ts, and judges all of it.
 *
 * @throws AuthorizeError `ERR_CONFIG_MISSING`, `ERR_CONFIG_INVALID`
 */
export async function loadConfig(options: LoadConfigOptions): Promise<LoadedConfig> {
  const { file, value } = await evaluateConfig(options);
  return { file, config: checkConfig(value, file, options.environment) };
}

/**
 * The personas of authorize.config.ts, or the default ones without such a file. The rest of the config is not judged: it may
 * need an environment that only the gateway has.
 *
 * @throws AuthorizeError `ERR_CONFIG_MISSING` for a file that was named, `ERR_CONFIG_INVALID`
 */
export async function loadPersonas(named: string | undefined): Promise<readonly Persona[]> {
  const problems = new Problems();
  if (named === undefined && findConfigFile(process.cwd()) === undefined) {
    return checkPersonas(undefined, problems);
  }
  const { file, value } = await evaluateConfig({ file: named });
  const personas = checkPersonas(readSection('', value, problems)?.['dev'], problems);
  const wrong = problems.list.filter(({ path }) => path.startsWith('dev'));
  if (wrong.length > 0) throw new ConfigError(`${file} has problems in dev`, wrong);
  return personas;
}

async function evaluateConfig(
  options: Pick<LoadConfigOptions, 'file' | 'anew'>,
): Promise<{ readonly file: string; readonly value: unknown }> {
  const file = options.file ?? findConfigFile(process.cwd());
  if (file === undefined || !existsSync(file)) {
    throw new AuthorizeError(
      'ERR_CONFIG_MISSING',
      file === undefined
        ? `there is no ${fileNames[0]} in ${process.cwd()}`
        : `there is no config file ${file}`,
      { hint: 'npx drizzle-authorize init writes one to start from' },
    );
  }
  return { file, value: await evaluateFile(resolve(file), file, { anew: options.anew === true }) };
}
