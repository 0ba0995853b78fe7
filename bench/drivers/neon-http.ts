import { neon, neonConfig } from '@neondatabase/serverless';
import { withAuth } from 'drizzle-authorize/neon-http';
import { drizzle } from 'drizzle-orm/neon-http';

import { todos, todosByHand, todosUnguarded } from '../database.ts';
import { startDelayingProxy } from '../delaying-proxy.ts';
import type { NeonReady } from '../neon-servers.ts';
import { startServers } from '../start-servers.ts';
import type { BenchDriver } from './driver.ts';
import { one, own, person, setClaims, setRole, three } from './ways.ts';

/**
 * Through what stands for Neon's proxy, where a request with several statements is a transaction that it runs step by step. The
 * driver has no transaction but that batch, and nothing is copied that would have a `finally`.
 */
export const neonHttp: BenchDriver = {
  name: 'neon-http',
  isRemote: true,
  async open({ authenticatedUrl, applicationUrl, key }, delayMs) {
    const { hostname, port } = new URL(authenticatedUrl);
    const servers = await startServers<NeonReady>('./neon-servers.ts', {
      host: hostname,
      port: Number(port),
    });
    const network = await startDelayingProxy(servers.endpointUrl, delayMs);
    neonConfig.fetchEndpoint = () => network.through(servers.endpointUrl);
    const open = (url: string) => drizzle({ client: neon(url) });
    const plain = open(authenticatedUrl);
    const application = open(applicationUrl);
    const me = withAuth(open(authenticatedUrl), { key }).$withIdentity(person);
    return {
      select: {
        ours: async () => one(me, todos),
        plain: async () => one(plain, todosUnguarded, own),
        byHand: async () => {
          const select = one(application, todosByHand);
          const [, , rows] = await application.batch([
            application.execute(setClaims),
            application.execute(setRole),
            select,
          ]);
          return rows;
        },
      },
      transaction: {
        ours: async () => (await me.batch(three(me, todos)))[0],
        plain: async () => (await plain.batch(three(plain, todosUnguarded, own)))[0],
        byHand: async () => {
          const [, , rows] = await application.batch([
            application.execute(setClaims),
            application.execute(setRole),
            ...three(application, todosByHand),
          ]);
          return rows;
        },
      },
      close: async () => {
        await network.close();
        await servers.stop();
      },
    };
  },
};
