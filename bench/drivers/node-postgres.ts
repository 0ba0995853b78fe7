import { withAuth } from 'drizzle-authorize/node-postgres';
import { drizzle } from 'drizzle-orm/node-postgres';
import pg from 'pg';

import { startDelayingProxy } from '../delaying-proxy.ts';
import type { BenchDriver } from './driver.ts';
import { waysOf } from './ways.ts';

export const nodePostgres: BenchDriver = {
  name: 'node-postgres',
  isRemote: true,
  async open({ authenticatedUrl, applicationUrl, key }, delayMs) {
    const network = await startDelayingProxy(authenticatedUrl, delayMs);
    const pools: pg.Pool[] = [];
    const open = (url: string) => {
      const pool = new pg.Pool({ connectionString: network.through(url), max: 4 });
      // The server may be gone before a connection has heard of the pool's end.
      pool.on('error', () => {});
      pools.push(pool);
      return drizzle({ client: pool });
    };
    const ways = waysOf({
      ours: withAuth(open(authenticatedUrl), { key }),
      plain: open(authenticatedUrl),
      application: open(applicationUrl),
    });
    return {
      ...ways,
      close: async () => {
        await Promise.all(pools.map((pool) => pool.end()));
        await network.close();
      },
    };
  },
};
