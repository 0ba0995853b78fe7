import { createGateway } from 'drizzle-authorize/gateway';
import { customKeys } from 'drizzle-authorize/jwt';
import type { JWK } from 'jose';

import { serve } from './served.ts';

// The process that bench/gateway.ts starts for the gateway.

export interface GatewayConfig {
  readonly connectionString: string;
  readonly key: string;
  readonly issuer: string;
  readonly jwk: JWK;
}

export interface GatewayReady {
  readonly url: string;
  readonly tcpPort: number;
}

serve(async ({ connectionString, key, issuer, jwk }: GatewayConfig): Promise<GatewayReady> => {
  const gateway = await createGateway({
    port: 0,
    tcpPort: 0,
    connections: { authenticated: connectionString },
    key,
    // One person asks for all; the relays know no persons either.
    maxConnectionsPerSubject: 10,
    maxSessionsPerSubject: 50,
    providers: [customKeys({ keys: jwk, issuer, audience: issuer, algorithms: ['ES256'] })],
  });
  return { url: gateway.url, tcpPort: gateway.tcp?.port ?? 0 };
});
