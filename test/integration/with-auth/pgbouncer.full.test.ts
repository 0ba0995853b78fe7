import { drizzle } from 'drizzle-orm/node-postgres';
import { drizzle as drizzlePostgresJs } from 'drizzle-orm/postgres-js';
import pg from 'pg';
import postgres from 'postgres';

import { withAuth } from '../../../src/driver/node-postgres.ts';
import { withAuth as withAuthPostgresJs } from '../../../src/driver/postgres-js.ts';
import type { TestIssuer } from '../../support/issuer.ts';
import { startPgBouncer } from '../../support/pgbouncer.ts';
import type { SealedDatabase } from '../../support/sealed-database.ts';
import { relational } from '../../support/todo-app.ts';
import { createContractDatabase, describeContract, type ContractDatabase, type Driver } from './contract.ts';

// What every driver holds to, through PgBouncer.

async function createPooled(name: string): Promise<ContractDatabase & SealedDatabase> {
  const database = await createContractDatabase(name);
  const { ownerUrl, authenticatedUrl, anonymousUrl } = database;
  const pgBouncer = await startPgBouncer({ urls: [ownerUrl, authenticatedUrl, anonymousUrl] });
  return {
    ...database,
    ownerUrl: pgBouncer.through(ownerUrl),
    authenticatedUrl: pgBouncer.through(authenticatedUrl),
    anonymousUrl: pgBouncer.through(anonymousUrl),
    drop: async () => {
      await pgBouncer.close();
      await database.drop();
    },
  };
}

const pooled = { pooler: 'transaction' } as const;

function openNodePostgres(opened: SealedDatabase, { provider }: TestIssuer): Promise<Driver> {
  const pools: pg.Pool[] = [];
  return Promise.resolve({
    connect: (url, { max = 4, cache } = {}) => {
      const pool = new pg.Pool({ connectionString: url, max });
      pools.push(pool);
      return drizzle({ client: pool, ...relational, ...(cache && { cache }) });
    },
    withAuth: (plain, options) =>
      withAuth(plain, { providers: [provider], key: opened.authorizeKey, ...pooled, ...options }),
    close: async () => {
      await Promise.all(pools.map((pool) => pool.end()));
    },
  });
}

function openPostgresJs(opened: SealedDatabase, { provider }: TestIssuer): Promise<Driver> {
  const clients: postgres.Sql[] = [];
  return Promise.resolve({
    connect: (url, { max = 4, cache } = {}) => {
      const client = postgres(url, { max, prepare: false });
      clients.push(client);
      return drizzlePostgresJs({ client, ...relational, ...(cache && { cache }) });
    },
    withAuth: (plain, options) =>
      withAuthPostgresJs(plain, { providers: [provider], key: opened.authorizeKey, ...pooled, ...options }),
    close: async () => {
      await Promise.all(clients.map((client) => client.end()));
    },
  });
}

for (const [name, open] of [
  ['node-postgres, through PgBouncer', openNodePostgres],
  ['postgres.js, through PgBouncer', openPostgresJs],
] as const) {
  describeContract(name, {
    create: createPooled,
    open,
    verifies: 'driver',
    transactions: true,
    login: 'role',
  });
}
