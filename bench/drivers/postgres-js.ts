import { withAuth } from 'drizzle-authorize/postgres-js';
import { drizzle } from 'drizzle-orm/postgres-js';
import postgres from 'postgres';

import { startDelayingProxy } from '../delaying-proxy.ts';
import type { BenchDriver } from './driver.ts';
import { waysOf } from './ways.ts';

export const postgresJs: BenchDriver = {
  name: 'postgres-js',
  isRemote: true,
  async open({ authenticatedUrl, applicationUrl, key }, delayMs) {
    const network = await startDelayingProxy(authenticatedUrl, delayMs);
    const clients: postgres.Sql[] = [];
    const open = (url: string) => {
      const client = postgres(network.through(url), { max: 4, onnotice: () => {} });
      clients.push(client);
      return drizzle({ client });
    };
    const ways = waysOf({
      ours: withAuth(open(authenticatedUrl), { key }),
      plain: open(authenticatedUrl),
      application: open(applicationUrl),
    });
    return {
      ...ways,
      close: async () => {
        await Promise.all(clients.map((client) => client.end()));
        await network.close();
      },
    };
  },
};
