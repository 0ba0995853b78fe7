import pg from 'pg';

import { preludeStatements } from '../../src/database/prelude.ts';
import { setup } from '../../src/database/setup.ts';
import {
  createSealKey,
  generateAuthorizeKey,
  parseAuthorizeKey,
  type SealKey,
} from '../../src/session/seal-key.ts';
import { createDatabase, type CreateDatabaseOptions } from './cluster.ts';

export interface SealedDatabase {
  readonly name: string;
  readonly ownerUrl: string;
  readonly authenticatedUrl: string;
  readonly anonymousUrl: string;
  /** The value of AUTHORIZE_KEY, and the key that it stands for. */
  readonly authorizeKey: string;
  readonly sealKey: SealKey;
  drop(): Promise<void>;
}

// Roles belong to the cluster: every database of this process shares their passwords.
const roleUrls = new Map<string, string>();

/** A database with the auth schema, the identity roles set up, and whatever the statements make. */
export async function createSealedDatabase(
  name: string,
  statements: readonly string[] = [],
  options: CreateDatabaseOptions = {},
): Promise<SealedDatabase> {
  const database = await createDatabase(name, options);
  await runAsOwner(database.url, [...preludeStatements(['authenticated', 'anonymous']), ...statements]);
  return { ...(await setUpDatabase(database.url)), name: database.name, drop: () => database.drop() };
}

/** Installs a key and the logins in a migrated database of this worker's cluster. */
export async function setUpDatabase(
  ownerUrl: string,
  authSchema?: string,
): Promise<Omit<SealedDatabase, 'name' | 'drop'>> {
  const authorizeKey = generateAuthorizeKey();
  const known = (role: string): string | undefined => {
    const url = roleUrls.get(role);
    return url === undefined ? undefined : withPath(url, new URL(ownerUrl).pathname);
  };
  const { roles } = await setup({
    ownerUrl,
    ...(authSchema !== undefined && { authSchema }),
    key: authorizeKey,
    takeOverRoles: true,
    rotatePasswords: roleUrls.size === 0,
    knownUrl: known,
  });
  for (const { role, url } of roles) roleUrls.set(role, url);
  const urlOf = (role: string): string => {
    const url = known(role);
    if (url === undefined) throw new Error(`no URL for ${role}`);
    return url;
  };
  return {
    ownerUrl,
    authenticatedUrl: urlOf('authenticated'),
    anonymousUrl: urlOf('anonymous'),
    authorizeKey,
    sealKey: await createSealKey(parseAuthorizeKey(authorizeKey)[0]),
  };
}

export async function runAsOwner(url: string, statements: readonly string[]): Promise<void> {
  await withClient(url, async (client) => {
    for (const statement of statements) await client.query(statement);
  });
}

export async function withClient<T>(url: string, work: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}

function withPath(url: string, pathname: string): string {
  const moved = new URL(url);
  moved.pathname = pathname;
  return moved.href;
}
