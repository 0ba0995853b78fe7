import type { AuthorizeEvent } from '../observe.ts';
import { printProgress } from './terminal.ts';

/** A line a statement on the other stream; who asked is not in it, since a subject is a claim. */
export function logStatement(event: AuthorizeEvent): void {
  const { role, statement, durationMs } = event;
  const outcome =
    event.type === 'query'
      ? `${event.rows ?? 'no'} ${event.rows === 1 ? 'row' : 'rows'}`
      : `refused, ${event.code ?? 'without a code'}`;
  printProgress(`${role || 'no role'}: ${statement || 'not read'}, ${outcome}, ${durationMs.toFixed(1)} ms`);
}

/** The same for programs: one JSON object a line. */
export function logStatementAsJson(event: AuthorizeEvent): void {
  process.stderr.write(`${JSON.stringify(event)}\n`);
}
