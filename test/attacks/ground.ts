import { randomBytes } from 'node:crypto';

import type { PGlite } from '@electric-sql/pglite';
import pg from 'pg';

import type { Attack } from '../../src/attacks/attack.ts';
import { answer, failure } from '../../src/attacks/foothold.ts';
import {
  handwrittenRange,
  rangeRows,
  rangeStatements,
  removeRange,
  sealedRange,
} from '../../src/attacks/range.ts';
import { preludeStatements } from '../../src/database/prelude.ts';
import { harden } from '../../src/database/harden.ts';
import type { Target } from '../../src/attacks/try-attack.ts';
import { setup as setUpPglite } from '../../src/driver/pglite.ts';
import { clusterUrl, createDatabase } from '../support/cluster.ts';
import { createPglite } from '../support/pglite.ts';
import { runAsOwner, setUpDatabase, type SealedDatabase } from '../support/sealed-database.ts';

/** A database with the range in it, that can be put back to how it was. */
export interface Ground extends Target {
  /** Puts the rows back. */
  restoreRows(): Promise<void>;
  /** Puts everything back that an attack can have changed. */
  restore(attack: Attack): Promise<void>;
  close(): Promise<void>;
}

export interface HandwrittenGround extends Ground {
  /** The URL of each login that people use with the pattern that is written by hand. */
  readonly logins: Readonly<Record<Login, string>>;
  /** Puts the bystander on a login. */
  watchAs(login: Login): Promise<void>;
}

export interface PgliteGround extends Ground {
  readonly client: PGlite;
  readonly key: string;
}

export interface SealedGround extends Ground {
  readonly database: SealedDatabase;
}

/** Who the pool logs in as, with the pattern that is written by hand. */
export const loginNames = ['owner', 'authenticator', 'member', 'superuser'] as const;

export type Login = (typeof loginNames)[number];

/** The role that the pattern sets; none where the login inherits from it. */
export const roleSetBy = (login: Login): string | null => (login === 'member' ? null : 'authenticated');

const service = 'attacked_service';

/** A database as the pattern that is written by hand has it, with one that owns it, an authenticator and a superuser. */
export async function createHandwrittenGround(): Promise<HandwrittenGround> {
  const database = await createDatabase('attacked');
  const superuserUrl = database.url;
  const password = randomBytes(12).toString('hex');
  const roles: Readonly<Record<Login, string>> = {
    owner: 'attacked_owner',
    authenticator: 'attacked_authenticator',
    member: 'attacked_member',
    superuser: 'attacked_superuser',
  };
  await runAsOwner(superuserUrl, [
    ...['authenticated', service, ...Object.values(roles)].map(
      (role) => `DO $$ BEGIN CREATE ROLE ${role}; EXCEPTION WHEN duplicate_object THEN NULL; END $$`,
    ),
    `ALTER ROLE ${service} BYPASSRLS`,
    `ALTER ROLE ${roles.superuser} SUPERUSER`,
    `ALTER ROLE ${roles.authenticator} NOINHERIT`,
    `GRANT authenticated TO ${roles.owner}, ${roles.authenticator}, ${roles.member}`,
    `GRANT ${service} TO ${roles.authenticator}`,
    `GRANT CREATE ON SCHEMA public TO ${roles.owner}`,
  ]);
  const logins = Object.fromEntries(
    Object.entries(roles).map(([login, role]) => {
      const url = new URL(superuserUrl);
      url.username = role;
      url.password = password;
      return [login, url.href];
    }),
  ) as Record<Login, string>;
  const passwords = Object.values(roles).flatMap((role) => [
    `ALTER ROLE ${role} LOGIN PASSWORD '${password}'`,
    `ALTER ROLE ${role} RESET ALL`,
  ]);
  const range = [
    ...passwords,
    ...removeRange,
    `SET ROLE ${roles.owner}`,
    ...rangeStatements(handwrittenRange),
    `GRANT ALL ON ALL TABLES IN SCHEMA public TO ${service}`,
    'RESET ROLE',
  ];
  const ground = await openGround(
    superuserUrl,
    range,
    () => logins.owner,
    () => database.drop(),
  );
  return Object.assign(ground, {
    logins,
    watchAs: (login: Login) => ground.watch(logins[login]),
  });
}

/**
 * A database as this package makes it, of an ordinary owner.
 *
 * @param hardenAs who has run `setup --harden`, if anybody
 */
