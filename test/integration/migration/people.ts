import pg from 'pg';

import { seal } from '../../../src/session/seal.ts';
import { createSealKey, generateAuthorizeKey, parseAuthorizeKey } from '../../../src/session/seal-key.ts';
import { clusterUrl, type TestDatabase } from '../../support/cluster.ts';
import { withClient } from '../../support/sealed-database.ts';

/** Runs statements in a migrated database as somebody of the role `authenticated`. */
export interface People {
  /** In a transaction of its own, which is rolled back. */
  as<Row extends pg.QueryResultRow>(sub: string, statement: string): Promise<readonly Row[]>;
  close(): Promise<void>;
}

/** Installs a key as the owner, whoever that is: who may let the role log in depends on who has made it in the cluster. */
export async function createPeople({ name, url }: TestDatabase): Promise<People> {
  const key = await createSealKey(parseAuthorizeKey(generateAuthorizeKey())[0]);
  const { inner, outer } = key.pads();
  await withClient(url, (client) =>
    client.query('INSERT INTO auth.seal_keys (id, inner_pad, outer_pad) VALUES ($1, $2, $3)', [
      key.id,
      inner,
      outer,
    ]),
  );
  const superuser = new URL(await clusterUrl());
  superuser.pathname = `/${name}`;
  const client = new pg.Client({ connectionString: superuser.href });
  await client.connect();
  return {
    as: async <Row extends pg.QueryResultRow>(sub: string, statement: string) => {
      const now = { database: name, backendPid: 0, nowSeconds: Date.now() / 1000 };
      const sealed = await seal({ role: 'authenticated', claims: { sub } }, key, now);
      await client.query('BEGIN');
      try {
        await client.query(
          `SELECT set_config('role', 'authenticated', true), set_config('authorize.seal', $1, true)`,
          [sealed],
        );
        return (await client.query<Row>(statement)).rows;
      } finally {
        await client.query('ROLLBACK');
      }
    },
    close: () => client.end(),
  };
}
