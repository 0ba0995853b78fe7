import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { join } from 'node:path';

import { defaultAuthSchema } from '../auth-schema.ts';
import { findConfigFile } from '../config/load-config.ts';
import { AuthorizeError } from '../errors.ts';
import { optionsOf, withOptions, type AuthorizeOptions } from '../migration/authorize-options.ts';
import { findKit, parseArguments } from '../migration/drizzle-kit.ts';
import { generateOptions, requirePostgres, requireSchema } from '../migration/generate-options.ts';
import { readSchema, type GenerateOptions } from '../migration/generate.ts';
import { readMigrationsFolder } from '../migration/migrations-folder.ts';
import { applicablePull } from '../migration/pulled-migration.ts';
import { findSchemaFiles } from '../migration/schema-files.ts';
import { findDrizzleConfig, readDrizzleConfig, type DrizzleConfig } from './drizzle-config.ts';
import { optionsText, type Adoption } from './look-at-database.ts';
import { starterAuthorizeConfig, starterDrizzleConfig, starterSchema } from './starter-files.ts';
import { wrapConfig } from './wrap-config.ts';

/** What becomes of one file, with the whole new text. `by hand`: we do not dare. */
export type FileStep = { readonly path: string } & (
  | { readonly action: 'keep' | 'by hand' }
  | { readonly action: 'write'; readonly text: string }
  | { readonly action: 'change'; readonly text: string; readonly how: string }
);

export interface InitPlan {
  readonly files: readonly FileStep[];
  /** The first migration, unless it is there; undefined as well when it cannot be made yet. */
  readonly prelude: GenerateOptions | undefined;
  /** What has to be installed first. */
  readonly missingPackages: readonly string[];
  /** drizzle-kit's config cannot be wrapped, so that `drizzle-authorize generate` takes the place of drizzle-kit's. */
  readonly needsGenerate: boolean;
  /** The second argument that `withAuthorize()` needs, as text; empty where it needs none. */
  readonly withAuthorizeOptions: string;
}

/**
 * Looks at the project in the working directory, and says what it lacks. Changes nothing.
 *
 * @param adoption the database that the project is for, where that has been there before
 * @throws AuthorizeError `ERR_CONFIG_INVALID`, `ERR_KIT_UNSUPPORTED`, `ERR_SCHEMA_UNREADABLE`, `ERR_POLICY_INVALID` for
 *   what is there and cannot be worked with
 */
export async function planInit(adoption?: Adoption): Promise<InitPlan> {
  const { step: drizzleConfig, config } = await planDrizzleConfig(adoption);
  const schema = planSchema(config, adoption);
  const missingPackages = Object.keys(packages).filter((name) => !isInstalled(name));
  const migrations = missingPackages.length === 0 ? planMigrations(config, schema) : undefined;
  return {
    files: [
      schema,
      drizzleConfig,
      planAuthorizeConfig(),
      await planGitignore(),
      ...(migrations?.pulled ?? []),
    ],
    prelude: migrations?.prelude,
    missingPackages: missingPackages.map((name) => packages[name] ?? name),
    needsGenerate: drizzleConfig.path.endsWith('.json'),
    withAuthorizeOptions: optionsText(adoption),
  };
}

// With the versions that are known to work.
const packages: Readonly<Record<string, string>> = {
  'drizzle-authorize': 'drizzle-authorize',
  'drizzle-orm': 'drizzle-orm@0.45',
  'drizzle-kit': 'drizzle-kit@0.31',
  pg: 'pg@8',
};

function isInstalled(name: string): boolean {
  try {
    createRequire(join(process.cwd(), 'package.json')).resolve(name);
    return true;
  } catch {
    return false;
  }
}

