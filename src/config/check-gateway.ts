import { isIPv6 } from 'node:net';
import { createSecureContext } from 'node:tls';

import type { GatewayConfig } from './define-config.ts';
import { isFields, kindOf, readSection, type Problems } from './fields.ts';

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
  burstPerSubject: [1, 1_000_000],
  statementTimeoutMs: [1, 2_147_483_647],
  maxBodyBytes: [1024, 268_435_456],
  maxResultBytes: [1024, 268_435_456],
  operationsPort: [0, 65_535],
  drainDelayMs: [0, 600_000],
} as const;

/** What a field that is no number must be. */
const kinds = {
  host: [isHost, 'must be a host name or an address, without a port'],
  operationsHost: [isHost, 'must be a host name or an address, without a port'],
  requestsPerSecondPerSubject: [isRate, 'must be a number from 0.001 to 1000000'],
  tls: [isKeyPair, 'must be { cert, key }: a certificate and its private key, in PEM'],
  logger: [isLogger, 'must be a logger with info() and warn(), such as pino()'],
  audit: [isLogger, 'must be a logger with info() and warn(), such as pino()'],
  tracing: [isBoolean, 'must be true or false'],
} as const satisfies Readonly<
  Record<Exclude<keyof GatewayConfig, keyof typeof ranges>, readonly [(value: unknown) => boolean, string]>
>;

/** What is given. */
export type GatewaySettings = {
  readonly [Name in keyof GatewayConfig]?: NonNullable<GatewayConfig[Name]>;
};

/** Where the gateway listens and its limits, without defaults: what is given and right. */
export function checkGateway(section: unknown, problems: Problems): GatewaySettings {
  const fields = readSection('gateway', section, problems) ?? {};
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

  const others = Object.entries(kinds).flatMap(([name, [isRight, problem]]) => {
    const value = fields[name];
    if (value === undefined) return [];
    if (isRight(value)) return [[name, value]];
    problems.report(`gateway.${name}`, problem);
    return [];
  });
  return { ...Object.fromEntries(numbers), ...Object.fromEntries(others) };
}

/** True for a host name or an address without a port. */
export function isHost(value: unknown): value is string {
  return typeof value === 'string' && (/^[A-Za-z0-9._-]+$/u.test(value) || isIPv6(value));
}

function isLogger(value: unknown): boolean {
  return (
    typeof value === 'object' &&
    value !== null &&
    'info' in value &&
    typeof value.info === 'function' &&
    'warn' in value &&
    typeof value.warn === 'function'
  );
}

/** Also whether the two belong together. */
function isKeyPair(value: unknown): boolean {
  try {
    if (!isFields(value)) return false;
    const { cert, key } = value;
    if (typeof cert !== 'string' || typeof key !== 'string') return false;
    createSecureContext({ cert, key });
    return true;
  } catch {
    return false;
  }
}

function isRate(value: unknown): boolean {
  return typeof value === 'number' && value >= 0.001 && value <= 1_000_000;
}

function isBoolean(value: unknown): boolean {
  return typeof value === 'boolean';
}
