import { neonConfig, Pool } from '@neondatabase/serverless';
import { withAuth } from 'drizzle-authorize/neon-serverless';
import { drizzle } from 'drizzle-orm/neon-serverless';
import { WebSocket } from 'ws';

import { startDelayingProxy } from '../delaying-proxy.ts';
import type { NeonReady } from '../neon-servers.ts';
import { startServers } from '../start-servers.ts';
import type { BenchDriver } from './driver.ts';
import { waysOf } from './ways.ts';

/** Through what stands for Neon's proxy: a WebSocket, behind which is one backend. */
export const neonServerless: BenchDriver = {
  name: 'neon-serverless',
  isRemote: true,
  async open({ authenticatedUrl, applicationUrl, key }, delayMs) {
    const { hostname, port } = new URL(authenticatedUrl);
    const servers = await startServers<NeonReady>('./neon-servers.ts', {
      host: hostname,
      port: Number(port),
    });
    const network = await startDelayingProxy(servers.webSocketUrl, delayMs);
    neonConfig.webSocketConstructor = WebSocket;
    neonConfig.useSecureWebSocket = false;
    neonConfig.wsProxy = (host, wsPort) => `${host}:${wsPort}/v2`;
    const proxy = new URL(network.through(servers.webSocketUrl));
    const pools: Pool[] = [];
    const open = (url: string) => {
      const moved = new URL(url);
      moved.host = proxy.host;
      const pool = new Pool({ connectionString: moved.href, max: 4 });
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
        await servers.stop();
      },
    };
  },
};
