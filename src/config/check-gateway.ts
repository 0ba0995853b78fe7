import { isIPv6 } from 'node:net';

import type { GatewayConfig } from './define-config.ts';
import { kindOf, readSection, type Problems } from './fields.ts';

const ranges = {
  port: [0, 65_535],
  tcpPort: [0, 65_535],
  maxConnections: [1, 10_000],
  maxConnectionsPerSubject: [1, 10_000],
  maxWaiting: [0, 100_000],
  waitTimeoutMs: [1, 600_000],
  idleTimeoutMs: [1_000, 86_400_000],
  maxLifetimeMs: [1_000, 86_400_000],
  maxSessions: [1, 10_000],
  maxSessionsPerSubject: [1, 10_000],
  statementTimeoutMs: [1, 2_147_483_647],
  maxBodyBytes: [1024, 268_435_456],
  maxResultBytes: [1024, 268_435_456],
} as const satisfies Readonly<Record<Exclude<keyof GatewayConfig, 'host'>, readonly [number, number]>>;

/** What is given. */
export type GatewaySettings = {
  readonly [Name in keyof GatewayConfig]?: NonNullable<GatewayConfig[Name]>;
};

/** Where the gateway listens and its limits, without defaults: what is given and right. */
export function checkGateway(value: unknown, problems: Problems): GatewaySettings {
  const fields = readSection('gateway', value, problems) ?? {};
  const numbers = Object.entries(ranges).flatMap(([name, [least, most]]) => {
    const number = fields[name];
    if (number === undefined) return [];
    if (typeof number === 'number' && Number.isInteger(number) && number >= least && number <= most) {
      return [[name, number]];
    }
    const kind = typeof number === 'number' ? '' : `, not ${kindOf(number)}`;
    problems.report(`gateway.${name}`, `must be an integer from ${least} to ${most}${kind}`);
    return [];
  });

  const { host } = fields;
  if (host !== undefined && !isHost(host)) {
    problems.report('gateway.host', 'must be a host name or an address, without a port');
  }
  return { ...Object.fromEntries(numbers), ...(isHost(host) && { host }) };
}

/** True for a host name or an address without a port. */
export function isHost(value: unknown): value is string {
  return typeof value === 'string' && (/^[A-Za-z0-9._-]+$/u.test(value) || isIPv6(value));
}