export async function createSealedGround(hardenAs?: 'owner' | 'superuser'): Promise<SealedGround> {
  const database = await createOrdinaryDatabase();
  const superuserUrl = await superuserUrlOf(database);
  const owner = new URL(database.ownerUrl).username;
  const range = [
    `DO $$ BEGIN CREATE ROLE ${service} BYPASSRLS; EXCEPTION WHEN duplicate_object THEN NULL; END $$`,
    `SET ROLE ${owner}`,
    ...rangeStatements(sealedRange),
    'RESET ROLE',
  ];
  const ground = await openGround(
    superuserUrl,
    range,
    () => database.authenticatedUrl,
    () => database.drop(),
  );
  if (hardenAs !== undefined) await harden(hardenAs === 'owner' ? database.ownerUrl : superuserUrl);
  return Object.assign(ground, { database });
}

async function openGround(
  superuserUrl: string,
  range: readonly string[],
  firstLogin: () => string,
  drop: () => Promise<void>,
) {
  const superuser = new pg.Client({ connectionString: superuserUrl });
  await superuser.connect();
  const database = pg.escapeIdentifier(new URL(superuserUrl).pathname.slice(1));
  const everything = [
    `SET lock_timeout = '5s'`,
    `ALTER DATABASE ${database} SET attacked.key = 'secretsetting'`,
    'ALTER ROLE authenticated RESET ALL',
    'SELECT lo_unlink(oid) FROM pg_largeobject_metadata WHERE oid = 424242',
    ...range,
  ].join('; ');
  let login = '';
  let bystander: pg.Client | undefined;
  const watch = async (url: string): Promise<void> => {
    login = url;
    await bystander?.end().catch(() => {});
    bystander = new pg.Client({ connectionString: url });
    bystander.on('error', () => {});
    await bystander.connect();
    await bystander.query(`select 'of the bystander'`);
  };
  const restoreRows = async (): Promise<void> => {
    await superuser.query(rangeRows.join('; '));
  };
  await superuser.query(everything);
  await watch(firstLogin());
  return {
    service,
    get bystander(): number {
      return (bystander as unknown as { processID: number }).processID;
    },
    asOwner: async (statements: readonly string[]) => {
      let rows: unknown = [];
      for (const statement of statements) {
        try {
          ({ rows } = await superuser.query(statement));
        } catch (error) {
          return failure(error);
        }
      }
      return answer(rows);
    },
    watch,
    restoreRows,
    restore: async ({ lasting = false }: Attack) => {
      if (!lasting) return restoreRows();
      await superuser.query(everything);
      await watch(login);
    },
    close: async () => {
      await bystander?.end().catch(() => {});
      await superuser.end();
      await drop();
    },
  };
}

// As on a host, where the identity roles are the owner's own; here they belong to the cluster, and were made before.
async function createOrdinaryDatabase(): Promise<SealedDatabase> {
  const database = await createDatabase('attacked', { owner: 'ordinary' });
  const owner = new URL(database.url).username;
  const roles = ['authenticated', 'anonymous'].flatMap((role) => [
    `DO $$ BEGIN CREATE ROLE ${role}; EXCEPTION WHEN duplicate_object THEN NULL; END $$`,
    `GRANT ${role} TO ${owner} WITH ADMIN TRUE, INHERIT FALSE, SET FALSE`,
  ]);
  await runAsOwner(await superuserUrlOf(database), roles);
  await runAsOwner(database.url, preludeStatements(['authenticated', 'anonymous']));
  return {
    ...(await setUpDatabase(database.url)),
    name: database.name,
    drop: () => database.drop(),
  };
}

async function superuserUrlOf({ name }: { readonly name: string }): Promise<string> {
  const url = new URL(await clusterUrl());
  url.pathname = `/${name}`;
  return url.href;
}

/** A PGlite with the range, whose one login is a superuser. */
export async function createPgliteGround(): Promise<PgliteGround> {
  const client = await createPglite([]);
  const key = await setUpPglite(client);
  const range = [
    `DO $$ BEGIN CREATE ROLE ${service} BYPASSRLS; EXCEPTION WHEN duplicate_object THEN NULL; END $$`,
    'ALTER ROLE authenticated RESET ALL',
    'ALTER ROLE postgres RESET ALL',
    `ALTER DATABASE postgres SET attacked.key = 'secretsetting'`,
    'SELECT lo_unlink(oid) FROM pg_largeobject_metadata WHERE oid = 424242',
    ...rangeStatements(sealedRange),
  ].join('; ');
  await client.exec(range);
  const restoreRows = async (): Promise<void> => {
    await client.exec(rangeRows.join('; '));
  };
  return {
    client,
    key,
    service,
    // There is one session.
    bystander: 0,
    asOwner: async (statements) => {
      let rows: unknown = [];
      for (const statement of statements) ({ rows } = await client.query(statement));
      return answer(rows);
    },
    restoreRows,
    restore: async ({ lasting = false }) => {
      if (lasting) await client.exec(range);
      else await restoreRows();
    },
    close: () => client.close(),
  };
}
