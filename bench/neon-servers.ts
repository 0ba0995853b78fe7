import { startNeonEndpoint } from '../test/support/neon-endpoint.ts';
import { startNeonWebSocket } from '../test/support/neon-websocket.ts';
import { serve } from './served.ts';

// The process that bench/drivers/ starts for the drivers of Neon: what stands for Neon's proxy, in front of PostgreSQL.

export interface NeonReady {
  /** A URL, of which host and port count. */
  readonly webSocketUrl: string;
  readonly endpointUrl: string;
}

type Target = Parameters<typeof startNeonEndpoint>[0];

serve(async (target: Target): Promise<NeonReady> => {
  const webSocket = await startNeonWebSocket(target);
  const endpoint = await startNeonEndpoint(target);
  return { webSocketUrl: webSocket.through('postgresql://proxy'), endpointUrl: endpoint.url };
});
