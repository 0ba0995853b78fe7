import { randomUUID } from 'node:crypto';

import { PGlite } from '@electric-sql/pglite';
import { setup, withAuth } from 'drizzle-authorize/pglite';
import { drizzle } from 'drizzle-orm/pglite';

import { benchStatements } from '../database.ts';
import type { BenchDriver } from './driver.ts';
import { waysOf } from './ways.ts';

/** In this process, with the same rows in a database of its own. Its one login is a superuser. */
export const pglite: BenchDriver = {
  name: 'pglite',
  isRemote: false,
  async open() {
    const client = await PGlite.create();
    for (const statement of benchStatements(randomUUID())) await client.query(statement);
    const plain = drizzle({ client });
    const ways = waysOf({
      ours: withAuth(plain, { key: await setup(client) }),
      plain,
      application: plain,
      takesSeveral: false,
    });
    return { ...ways, close: () => client.close() };
  },
};
