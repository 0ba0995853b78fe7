import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, realpathSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';

import { AuthorizeError } from '../errors.ts';

/** The drizzle-kit command that evaluates the config file at this moment. */
export interface KitInvocation {
  /** drizzle-kit's executable. */
  readonly bin: string;
  readonly version: string;
  readonly command: string;
  /** `generate --custom`: the user writes the SQL. */
  readonly custom: boolean;
  /** `generate --explain`: nothing is written. */
  readonly explain: boolean;
  /** `--output json`: a program reads stdout. */
  readonly json: boolean;
  /** Options that a further call needs, so that it finds the same config and names files alike. */
  readonly options: readonly string[];
}

const childFlag = 'DRIZZLE_AUTHORIZE_CHILD';

/**
 * Tells whether this process is drizzle-kit, and which command it runs. Undefined in any other process, such as
 * an editor or a test, and in a drizzle-kit that we started ourselves.
 */
export function currentInvocation(
  argv: readonly string[] = process.argv,
  env: NodeJS.ProcessEnv = process.env,
): KitInvocation | undefined {
  const script = argv[1];
  if (script === undefined || env[childFlag] !== undefined) return undefined;
  const kit = findPackage(script);
  return kit && { bin: kit.file, version: kit.version, ...parseArguments(argv.slice(2)) };
}

// What says where the schema and the migrations are, and how they are written.
const kept = new Set([
  '--config',
  '--prefix',
  '--dialect',
  '--driver',
  '--casing',
  '--schema',
  '--out',
  '--breakpoints',
]);

const flags = new Set(['--custom', '--breakpoints', '--explain', '--fix-conflicts', '--ignore-conflicts']);

/** Reads the command line as drizzle-kit does: the command is the first word that no option has taken. */
export function parseArguments(args: readonly string[]): Omit<KitInvocation, 'bin' | 'version'> {
  let command = '';
  let json = false;
  const given = new Map<string, boolean>();
  const options: string[] = [];
  for (let index = 0; index < args.length; index += 1) {
    const argument = args[index] ?? '';
    if (!argument.startsWith('-')) {
      command ||= argument;
      continue;
    }
    const [name = '', ...rest] = argument.split('=');
    const value = argument.includes('=') ? rest.join('=') : args[index + 1];
    const isFlag = flags.has(name);
    if (isFlag) given.set(name, !['false', '0'].includes(value?.toLowerCase() ?? ''));
    if (name === '--output') json = value === 'json';
    // A flag has no value of its own, so that a word behind it may be the command.
    const takesNext = !argument.includes('=') && (!isFlag || isBoolean(value));
    if (kept.has(name)) {
      const setting = takesNext || argument.includes('=') ? value : 'true';
      if (setting !== undefined) options.push(`${name}=${setting}`);
    }
    if (takesNext) index += 1;
  }
  return {
    command,
    custom: given.get('--custom') ?? false,
    explain: given.get('--explain') ?? false,
    json,
    options,
  };
}

function isBoolean(value: string | undefined): boolean {
  return ['true', 'false', '0', '1'].includes(value?.toLowerCase() ?? '');
}

/** Lets drizzle-kit make an empty migration, with its snapshot and its entry in the journal. */
export function generateCustom(kit: KitInvocation, name: string): void {
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    [kit.bin, 'generate', '--custom', `--name=${name}`, ...kit.options],
    { env: { ...process.env, [childFlag]: '1' }, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] },
  );
  if (status !== 0) {
    throw new AuthorizeError(
      'ERR_KIT_UNSUPPORTED',
      `drizzle-kit could not make room for the migration "${name}"`,
      {
        hint: `It said: ${`${stdout}${stderr}`.trim().split('\n').at(-1) ?? ''}`,
      },
    );
  }
}

/**
 * The drizzle-kit of the project in a folder.
 *
 * @throws AuthorizeError `ERR_KIT_UNSUPPORTED` when there is none
 */
export function findKit(directory: string): Pick<KitInvocation, 'bin' | 'version'> {
  try {
    const kit = findPackage(createRequire(join(directory, 'package.json')).resolve('drizzle-kit'));
    if (kit !== undefined) return { bin: join(dirname(kit.file), 'bin.cjs'), version: kit.version };
  } catch {
    // Nothing of this name is installed.
  }
  throw new AuthorizeError('ERR_KIT_UNSUPPORTED', 'drizzle-kit is not installed in this project', {
    hint: 'npm install --save-dev drizzle-kit@0.31, or drizzle-kit@1.0.0-rc.5 beside drizzle-orm 1.0',
  });
}

/**
 * Runs `drizzle-kit generate` with our terminal, so that it can ask, and without what the wrapped config would do in
 * it. Ctrl-C is drizzle-kit's to handle.
 *
 * @returns its exit code; 1 when a signal ended it
 */
export async function runGenerate(kit: Pick<KitInvocation, 'bin'>, args: readonly string[]): Promise<number> {
  const ignore = (): void => {};
  process.on('SIGINT', ignore);
  try {
    const child = spawn(process.execPath, [kit.bin, 'generate', ...args], {
      env: { ...process.env, [childFlag]: '1' },
      stdio: 'inherit',
    });
    const [code]: readonly unknown[] = await once(child, 'close');
    return typeof code === 'number' ? code : 1;
  } finally {
    process.off('SIGINT', ignore);
  }
}

/** What drizzle-kit's package says of one of the files directly in it, which may be given as a link. */
function findPackage(path: string): { readonly file: string; readonly version: string } | undefined {
  try {
    const file = realpathSync(path);
    const manifest: unknown = JSON.parse(readFileSync(join(dirname(file), 'package.json'), 'utf8'));
    if (typeof manifest !== 'object' || manifest === null) return undefined;
    if (!('name' in manifest) || manifest.name !== 'drizzle-kit' || !('version' in manifest))
      return undefined;
    return { file, version: String(manifest.version) };
  } catch {
    return undefined; // the file lies in no package: it is not drizzle-kit
  }
}
