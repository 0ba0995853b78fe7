import type { Fetch } from '../../jwt/fetch-document.ts';
import type { Verifier } from '../../jwt/index.ts';
import { codeOf, type Observe } from '../../observe.ts';
import type { PoolCounts } from '../role-pools.ts';
import { loadPeer } from './load-peer.ts';

/** What is counted where it happens. */
export interface Metrics {
  /** Counts statements. */
  readonly observe: Observe;
  /** Counts what a verifier says. */
  watchVerifier(verifier: Verifier): Verifier;
  /** Counts how key sets are fetched. */
  readonly fetch: Fetch;
  /** All of it, as Prometheus reads it. */
  text(): Promise<string>;
  readonly contentType: string;
}

/** What is looked at when somebody asks. */
export interface Gauges {
  readonly pools: () => readonly PoolCounts[];
  readonly sessions: () => number;
}

const buckets = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];
const prefix = 'drizzle_authorize_';

/**
 * The numbers of one gateway, in a registry of their own. No label holds who asked.
 *
 * @throws TypeError where `prom-client` is not installed
 */
export async function createMetrics(gauges: Gauges): Promise<Metrics> {
  const { default: prometheus } = await loadPeer(
    'operationsPort',
    'prom-client',
    () => import('prom-client'),
  );
  const { Counter, Gauge, Histogram } = prometheus;
  const registry = new prometheus.Registry();
  const registers = [registry];
  prometheus.collectDefaultMetrics({ register: registry });

  const statements = new Counter({
    name: `${prefix}statements_total`,
    help: 'Statements by how they ended: ok, or the code of the refusal.',
    labelNames: ['role', 'statement', 'result'],
    registers,
  });
  const durations = new Histogram({
    name: `${prefix}statement_duration_seconds`,
    help: 'From the request to the end of the statement.',
    labelNames: ['role', 'statement'],
    buckets,
    registers,
  });
  const verifications = new Histogram({
    name: `${prefix}verification_duration_seconds`,
    help: 'Of tokens, also of those that were seen before, by result: ok, or the code of the refusal.',
    labelNames: ['result'],
    buckets: [0.0001, 0.00025, 0.0005, ...buckets],
    registers,
  });
  const fetches = new Counter({
    name: `${prefix}key_set_fetches_total`,
    help: 'Of key sets and discovery documents, by the status of the answer, or error.',
    labelNames: ['host', 'result'],
    registers,
  });
  const fetchedAt = new Gauge({
    name: `${prefix}key_set_fetched_timestamp_seconds`,
    help: 'When one was last fetched.',
    labelNames: ['host'],
    registers,
  });
  registry.registerMetric(
    new Gauge({
      name: `${prefix}pool_connections`,
      help: 'Connections to Postgres for requests by HTTP.',
      labelNames: ['role', 'state'],
      registers: [],
      collect() {
        for (const { role, busy, idle } of gauges.pools()) {
          this.set({ role, state: 'busy' }, busy);
          this.set({ role, state: 'idle' }, idle);
        }
      },
    }),
  );
  registry.registerMetric(
    new Gauge({
      name: `${prefix}pool_waiting_requests`,
      help: 'Requests by HTTP that wait for a connection.',
      labelNames: ['role'],
      registers: [],
      collect() {
        for (const pool of gauges.pools()) this.set({ role: pool.role }, pool.waiting);
      },
    }),
  );
  registry.registerMetric(
    new Gauge({
      name: `${prefix}sessions`,
      help: 'Sessions over WebSocket and TCP.',
      registers: [],
      collect() {
        this.set(gauges.sessions());
      },
    }),
  );

  return {
    observe: (event) => {
      const { role, statement, durationMs } = event;
      const result = event.type === 'query' ? 'ok' : (event.code ?? 'unknown');
      statements.inc({ role, statement, result });
      durations.observe({ role, statement }, durationMs / 1000);
    },
    watchVerifier: (verifier) => ({
      loadKeySets: async () => verifier.loadKeySets?.(),
      verify: async (token, options) => {
        const startedAt = performance.now();
        let result = 'ok';
        try {
          return await verifier.verify(token, options);
        } catch (error) {
          result = codeOf(error) ?? 'unknown';
          throw error;
        } finally {
          verifications.observe({ result }, (performance.now() - startedAt) / 1000);
        }
      },
    }),
    fetch: async (url, init) => {
      const { host } = new URL(url);
      try {
        const response = await fetch(url, init);
        fetches.inc({ host, result: String(response.status) });
        if (response.ok) fetchedAt.setToCurrentTime({ host });
        return response;
      } catch (error) {
        fetches.inc({ host, result: 'error' });
        throw error;
      }
    },
    text: () => registry.metrics(),
    contentType: registry.contentType,
  };
}
