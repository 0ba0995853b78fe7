import type { Observe } from '../../observe.ts';
import { loadPeer } from './load-peer.ts';

/**
 * A span for each statement, made when it has ended and put where it began. Its parent is the span that is active in the
 * request, which the HTTP instrumentation of OpenTelemetry takes from the client.
 *
 * Without a tracer provider, which the application registers, spans go nowhere.
 *
 * @throws TypeError where `@opentelemetry/api` is not installed
 * @see https://opentelemetry.io/docs/specs/semconv/database/postgresql/
 */
export async function traceStatements(): Promise<Observe> {
  const { SpanKind, SpanStatusCode, trace } = await loadPeer(
    'tracing',
    '@opentelemetry/api',
    () => import('@opentelemetry/api'),
  );
  const tracer = trace.getTracer('drizzle-authorize');
  return (event) => {
    const { role, statement, fingerprint, durationMs } = event;
    const endedAt = Date.now();
    const span = tracer.startSpan(statement || 'connect', {
      kind: SpanKind.SERVER,
      startTime: endedAt - durationMs,
    });
    if (span.isRecording()) {
      span.setAttributes({
        'db.system.name': 'postgresql',
        'db.operation.name': statement,
        'drizzle_authorize.role': role,
        ...(fingerprint !== undefined && { 'drizzle_authorize.statement.fingerprint': fingerprint }),
      });
      if (event.type === 'query') {
        if (event.rows !== null) span.setAttribute('db.response.returned_rows', event.rows);
      } else {
        span.setAttribute('db.response.status_code', event.code ?? '');
        span.setStatus({ code: SpanStatusCode.ERROR });
      }
    }
    span.end(endedAt);
  };
}
