import { createGateway, type Gateway, type GatewayOptions } from '../../src/gateway/index.ts';
import type { TestIssuer } from './issuer.ts';
import type { SealedDatabase } from './sealed-database.ts';

export interface Served {
  readonly database: SealedDatabase;
  /** Whose tokens are accepted. */
  readonly issuer: TestIssuer;
}

/** A gateway to a database, on ports that are free. */
export function startGateway(
  { database, issuer }: Served,
  options: Partial<GatewayOptions> = {},
): Promise<Gateway> {
  return createGateway({
    connections: { authenticated: database.authenticatedUrl, anonymous: database.anonymousUrl },
    providers: [issuer.provider],
    key: database.authorizeKey,
    port: 0,
    tcpPort: 0,
    ...options,
  });
}
