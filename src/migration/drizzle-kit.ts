import { spawnSync } from 'node:child_process';
import { readFileSync, realpathSync } from 'node:fs';
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
  return kit && { ...kit, ...parseArguments(argv.slice(2)) };
}

/** Reads the command line as drizzle-kit does: the command is the first word that no option has taken. */
export function parseArguments(
  args: readonly string[],
): Pick<KitInvocation, 'command' | 'custom' | 'options'> {
  let command = '';
  let custom = false;
  const options: string[] = [];
  for (let index = 0; index < args.length; index += 1) {
    const argument = args[index] ?? '';
    if (!argument.startsWith('-')) {
      command ||= argument;
      continue;
    }
    const [name = '', ...rest] = argument.split('=');
    const value = argument.includes('=') ? rest.join('=') : args[index + 1];
    if (name === '--custom') custom = !['false', '0'].includes(value?.toLowerCase() ?? '');
    if ((name === '--config' || name === '--prefix') && value !== undefined) options.push(`${name}=${value}`);
    // `--custom` has no value of its own, so that a word behind it may be the command.
    const takesNext = !argument.includes('=') && (name !== '--custom' || isBoolean(value));
    if (takesNext) index += 1;
  }
  return { command, custom, options };
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

function findPackage(script: string): Pick<KitInvocation, 'bin' | 'version'> | undefined {
  try {
    const bin = realpathSync(script);
    const manifest: unknown = JSON.parse(readFileSync(join(dirname(bin), 'package.json'), 'utf8'));
    if (typeof manifest !== 'object' || manifest === null) return undefined;
    if (!('name' in manifest) || manifest.name !== 'drizzle-kit' || !('version' in manifest))
      return undefined;
    return { bin, version: String(manifest.version) };
  } catch {
    return undefined; // the script lies in no package: it is not drizzle-kit
  }
}
