import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';

import { neon, neonConfig } from '@neondatabase/serverless';
import pg from 'pg';

import { useGateway } from '../../../src/gateway/index.ts';
import { startCommand, type CommandOptions } from '../../support/command.ts';
import type { TestIssuer } from '../../support/issuer.ts';
import { withClient, type SealedDatabase } from '../../support/sealed-database.ts';
import { eventually } from '../embedded/project.ts';

/** `drizzle-authorize gateway`, running. */
export interface Daemon {
  readonly child: ChildProcess;
  /** What it has printed so far. */
  readonly output: { stdout: string; stderr: string };
  readonly ended: Promise<{ readonly code: number | null; readonly signal: NodeJS.Signals | null }>;
}

export function startGateway(args: readonly string[], options: CommandOptions): Daemon {
  const child = startCommand(['gateway', ...args], options);
  const output = { stdout: '', stderr: '' };
  child.stdout?.on('data', (chunk: Buffer) => (output.stdout += chunk.toString()));
  child.stderr?.on('data', (chunk: Buffer) => (output.stderr += chunk.toString()));
  const ended = once(child, 'close').then(([code, signal]) => ({ code, signal }));
  return { child, output, ended };
}

/** Waits until a daemon that was started with `--json` says that it is ready. */
export async function ready(daemon: Daemon): Promise<{ readonly url: string; readonly said: object }> {
  if (daemon.child.stdout === null) throw new Error('no output');
  const line = await Promise.race([
    once(createInterface({ input: daemon.child.stdout }), 'line'),
    daemon.ended,
  ]);
  if (!Array.isArray(line)) throw new Error(`it ended: ${daemon.output.stderr}`);
  const said = JSON.parse(String(line[0])) as { readonly http: string };
  return { url: said.http, said };
}

/** What a database's connections give to the environment. */
export function environmentOf(database: SealedDatabase): Record<string, string> {
  return {
    AUTHORIZE_KEY: database.authorizeKey,
    DATABASE_AUTHENTICATED_URL: database.authenticatedUrl,
    DATABASE_ANONYMOUS_URL: database.anonymousUrl,
  };
}

/** The text of an authorize.config.ts that accepts the issuer's tokens. */
export function configText({ provider: { keys } }: TestIssuer, fields: string): string {
  return `import { defineConfig } from 'drizzle-authorize/config';
import { customKeys } from 'drizzle-authorize/jwt';
const keys = ${JSON.stringify('jwks' in keys ? keys.jwks : {})};
export default defineConfig({
  providers: [customKeys({ keys, issuer: 'https://id.example', audience: 'todos', algorithms: ['ES256'], name: 'our own' })],
  ${fields}
});`;
}

/** Asks with the unmodified Neon driver; as a visitor without a token. */
export function ask(url: string, database: string, query: string, authToken?: string): Promise<unknown> {
  useGateway(neonConfig, url);
  const role = authToken === undefined ? 'anonymous' : 'authenticated';
  const sql = neon(`postgresql://${role}@127.0.0.1/${database}`, {
    ...(authToken !== undefined && { authToken }),
  });
  return sql.query(query);
}

/** Locks the table todos, so that a request that reads it is at work until `unlock`. */
export async function withLockedTodos(
  ownerUrl: string,
  work: (lock: {
    readonly unlock: () => Promise<unknown>;
    readonly requestWaits: () => Promise<void>;
  }) => Promise<void>,
): Promise<void> {
  const owner = new pg.Client({ connectionString: ownerUrl });
  await owner.connect();
  try {
    await owner.query('BEGIN; LOCK TABLE todos');
    await work({
      unlock: () => owner.query('COMMIT'),
      requestWaits: () => eventually(() => somebodyWaits(ownerUrl), 'the request waits'),
    });
  } finally {
    await owner.end();
  }
}

/** On a connection of its own each time, since a transaction sees one moment alone. */
export async function somebodyWaits(ownerUrl: string): Promise<boolean> {
  const { rowCount } = await withClient(ownerUrl, (client) =>
    client.query(
      `SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`,
    ),
  );
  return rowCount === 1;
}

/** Whether nobody listens any more. */
export async function isClosed(url: string): Promise<boolean> {
  return fetch(url).then(
    () => false,
    () => true,
  );
}
