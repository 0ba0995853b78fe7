#!/usr/bin/env node
import { readFileSync } from 'node:fs';

import { AuthorizeError, isAuthorizeError } from '../errors.ts';
import type { Command, ExitCode } from './command.ts';
import { dev } from './dev.ts';
import { gateway } from './gateway.ts';
import { generate } from './generate.ts';
import { keys } from './keys.ts';
import { setup } from './setup.ts';
import { print, printError } from './terminal.ts';
import { token } from './token.ts';

const commands: Readonly<Record<string, Command>> = { generate, setup, keys, dev, token, gateway };

async function main(args: readonly string[]): Promise<ExitCode> {
  const [name, ...rest] = args;
  if (name === undefined || name === '--help' || name === '-h' || name === 'help') {
    print(help());
    return name === undefined ? 2 : 0;
  }
  if (name === '--version' || name === '-v') {
    print(version());
    return 0;
  }
  const command = Object.hasOwn(commands, name) ? commands[name] : undefined;
  if (command === undefined) {
    throw new AuthorizeError('ERR_USAGE', `there is no command '${name}'`, {
      hint: `the commands are: ${Object.keys(commands).join(', ')}`,
    });
  }
  if (rest.includes('--help') || rest.includes('-h')) {
    print(command.help);
    return 0;
  }
  return command.run(rest);
}

function help(): string {
  const width = Math.max(...Object.keys(commands).map(({ length }) => length));
  const lines = Object.entries(commands).map(([name, { summary }]) => `  ${name.padEnd(width)}  ${summary}`);
  return `drizzle-authorize ${version()}: row level security for Drizzle and Postgres

Usage: drizzle-authorize <command> [options]

${lines.join('\n')}

Exit code: 0 fine, 1 failed or found something, 2 wrong command line.
drizzle-authorize <command> --help says more.`;
}

function version(): string {
  const manifest: unknown = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'));
  return typeof manifest === 'object' && manifest !== null && 'version' in manifest
    ? String(manifest.version)
    : '';
}

const args = process.argv.slice(2);
try {
  process.exitCode = await main(args);
} catch (error) {
  printError(error, args.includes('--json'));
  process.exitCode = isAuthorizeError(error) && error.code === 'ERR_USAGE' ? 2 : 1;
}
