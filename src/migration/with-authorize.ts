import type { Config } from 'drizzle-kit';

import { AuthorizeError, isAuthorizeError } from '../errors.ts';
import { checkOptions, withOptions, type AuthorizeOptions } from './authorize-options.ts';
import { currentInvocation, type KitInvocation } from './drizzle-kit.ts';
import { generateOptions, requirePostgres } from './generate-options.ts';
import { afterKit, beforeKit, type GenerateReport } from './generate.ts';
import { kitLine } from './kit-line.ts';
import { assertApplicable, readMigrationsFolder } from './migrations-folder.ts';

/**
 * Makes `drizzle-kit generate` complete: the migrations that it writes carry the auth schema, every policy of the
 * Drizzle schema as declared, and the grants that the policies imply.
 *
 * Wrap the config of drizzle.config.ts; the config itself comes back as it was, but that statement breakpoints are
 * always on. What happens then depends on the command that evaluates the file:
 * - `generate` writes the first migration where there is none (`authorize_prelude`), and completes each migration
 *   of drizzle-kit's. Where drizzle-kit sees no change but access has changed, it writes one of its own. Running it
 *   twice writes nothing.
 * - `migrate` is refused while a migration is half-made, and otherwise left alone.
 * - `push` is refused, since drizzle-kit pushes policies without their expressions, or without changes in them.
 * - `mcp` is refused, call by call, since it would write migrations that nobody completes.
 * - Everything else, `generate --custom` and `--explain` included, is left alone.
 *
 * A refusal is one sentence on stderr and exit code 1.
 *
 * @throws TypeError for an option that does not exist or has the wrong type
 * @example
 * import { withAuthorize } from 'drizzle-authorize/kit';
 * import { defineConfig } from 'drizzle-kit';
 *
 * export default withAuthorize(defineConfig({ dialect: 'postgresql', schema: './schema.ts', out: './drizzle' }));
 * @see https://orm.drizzle.team/docs/drizzle-config-file
 */
export function withAuthorize<C extends Config>(config: C, options: AuthorizeOptions = {}): C {
  const result = withOptions({ ...config, breakpoints: true }, options);
  const kit = currentInvocation();
  if (kit === undefined) {
    checkOptions(options);
    return result;
  }
  // A server that goes on: its caller is told by an error, and nothing would come after what it writes.
  if (kit.command === 'mcp') throw new AuthorizeError('ERR_KIT_UNSUPPORTED', mcpFault);
  onError(() => {
    checkOptions(options);
    attach(result, kit);
  }, exit);
  return result;
}

const mcpFault =
  'drizzle-kit mcp would leave access rules out; run `npx drizzle-kit generate` and `npx drizzle-kit migrate` as commands';

function attach(config: Config, kit: KitInvocation): void {
  const { out = 'drizzle' } = config;
  switch (kit.command) {
    case 'generate': {
      if (kit.custom || kit.explain) return;
      const options = generateOptions(config, kit);
      const { declared, report } = beforeKit(options);
      print(report, kit);
      process.once('exit', (code) => {
        if (code !== 0) return;
        // Too late to exit, but not to say with which code.
        onError(
          () => print(afterKit(options, declared), kit),
          () => (process.exitCode = 1),
        );
      });
      return;
    }
    case 'migrate': {
      requirePostgres(config);
      const line = kitLine(kit.version);
      assertApplicable(readMigrationsFolder(out, line), line);
      return;
    }
    case 'push':
      throw new AuthorizeError('ERR_KIT_UNSUPPORTED', kitLine(kit.version).pushFault, {
        hint: 'Use `npx drizzle-authorize push`.',
      });
    default:
  }
}

// drizzle-kit would print a stack trace, or nothing, for an error that is thrown out of its config file.
function onError(action: () => void, end: () => void): void {
  try {
    action();
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    const [hint, code] = isAuthorizeError(error) ? [error.hint, error.code] : [undefined, undefined];
    process.stderr.write(
      `[✗] drizzle-authorize: ${message}.${hint === undefined ? '' : ` ${hint}`}${code === undefined ? '' : ` (${code})`}\n`,
    );
    end();
  }
}

function exit(): never {
  process.exit(1);
}

function print(report: GenerateReport, { json }: KitInvocation): void {
  const stream = json ? process.stderr : process.stdout;
  for (const line of report) stream.write(`[✓] drizzle-authorize: ${line}\n`);
}
