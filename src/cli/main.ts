#!/usr/bin/env node
import { readFileSync } from 'node:fs';

import { AuthorizeError, isAuthorizeError } from '../errors.ts';
import type { Command, ExitCode } from './command.ts';
import { keepStdoutForResults, print, printError } from './terminal.ts';

// Each is loaded when it is called: none needs the libraries of all.
const commands: Readonly<Record<string, () => Promise<Command>>> = {
  init: async () => (await import('./init.ts')).init,
  generate: async () => (await import('./generate.ts')).generate,
  diff: async () => (await import('./diff.ts')).diff,
  push: async () => (await import('./push.ts')).push,
  check: async () => (await import('./check.ts')).check,
  setup: async () => (await import('./setup.ts')).setup,
  keys: async () => (await import('./keys.ts')).keys,
  dev: async () => (await import('./dev.ts')).dev,
  token: async () => (await import('./token.ts')).token,
  revoke: async () => (await import('./revoke.ts')).revoke,
  eject: async () => (await import('./eject.ts')).eject,
  gateway: async () => (await import('./gateway.ts')).gateway,
  attack: async () => (await import('./attack.ts')).attack,
};

async function main(args: readonly string[]): Promise<ExitCode> {
  const [name, ...rest] = args;
  if (name === undefined || name === '--help' || name === '-h' || name === 'help') {
    print(await help());
    return name === undefined ? 2 : 0;
  }
  if (name === '--version' || name === '-v') {
    print(version());
    return 0;
  }
  const load = Object.hasOwn(commands, name) ? commands[name] : undefined;
  if (load === undefined) {
    throw new AuthorizeError('ERR_USAGE', `there is no command '${name}'`, {
      hint: `the commands are: ${Object.keys(commands).join(', ')}`,
    });
  }
  const command = await load();
  if (rest.includes('--help') || rest.includes('-h')) {
    print(command.help);
    return 0;
  }
  return command.run(rest);
}

async function help(): Promise<string> {
  const width = Math.max(...Object.keys(commands).map(({ length }) => length));
  const lines = await Promise.all(
    Object.entries(commands).map(
      async ([name, load]) => `  ${name.padEnd(width)}  ${(await load()).summary}`,
    ),
  );
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
const json = args.includes('--json');
if (json) keepStdoutForResults();
try {
  process.exitCode = await main(args);
} catch (error) {
  printError(error, json);
  process.exitCode = isAuthorizeError(error) && error.code === 'ERR_USAGE' ? 2 : 1;
}