async function planDrizzleConfig(
  adoption: Adoption | undefined,
): Promise<{ readonly step: FileStep; readonly config: DrizzleConfig }> {
  const path = findDrizzleConfig();
  if (path === undefined) {
    const schema = `./${schemaPlaces.find((place) => existsSync(place)) ?? 'schema.ts'}`;
    const config = withOptions(
      { dialect: 'postgresql', schema, out: './drizzle' } as const,
      withAuthorizeOptions(adoption),
    );
    return {
      config,
      step: {
        path: 'drizzle.config.ts',
        action: 'write',
        text: starterDrizzleConfig(schema, optionsText(adoption)),
      },
    };
  }
  const { config, wrapped } = await readDrizzleConfig(path);
  requirePostgres(config);
  if (wrapped || path.endsWith('.json')) {
    if (adoption !== undefined) assertOptionsFit(config, adoption, path);
    return { config, step: { path, action: 'keep' } };
  }
  const text = wrapConfig(await readFile(path, 'utf8'), optionsText(adoption));
  return {
    config: withOptions(config, withAuthorizeOptions(adoption)),
    step:
      text === undefined
        ? { path, action: 'by hand' }
        : { path, action: 'change', text, how: 'wrapped in withAuthorize()' },
  };
}

// What nobody has said is what the database asks for; what somebody has said must be that.
function assertOptionsFit(config: DrizzleConfig, adoption: Adoption, path: string): void {
  const { authSchema = defaultAuthSchema } = optionsOf(config);
  if (authSchema === adoption.authSchema) return;
  throw new AuthorizeError(
    'ERR_AUTH_SCHEMA',
    `the auth schema is to be called ${adoption.authSchema} in the database '${adoption.database}', and ${path} says ${authSchema}`,
    { hint: `give withAuthorize() the options ${optionsText(adoption)}` },
  );
}

function withAuthorizeOptions(adoption: Adoption | undefined): AuthorizeOptions {
  if (adoption === undefined) return {};
  const { authSchema, keepDefaultPrivileges } = adoption;
  return { authSchema, keepDefaultPrivileges };
}

const schemaPlaces = ['schema.ts', 'src/schema.ts', 'src/db/schema.ts', 'db/schema.ts'];

function planSchema(config: DrizzleConfig, adoption: Adoption | undefined): FileStep {
  const schema = requireSchema(config);
  const [path = '', ...others] = [schema].flat();
  const isPlain = others.length === 0 && /^[^*?{}[\]!()]+\.[cm]?[jt]s$/u.test(path);
  if (isPlain && !existsSync(path)) {
    return { path: path.replace(/^\.\//u, ''), action: 'write', text: starterSchema(adoption?.authSchema) };
  }
  // Throws when there is none.
  findSchemaFiles(schema, process.cwd());
  return { path: path.replace(/^\.\//u, ''), action: 'keep' };
}

function planAuthorizeConfig(): FileStep {
  const path = findConfigFile(process.cwd());
  return path === undefined
    ? { path: 'authorize.config.ts', action: 'write', text: starterAuthorizeConfig }
    : { path, action: 'keep' };
}

// The ways to write it that are common; a line too many does no harm.
const ignoresEnv = /^\s*(?:\*\*)?\/?(?:\.env\*?|\*\.env|\.env\{,\.\*\})\s*$/mu;

async function planGitignore(): Promise<FileStep> {
  const path = '.gitignore';
  if (!existsSync(path)) return { path, action: 'write', text: '# Secrets.\n.env\n' };
  const text = await readFile(path, 'utf8');
  if (ignoresEnv.test(text)) return { path, action: 'keep' };
  const newLine = text.includes('\r\n') ? '\r\n' : '\n';
  const separator = text === '' || text.endsWith('\n') ? '' : newLine;
  return { path, action: 'change', text: `${text}${separator}.env${newLine}`, how: '.env added' };
}

interface MigrationsPlan {
  readonly prelude: GenerateOptions | undefined;
  readonly pulled: readonly FileStep[];
}

function planMigrations(config: DrizzleConfig, schema: FileStep): MigrationsPlan {
  const kit = { ...findKit(process.cwd()), ...parseArguments(['generate']) };
  const options = generateOptions(config, kit);
  const { migrations, state } = readMigrationsFolder(options.out, options.line);
  const how = 'makes what drizzle-kit pull found, where it is not there yet';
  const pulled = migrations.flatMap(({ path, sql }): readonly FileStep[] => {
    const text = applicablePull(sql);
    return text === undefined ? [] : [{ path, action: 'change', text, how }];
  });
  if (state.prelude > 0) return { prelude: undefined, pulled };
  // What cannot be read is said before anything is written.
  if (schema.action === 'keep') readSchema(options);
  return { prelude: options, pulled };
}
